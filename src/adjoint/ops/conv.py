"""Convolution in one, two and three dimensions, and its transpose.

In: an input (N, C, *space) or (C, *space), a weight and perhaps a bias of the same dtype.  Out: a
Tensor, recorded as PyTorch records it.

Note [Three faces]
    <g, conv(x, w)> is linear in each of its three arrays. `conv`, `conv_input` and `conv_weight`
    are its derivatives by the third one, so the rules of each are the other two. A transposed
    convolution is `conv_input` with the roles of g and x exchanged.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.conv_arguments import (
    check_arguments,
    check_dtypes,
    check_input,
    check_settings,
    check_shapes,
    expanded,
    keep_settings,
    kept_settings,
    settings_key,
    transposed_space,
)
from adjoint.ops.families import bilinear, general
from adjoint.ops.pad import constant_pad_nd
from adjoint.ops.window_arguments import Sizes, with_batch, without_batch

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Array = Any
Tensor = Any
Shape = tuple[int, ...]
Settings = dict[str, Any]


def _settings(stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Settings:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _conv_to(xp: Any, x: Array, w: Array, shape: Shape, settings: Settings) -> Array:
    """Return the convolution of the given shape: with output padding more windows may fit."""
    made = xp.conv(x, w, **settings)
    if tuple(made.shape) == tuple(shape):
        return made
    return xp.slice(made, tuple(slice(0, n) for n in shape))


# ---- the three faces (Note [Three faces]) --------------------------------------------------------


@bilinear(
    lambda xp, g, weight, input_shape, stride, padding, dilation, groups: xp.conv_input(
        g, weight, input_shape, **_settings(stride, padding, dilation, groups)
    ),
    lambda xp, g, input, weight_shape, stride, padding, dilation, groups: xp.conv_weight(
        g, input, weight_shape, **_settings(stride, padding, dilation, groups)
    ),
    node="ConvolutionBackwardBackward0",
)
def _conv(
    xp: Any,
    input: Array,
    weight: Array,
    *,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    """Return the convolution, as a derivative of the other two faces."""
    return xp.conv(input, weight, **_settings(stride, padding, dilation, groups))


@bilinear(
    lambda xp, g, weight, grad_shape, stride, padding, dilation, groups: _conv_to(
        xp, g, weight, grad_shape, _settings(stride, padding, dilation, groups)
    ),
    lambda xp, g, grad, weight_shape, stride, padding, dilation, groups: xp.conv_weight(
        grad, g, weight_shape, **_settings(stride, padding, dilation, groups)
    ),
    node="ConvolutionBackwardBackward0",
)
def _conv_input(
    xp: Any,
    grad: Array,
    weight: Array,
    *,
    shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    """Return the cotangent of the input of a convolution."""
    return xp.conv_input(grad, weight, shape, **_settings(stride, padding, dilation, groups))


@bilinear(
    lambda xp, g, input, grad_shape, stride, padding, dilation, groups: _conv_to(
        xp, input, g, grad_shape, _settings(stride, padding, dilation, groups)
    ),
    lambda xp, g, grad, input_shape, stride, padding, dilation, groups: xp.conv_input(
        grad, g, input_shape, **_settings(stride, padding, dilation, groups)
    ),
    node="ConvolutionBackwardBackward0",
)
def _conv_weight(
    xp: Any,
    grad: Array,
    input: Array,
    *,
    shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    """Return the cotangent of the weight of a convolution."""
    return xp.conv_weight(grad, input, shape, **_settings(stride, padding, dilation, groups))


# ---- with a bias, as users call them -------------------------------------------------------------


def _bias_vjp(xp: Any, g: Array) -> Array:
    return xp.sum(g, axis=(0, *range(2, g.ndim)))


def _terms(xp: Any, product: Any, t: Any, input: Array, weight: Array) -> Array:
    """The tangent of ``product(input, weight) + bias``."""
    terms = [] if t[0] is None else [product(t[0], weight)]
    if t[1] is not None:
        terms.append(product(input, t[1]))
    if t[2] is not None:
        terms.append(xp.reshape(t[2], (-1, *(1,) * (len(input.shape) - 2))))
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _convolution_jvp(
    xp: Any,
    t: Any,
    input: Array,
    weight: Array,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    settings = _settings(stride, padding, dilation, groups)
    return _terms(xp, lambda x, w: xp.conv(x, w, **settings), t, input, weight)


def _transposed_jvp(
    xp: Any,
    t: Any,
    input: Array,
    weight: Array,
    shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    settings = _settings(stride, padding, dilation, groups)
    return _terms(xp, lambda x, w: xp.conv_input(x, w, shape, **settings), t, input, weight)


_SAVED = {"input": "input", "weight": "weight"}


@general(
    lambda xp, g, weight, input_shape, stride, padding, dilation, groups: xp.conv_input(
        g, weight, input_shape, **_settings(stride, padding, dilation, groups)
    ),
    lambda xp, g, input, weight_shape, stride, padding, dilation, groups: xp.conv_weight(
        g, input, weight_shape, **_settings(stride, padding, dilation, groups)
    ),
    _bias_vjp,
    jvp=_convolution_jvp,
    node="ConvolutionBackward0",
    saved_names=_SAVED,
)
def _convolution(
    xp: Any,
    input: Array,
    weight: Array,
    bias: Array | None,
    *,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    """Return the convolution plus a bias (or None)."""
    return xp.conv_add(input, weight, bias, **_settings(stride, padding, dilation, groups))


@general(
    lambda xp, g, weight, input_shape, stride, padding, dilation, groups: _conv_to(
        xp, g, weight, input_shape, _settings(stride, padding, dilation, groups)
    ),
    lambda xp, g, input, weight_shape, stride, padding, dilation, groups: xp.conv_weight(
        input, g, weight_shape, **_settings(stride, padding, dilation, groups)
    ),
    _bias_vjp,
    jvp=_transposed_jvp,
    node="ConvolutionBackward0",
    saved_names=_SAVED,
)
def _convolution_transposed(
    xp: Any,
    input: Array,
    weight: Array,
    bias: Array | None,
    *,
    shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Array:
    """Return the transposed convolution, of a given shape, plus a bias (or None)."""
    return xp.conv_input_add(
        input, weight, bias, shape, **_settings(stride, padding, dilation, groups)
    )


# ---- PyTorch's functions -------------------------------------------------------------------------


def _convolve(
    spatial: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    name = f"conv{spatial}d"
    given = (stride, padding, dilation, groups)
    place = settings_key(name, input, weight, bias, given)
    if (known := kept_settings(place)) is not None:
        return _convolution(input, weight, bias, **known)
    text = padding if isinstance(padding, str) else None
    named: Settings = {"stride": stride, "padding": 0 if text else padding, "dilation": dilation}
    check_arguments(name, (input, weight, bias), named | {"groups": groups})
    check_input(name, input, spatial)
    batched, w = with_batch(input, spatial), weight._desc.shape
    settings: Settings = {}
    for key, value in named.items():
        settings[key] = expanded(key, value, spatial, len(w) - 2)
    settings["groups"] = groups.__index__()
    if text is not None:
        batched = _pad_as(text, batched, w, settings)
    check_settings(settings)
    check_shapes(batched._desc.shape, w, bias, settings, transposed=False)
    check_dtypes(input, weight, bias)
    if batched is input:
        keep_settings(place, given, settings)
    return without_batch(_convolution(batched, weight, bias, **settings), input, spatial)


def _pad_as(text: str, input: Tensor, w: Shape, settings: Settings) -> Tensor:
    """Set the padding that "same" or "valid" means; return the input, padded where it is uneven."""
    if text == "valid":
        return input
    if text != "same":
        raise RuntimeError(f"Invalid padding string: '{text}'")
    if any(s != 1 for s in settings["stride"]):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for k, d in zip(w[2:], settings["dilation"])]
    settings["padding"] = tuple(max(total, 0) // 2 for total in totals)
    if any(total % 2 for total in totals):
        widths = [width for total in reversed(totals) for width in (0, total % 2)]
        return constant_pad_nd(input, widths)
    return input


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of signals with kernels, plus ``bias``.

    Args: ``padding``: zeros on both sides, or "same" (result as long as input) or "valid" (none).
    ``groups``: so many independent convolutions, each of a part of the channels.

    Shape: input (N, C, L) or (C, L), weight (out, C / groups, k), bias (out); result (N, out, L').
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv1d(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[[1.0, -1.0]]]))
        tensor([[-1., -2.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of images with kernels, plus ``bias``.

    Args: as of `conv1d`; an int stands for both dims.

    Shape: input (N, C, H, W) or (C, H, W), weight (out, C / groups, kH, kW), bias (out); result
    (N, out, H', W').
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), padding=1)[0, 0, :2]
        tensor([[4., 6., 6., 4.],
                [6., 9., 9., 6.]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of volumes with kernels, plus ``bias``.

    Args: as of `conv1d`; an int stands for all three dims.

    Shape: input (N, C, D, H, W) or (C, D, H, W), weight (out, C / groups, kD, kH, kW), bias (out).
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv3d(torch.ones(1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)).item()
        8.0
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _convolve_transposed(
    spatial: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    name = f"conv_transpose{spatial}d"
    given = (stride, padding, output_padding, dilation, groups)
    place = settings_key(name, input, weight, bias, given)
    if (known := kept_settings(place)) is not None:
        return _convolution_transposed(input, weight, bias, **known)
    named: Settings = {"stride": stride, "padding": padding, "output_padding": output_padding}
    named["dilation"] = dilation
    check_arguments(name, (input, weight, bias), named | {"groups": groups})
    check_input(name, input, spatial)
    batched, w = with_batch(input, spatial), weight._desc.shape
    settings: Settings = {}
    for key, value in named.items():
        settings[key] = expanded(key, value, spatial, len(w) - 2)
    settings["groups"] = groups.__index__()
    check_settings(settings)
    x = batched._desc.shape
    check_shapes(x, w, bias, settings, transposed=True)
    check_dtypes(input, weight, bias)
    extra = settings.pop("output_padding")
    space = transposed_space(x[2:], w[2:], settings, extra)
    settings["shape"] = (x[0], w[1] * settings["groups"], *space)
    if batched is input:
        keep_settings(place, given, settings)
    made = _convolution_transposed(batched, weight, bias, **settings)
    return without_batch(made, input, spatial)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transpose of `conv1d` applied to signals, plus ``bias``.

    Args: ``padding``: as of the `conv1d` that is transposed: so much is cut off.
    ``output_padding``: so much longer on one side (with a stride, inputs of several sizes give the
    same size of output).

    Shape: input (N, C, L) or (C, L), weight (C, out / groups, k), bias (out); result (N, out, L').
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.tensor([[[1.0, -1.0]]]), stride=2)
        tensor([[ 1., -1.,  2., -2.]])
    """
    return _convolve_transposed(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transpose of `conv2d` applied to images, plus ``bias``.

    Args: as of `conv_transpose1d`; an int stands for both dims.

    Shape: input (N, C, H, W) or (C, H, W), weight (C, out / groups, kH, kW), bias (out); result
    (N, out, H', W').
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))[0, 0]
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    return _convolve_transposed(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transpose of `conv3d` applied to volumes, plus ``bias``.

    Args: as of `conv_transpose1d`; an int stands for all three dims.

    Shape: input (N, C, D, H, W) or (C, D, H, W), weight (C, out / groups, kD, kH, kW), bias (out).
    Raises: RuntimeError if shapes or dtypes do not fit.

    Example:
        >>> import adjoint as torch
        >>> conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2, 2)).shape
        torch.Size([1, 2, 2, 2])
    """
    return _convolve_transposed(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
