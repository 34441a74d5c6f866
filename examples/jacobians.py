"""Whole Jacobians, vectors and matrices differentiated, and a fused convolution checked.

Each gradient from ``backward`` is computed a second time as ones @ Jacobian, and both are printed.
The last part fuses a residual block of convolutions into one and compares the two. In: nothing.
Out: printed tensors, the same as from PyTorch. Run it with::

    python examples/jacobians.py
"""

import adjoint as torch
import adjoint.nn.functional as F
from adjoint.autograd.functional import jacobian

torch.manual_seed(1)

# -- 1. The Jacobian of a function --------------------------------------------------------------


def row_sums_of_exp(x):
    """Return sum_j exp(x_ij), one number a row."""
    return x.exp().sum(dim=1)


# The result has the output's shape and then the input's, (2) + (2, 3). Row sums do not depend on
# other rows, so all blocks but the diagonal ones are zero; these hold exp(x).
x = torch.randn(2, 3)
y = row_sums_of_exp(x)
print(x)
print(y)
print(jacobian(row_sums_of_exp, x))
print(jacobian(row_sums_of_exp, x).shape)

# -- 2. A vector by a vector --------------------------------------------------------------------

shift = torch.randn(3)


def shifted(x):
    """Return x + shift."""
    return x + shift


x = torch.randn(3, requires_grad=True)
y = shifted(x)
print(y)

# For some scalar l with dl/dy = ones: dl/dx = dl/dy @ dy/dx.
y.backward(torch.ones_like(y))
print(x.grad)
print(torch.ones_like(y) @ jacobian(shifted, x))

# -- 3. A matrix product by both factors --------------------------------------------------------

a = torch.randn(2, 3, requires_grad=True)
b = torch.randn(3, 2, requires_grad=True)
y = a @ b
print(y)
y.backward(torch.ones_like(y))
print(a.grad)  # all rows are equal
print(b.grad)  # all columns are equal


def times_b(row):
    """Return one row of a times the fixed matrix b."""
    return row @ b


print(times_b(a[0]))
print(torch.ones_like(times_b(a[0])) @ jacobian(times_b, a[0]))
print(torch.ones_like(times_b(a[1])) @ jacobian(times_b, a[1]))


def a_times(column):
    """Return the fixed matrix a times one column of b."""
    return a @ column


print(a_times(b[:, 0]))
print(torch.ones_like(a_times(b[:, 0])) @ jacobian(a_times, b[:, 0]))
print(a_times(b[:, 1]))
print(torch.ones_like(a_times(b[:, 1])) @ jacobian(a_times, b[:, 1]))

# -- 4. Three convolutions fused into one -------------------------------------------------------

# A residual block, conv3x3(x) + conv1x1(x) + x, is linear in x and so one 3 x 3 convolution.
channels = 2
conv3 = torch.nn.Conv2d(channels, channels, 3, padding=1)
conv1 = torch.nn.Conv2d(channels, channels, 1)
image = torch.randn(1, channels, 9, 9)


def block(image):
    """Return the three branches, computed one by one and added."""
    return conv3(image) + conv1(image) + image


# The 1 x 1 kernel in the middle of a 3 x 3 one, and the identity as a kernel: 1 in its middle.
point_as_3x3 = F.pad(conv1.weight, [1, 1, 1, 1])
print(point_as_3x3.shape)
pick = F.pad(torch.eye(channels).reshape(channels, channels, 1, 1), [1, 1, 1, 1])
weight = conv3.weight + point_as_3x3 + pick
bias = conv3.bias + conv1.bias
print(pick)
print(weight.shape, bias.shape)

separate = block(image)
fused = F.conv2d(image, weight, bias, padding=1)
print(separate.shape, fused.shape)

# Rounding differs between the two, so floating point results are compared within a tolerance ...
print(torch.all(torch.isclose(separate, fused, atol=1e-6)))

# ... and `equal` is for numbers without rounding, here small whole ones.
with torch.no_grad():
    for parameter in (conv3.weight, conv3.bias, conv1.weight, conv1.bias):
        parameter.copy_((parameter * 10).round())
    whole = (image * 10).round()
    weight = conv3.weight + F.pad(conv1.weight, [1, 1, 1, 1]) + pick
    fused = F.conv2d(whole, weight, conv3.bias + conv1.bias, padding=1)
    print(torch.equal(block(whole), fused))
