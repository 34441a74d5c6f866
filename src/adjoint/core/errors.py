"""The sentences of the tape: PyTorch's exception class and first sentence, then what helps.

In: nodes, tensors, indices.  Out: exceptions, ready to be raised by the caller.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "freed",
    "modified",
    "no_grad_fn",
    "not_scalar",
    "output_of",
    "short_name",
    "type_name",
]

_LEGACY = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "uint8": "ByteTensor",
    "int8": "CharTensor",
    "int16": "ShortTensor",
    "int32": "IntTensor",
    "int64": "LongTensor",
    "bool": "BoolTensor",
    "complex64": "ComplexFloatTensor",
    "complex128": "ComplexDoubleTensor",
}

# What PyTorch's messages of the C++ side call the dtypes.
SCALAR_NAME = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "bool": "Bool",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def type_name(dtype: Any) -> str:
    """The legacy name of a dtype's tensors, ``torch.FloatTensor``."""
    return f"torch.{_LEGACY[dtype.name]}"


def scalar_name(dtype: Any) -> str:
    """The name that C++ gives the dtype, ``Float``."""
    return SCALAR_NAME[dtype.name]


def freed(node: Any) -> RuntimeError:
    """A backward through a node whose saved tensors are gone."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they have already been freed). Saved intermediate values of the graph are freed "
        "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
        "backward through the graph a second time or if you need to access saved tensors after "
        f"calling backward. (The freed node is {node.name()}. If two losses share a part of the "
        "graph, add them and call backward() once.)"
    )


def modified(
    node: Any, name: str, desc: Any, counter: Any, expected: int, origin: str = ""
) -> RuntimeError:
    """A saved tensor was overwritten before its node ran; ``origin`` is `output_of` what made
    it.
    """
    where = ""
    if counter.site is not None:
        code, line = counter.site
        where = f" It was last written in place at {code.co_filename}:{line}."
    made = f", which is {origin}," if origin else ""
    kind = "CPUBoolType" if desc.dtype.name == "bool" else type_name(desc.dtype)
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{kind} {list(desc.shape)}]{made} is at version "
        f"{counter.value}; expected version {expected} instead. Hint: enable anomaly detection to "
        "find the operation that failed to compute its gradient, with "
        f"torch.autograd.set_detect_anomaly(True).\n{node.name()} needs '{name}' as it was when "
        f"the operation ran.{where} Write the result to a new tensor instead (x = x + 1 rather "
        "than x += 1), or clone() before writing."
    )


def short_name(node: Any) -> str:
    """The name of an operation in a sentence: ``Mul`` for ``MulBackward0``, ``Sum1`` for
    ``SumBackward1``.
    """
    name: str = node.name()
    operation, _, number = name.rpartition("Backward")
    if "::" in name or not operation or not (number.isdigit() or not number):
        return name
    return operation + ("" if number == "0" else number)


def output_of(edge: Any) -> str:
    """``output 0 of Mul`` for the edge of a result; empty for leaves and tensors without
    history.
    """
    if edge is None or edge.leaf:
        return ""
    return f"output {edge.nr} of {short_name(edge.node)}"


def no_grad_fn(index: int) -> RuntimeError:
    """A root of backward that nothing was recorded for."""
    return RuntimeError(
        f"element {index} of tensors does not require grad and does not have a grad_fn. (Nothing "
        "that requires grad led to it, or the graph was cut: by detach(), .data, .item(), numpy(), "
        "no_grad(), or an integer dtype. Setting requires_grad = True on it would not bring the "
        "graph back.)"
    )


def not_scalar(shape: Any) -> RuntimeError:
    """backward() without a gradient on a tensor with several elements."""
    return RuntimeError(
        "grad can be implicitly created only for scalar outputs. (This output has shape "
        f"{list(shape)}: reduce it first, for example with .sum(), or give backward() a gradient "
        "of that shape: the weight of each element.)"
    )
