"""How gradients travel through a small graph: leaves, results, and what each of them keeps.

The graph is ``a = x + 2 y`` and ``b = a + z / 2`` over vectors of two elements. The script shows
which tensors are leaves, which keep a gradient, what ``backward`` asks for when the result is no
scalar, and draws the graph as text. In: nothing. Out: printed tensors, the same as from PyTorch.
Run it with::

    python examples/leaves_and_gradients.py
"""

import adjoint as torch


def build():
    """Return the leaves x, y, z, the intermediate result a (which keeps its gradient) and b."""
    x = torch.Tensor([2, 1]).requires_grad_()
    y = torch.Tensor([1, 3]).requires_grad_()
    z = torch.Tensor([5, 2]).requires_grad_()
    a = x + y * 2
    a.retain_grad()  # without this only leaves keep what backward brings
    b = a + z / 2
    return x, y, z, a, b


def draw(node, names, indent=""):
    """Print the graph from ``node`` on, one operator or leaf a line, operands indented below."""
    if hasattr(node, "variable"):
        print(f"{indent}{names[id(node.variable)]} (leaf)")
        return
    print(f"{indent}{node.name()}")
    for parent, _ in node.next_functions:
        if parent is not None:
            draw(parent, names, indent + "    ")


# -- The gradients: db/dx = 1, db/dy = 2, db/dz = 1/2, db/da = 1 ----------------------------------

x, y, z, a, b = build()
b.backward(torch.ones_like(x))
print(x.data, x.grad)
print(y.data, y.grad)
print(z.data, z.grad)
print(a.data, a.grad)

# -- What a tensor knows about itself -----------------------------------------------------------

for name, tensor in (("x", x), ("y", y), ("z", z), ("a", a), ("b", b)):
    print(name, tensor.is_leaf, tensor.requires_grad, tensor.grad_fn)

# -- The picture of the graph -------------------------------------------------------------------

x, y, z, a, b = build()
draw(b.grad_fn, {id(x): "x", id(y): "y", id(z): "z"})

# -- A vector has no backward() without weights -------------------------------------------------

try:
    b.backward()
except RuntimeError as error:
    first_sentence = str(error).partition(". ")[0]  # what follows is advice
    print(f"{type(error).__name__}: {first_sentence}")

# Weights of one are the sum of the elements; weights of two double every gradient.
torch.sum(b * torch.ones_like(x)).backward()
print(x.grad, y.grad, z.grad, a.grad)

x, y, z, a, b = build()
b.backward(torch.ones_like(x) * 2)
print(x.grad, y.grad, z.grad, a.grad)

# The weights may be any tensor of b's shape, its own values for instance.
x, y, z, a, b = build()
b.backward(b.data)
print(b.data, x.grad, y.grad, z.grad, a.grad)

# A scalar needs none: the weight is a single one.
x, y, z, a, b = build()
b.sum().backward()
print(x.grad, y.grad, z.grad, a.grad)
x, y, z, a, b = build()
b.sum().backward(torch.ones_like(torch.tensor(1.0)))
print(x.grad, y.grad, z.grad, a.grad)

# -- Cutting the graph at a: x and y are out of reach, z is not ----------------------------------

x, y, z, a, b = build()
a = a.detach()
b = a + z / 2
b.backward(torch.ones_like(x))
print(x.grad, y.grad, z.grad, a.grad)
print(a.is_leaf, a.requires_grad, a.grad_fn)
