"""Why ``backward`` of a vector wants a vector: it multiplies that vector with the Jacobian.

Tracked tensors, gradients that add up, weights for results that are no scalar, an experiment with
a dot product, three ways to keep an operation out of the graph, and a Jacobian built row by row by
assignment. In: nothing. Out: printed tensors, the same as from PyTorch. Run it with::

    python examples/vector_jacobian_products.py
"""

import adjoint as torch

torch.manual_seed(0)

# -- 1. Tracked tensors -------------------------------------------------------------------------

x = torch.ones(2, 2, requires_grad=True)
print(x)
print(x.grad_fn)

y = x + 2
print(y)
print(y.grad_fn)
print(x.is_leaf, y.is_leaf)

z = y * y * 3
out = z.mean()
print(z, out)

# -- 2. Gradients, and how they add up ----------------------------------------------------------

out.backward()  # the same as out.backward(torch.tensor(1.0))
print(x.grad)

# Each backward adds to .grad: 4.5 + 1. Set it to zero first to see one alone.
out2 = x.sum()
out2.backward()
print(x.grad)

out3 = x.sum()
x.grad.data.zero_()
out3.backward()
print(x.grad)

# -- 3. Weights of the result's shape -----------------------------------------------------------

# z.backward(v) differentiates the scalar sum(z * v): no tensor is ever derived by a tensor.
x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
y = 2 * x
z = y.view(2, 2)
print(z)
v = torch.tensor([[1.0, 0.1], [0.01, 0.001]], dtype=torch.float)
z.backward(v)
print(x.grad)

x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
z = (2 * x).view(2, 2)
h = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.float)
z.backward(h)
print(x.grad)

# -- 4. l = (x + y) . z: the gradient of l at t = x + y is z ------------------------------------

x = torch.randn(3, requires_grad=True)
y = torch.randn(3, requires_grad=True)
z = torch.randn(3, requires_grad=True)
print(x)
print(y)
print(z)

t = x + y
l = t.dot(z)
print(t)
print(l)

l.backward(retain_graph=True)
print(x.grad)
print(y.grad)  # x.grad = y.grad = z
print(z)
print(z.grad)  # z.grad = t = x + y
print(t)

# So sending z backward from t gives what l gave.
x.grad.data.zero_()
y.grad.data.zero_()
z.grad.data.zero_()
t.backward(z)
print(x.grad)
print(y.grad)

# -- 5. Keeping an operation out of the graph ---------------------------------------------------

x = torch.tensor(1.0, requires_grad=True)
y1 = x**2
with torch.no_grad():
    y2 = x**3
y3 = y1 + y2
print(x.requires_grad)
print(y1, y1.requires_grad)
print(y2, y2.requires_grad)
print(y3, y3.requires_grad)

# d(x^2 + x^3)/dx is 5 at 1, but x^3 was not recorded: 2 remains.
y3.backward()
print(x.grad)

# y2 knows nothing of x.
try:
    y2.backward()
except RuntimeError as error:
    first_sentence = str(error).partition(". ")[0]  # what follows is advice
    print(f"{type(error).__name__}: {first_sentence}")

# .data is the same memory, untracked: the value changes, the gradient does not notice.
x = torch.ones(1, requires_grad=True)
print(x.data)
print(x.data.requires_grad)
y = 2 * x
x.data *= 100
y.backward()
print(x)
print(x.grad)

# A detached tensor stops the gradient, too.
x = torch.ones(1, requires_grad=True)
y = 2 * x + (3 * x).detach()
y.backward()
print(x.grad)

# -- 6. A projection of the Jacobian on a direction ---------------------------------------------

# y = x^2, element by element, has the Jacobian diag(2 x); times ones that is 2 x.
x = torch.randn(3, requires_grad=True)
print(x)
y = x**2
y.backward(torch.ones(3))
print(x.grad)
print(x)

# Another direction weighs the rows differently.
y = x**2
(projection,) = torch.autograd.grad(y, x, torch.tensor([1.0, 0.0, 10.0]))
print(projection)

# Three scalars in, three functions of them written into the elements of a plain tensor.
x1 = torch.tensor(1, requires_grad=True, dtype=torch.float)
x2 = torch.tensor(2, requires_grad=True, dtype=torch.float)
x3 = torch.tensor(3, requires_grad=True, dtype=torch.float)
y = torch.randn(3)
print(y)
y[0] = x1**2 + 2 * x2 + x3
y[1] = x1 + x2**3 + x3**2
y[2] = 2 * x1 + x2**2 + x3**3
print(y)

# The Jacobian is (2 x1, 2, 1; 1, 3 x2^2, 2 x3; 2, 2 x2, 3 x3^2); its columns add up to 5, 18, 34.
y.backward(torch.ones(3))
print(x1.grad)
print(x2.grad)
print(x3.grad)
