"""Kernels over NumPy that are more than one call: convolution, pooling, padding.

In and out: raw arrays. `windows` has what they share, `threads` how work is split. Each is
loaded when it is first named.
"""

from typing import TYPE_CHECKING

from adjoint import _later

if TYPE_CHECKING:
    from adjoint.array.kernels.convolution import (
        conv,
        conv_add,
        conv_input,
        conv_input_add,
        conv_weight,
    )
    from adjoint.array.kernels.padding import pad, pad_mirrored, pad_mirrored_sum
    from adjoint.array.kernels.pooling import (
        Bins,
        avg_pool,
        avg_pool_input,
        max_pool,
        max_pool_values,
        pooled_size,
    )
    from adjoint.array.kernels.pooling_taps import max_pool_index, max_pool_put, max_pool_take
    from adjoint.array.kernels.unfolding import fold, unfold
    from adjoint.array.kernels.windows import Window, output_size

__all__ = [
    "Bins",
    "Window",
    "avg_pool",
    "avg_pool_input",
    "conv",
    "conv_add",
    "conv_input",
    "conv_input_add",
    "conv_weight",
    "fold",
    "max_pool",
    "max_pool_index",
    "max_pool_put",
    "max_pool_take",
    "max_pool_values",
    "output_size",
    "pad",
    "pad_mirrored",
    "pad_mirrored_sum",
    "pooled_size",
    "unfold",
]

_HOMES = {
    "conv": "convolution",
    "conv_add": "convolution",
    "conv_input": "convolution",
    "conv_input_add": "convolution",
    "conv_weight": "convolution",
    "pad": "padding",
    "pad_mirrored": "padding",
    "pad_mirrored_sum": "padding",
    "Bins": "pooling",
    "avg_pool": "pooling",
    "avg_pool_input": "pooling",
    "max_pool": "pooling",
    "max_pool_index": "pooling_taps",
    "max_pool_put": "pooling_taps",
    "max_pool_take": "pooling_taps",
    "max_pool_values": "pooling",
    "pooled_size": "pooling",
    "fold": "unfolding",
    "unfold": "unfolding",
    "Window": "windows",
    "output_size": "windows",
}
__getattr__ = _later.names(__name__, {name: f"{__name__}.{home}" for name, home in _HOMES.items()})
