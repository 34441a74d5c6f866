"""Derivatives by vectors and matrices, first by hand and then by the library.

A walk through the definitions (scalar by vector, scalar by matrix, vector by vector), tensors that
are tracked, first and second derivatives with ``autograd.grad``, and ``backward`` from scalars,
matrices and vectors. In: nothing. Out: printed tensors, the same as from PyTorch. Run it with::

    python examples/matrix_calculus.py
"""

import adjoint as torch

torch.manual_seed(0)

# -- 1. What a derivative is -------------------------------------------------------------------

# A scalar by a vector of n elements: n numbers, here d(a . v)/dv = a.
a = torch.tensor([1.0, 2.0, 3.0])
v = torch.tensor([4.0, 5.0, 6.0], requires_grad=True)
(gradient,) = torch.autograd.grad(a.dot(v), v)
print(gradient)

# A scalar by an m x n matrix: an m x n matrix again, here d(p . M q)/dM = p q^T.
p = torch.tensor([1.0, 2.0])
q = torch.tensor([3.0, 4.0, 5.0])
M = torch.ones(2, 3, requires_grad=True)
(gradient,) = torch.autograd.grad(p @ M @ q, M)
print(gradient)

# A vector of m elements by a vector of n elements. `jacobian` puts the outputs first: row i holds
# the derivatives of output i, (m, n). Texts in "denominator layout" print its transpose, (n, m).
A = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
J = torch.autograd.functional.jacobian(lambda x: A @ x, v.detach())
print(J)
print(J.T)
print(v.shape, (A @ v).shape, J.shape, J.T.shape)

# -- 2. Tensors that are tracked ---------------------------------------------------------------

x = torch.ones(2, 2, requires_grad=True)
print(x)
print(x.grad_fn)  # made by hand: no operator made it

y = torch.add(x, 1)
print(y)
print(y.grad_fn)

# Tracking can be switched on in place, and concerns what is computed afterwards.
a = torch.randn(2, 2)
a = (a * 3) / (a - 1)
print(a)
a.requires_grad_(True)
print(a)
a = a + 1
print(a)

# Three ways not to be tracked: a detached tensor, a block, and a leaf switched off.
print((x * 2).detach().requires_grad)
with torch.no_grad():
    print((x * 2).requires_grad)
print((x.requires_grad_(False) * 2).requires_grad)

# -- 3. Gradients on request -------------------------------------------------------------------

# y = x1^2 + x2^2 + x1 x2 at (3, 1): the gradient is (2 x1 + x2, 2 x2 + x1) = (7, 5).
x1 = torch.tensor(3.0, requires_grad=True)
x2 = torch.tensor(1.0, requires_grad=True)
y = x1**2 + x2**2 + x1 * x2

# create_graph=True records the gradient itself, so that it can be differentiated once more.
x1_1 = torch.autograd.grad(y, x1, retain_graph=True, create_graph=True)[0]
x2_1 = torch.autograd.grad(y, x2, retain_graph=True, create_graph=True)[0]
print(x1_1, x2_1)

# The second derivatives, pure and mixed: the Hessian matrix (2 1; 1 2).
x1_11 = torch.autograd.grad(x1_1, x1, retain_graph=True)[0]
x1_12 = torch.autograd.grad(x1_1, x2)[0]
x2_21 = torch.autograd.grad(x2_1, x1, retain_graph=True)[0]
x2_22 = torch.autograd.grad(x2_1, x2)[0]
print(x1_11, x1_12, x2_21, x2_22)

# The whole matrix at once, with the same numbers.
print(torch.autograd.functional.hessian(lambda a, b: a**2 + b**2 + a * b, (x1, x2)))

# -- 4. backward() from a scalar ---------------------------------------------------------------

# out = mean of 3 (x + 2)^2 over four elements: d out / d x_i = 6 (x_i + 2) / 4 = 4.5.
x = torch.ones(2, 2, requires_grad=True)
y = x + 2
print(y)
z = y * y * 3
out = z.mean()
print(z, out)
out.backward()
print(x.grad)

# By the chain rule, with the Jacobian of z and the gradient of the mean, both written out.
dz_dx = torch.autograd.functional.jacobian(lambda x: 3 * (x + 2) ** 2, torch.ones(4))
print(dz_dx)
print(dz_dx @ torch.full((4,), 0.25))

# A second backward pass adds to what is there.
(x * x).sum().backward()
print(x.grad)

# -- 5. backward() from a matrix and from a vector ----------------------------------------------

# `gradient` says how much each element of y counts: f = sum of y here, so df/dx = ones @ w.
x = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], requires_grad=True)
w = torch.tensor([[1.0, 2, 3], [4, 5, 6]], requires_grad=True)
y = torch.matmul(x, w.T)
print(y)
print(torch.ones_like(y))
y.backward(gradient=torch.ones_like(y))
print(x.grad)
print(w.grad)

# A chain of vectors, z = 4 x, with weights of very different size.
x = torch.ones(3, requires_grad=True)
print(x)
y = x * 2
print(y)
z = y * 2
print(z)
v = torch.tensor([0.1, 1.0, 0.0001], dtype=torch.float)
z.backward(gradient=v)
print(x.grad)
