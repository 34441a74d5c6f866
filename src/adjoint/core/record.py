"""The general path: one call of an operator in all its circumstances.

In: an `Op`, operands of any kind, parameters.  Out: Tensors, recorded when that is wanted.  Here
numbers are converted, dtypes promoted, other array libraries chosen, views linked to their base,
saved tensors packed, subclasses and modes respected; `core/call.py` has the straight path for the
usual case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import ARRAY, Descriptor, array_type, describe, library_of
from adjoint.array.kernels import tiles
from adjoint.array.silence import restore, silence
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.engine import running
from adjoint.core.forward import push
from adjoint.core.half import HALVES, half_of, rounded, widened
from adjoint.core.hooks import NodeHooks
from adjoint.core.libraries import batched, outside, straight
from adjoint.core.masked import composed, mark_results, masked, masked_forward
from adjoint.core.mode import get_mode
from adjoint.core.node import Node, OutEdge, next_seq
from adjoint.core.op import Op
from adjoint.core.plan import versions_of
from adjoint.core.saved import pack, saved_hooks
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import MULTI_OUTPUT, InvalidEdge, link_view

if TYPE_CHECKING:
    from adjoint.core import anomaly
else:
    anomaly = Later("adjoint.core.anomaly")

__all__ = ["apply", "compute", "record"]

_new = object.__new__
_NOTHING = object()


def apply(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Call ``op``; return its result (a tuple of results for an operator with several)."""
    mode = get_mode()
    raw_out: Any = None
    if mode & modes.LIBRARIES:
        made = straight(op, operands, params, mode)
        if made is None:
            made = outside(op, operands, params, mode)
        if made is not None:
            return made
        raw_out = batched(op, operands, params, mode)
    if raw_out is None:
        early = _before(op, operands, params, mode)
        if early is not _NOTHING:
            return early
        raw_out, _ = compute(op, operands, params)
    if type(raw_out) is tuple:
        library = library_of(raw_out)
        if library is not None:
            raw_out = library.alike(raw_out)
        descs = tuple(describe(r) for r in raw_out)
        mode = get_mode()
        node = (
            record(op, operands, params, raw_out, descs, mode)
            if mode & modes.GRAD and not mode & modes.INFERENCE
            else None
        )
        several = wrap_several(op, operands, params, raw_out, descs, node, mode)
        if mode & modes.MASKED:
            mark_results(op, operands, several)
        return several
    desc = describe(raw_out)
    made = make_tensor(raw_out, None, desc)
    mode = get_mode()
    if op.view:
        link_view(op, operands[0], made, params, mode)
    elif mode & modes.INFERENCE:
        made._mark_inference()
    if mode & modes.GRAD and not mode & modes.INFERENCE:
        node = record(op, operands, params, raw_out, desc, mode)
        if node is not None:
            made._edge = node
            if made._counter is not None:
                node.watch(made._counter)
                if node.versions is None and made._counter.value and node.plan.names:
                    node.versions = tuple(
                        made._counter.value if n == "out" else 0 for n in node.plan.names
                    )
    if open_levels:
        push(op, operands, params, made)
    if mode & modes.MASKED:
        mark_results(op, operands, made)
    return made


def _before(op: Op, operands: tuple[Any, ...], params: dict[str, Any], mode: int) -> Any:
    """What comes before computing: subclasses, operands of other kinds, checks; what they give
    instead of computing, or `_NOTHING`.
    """
    if not mode & modes.OVERRIDES_OFF:
        for operand in operands:
            if isinstance(operand, TensorBase) and operand.__torch_function__ is not None:
                return _override(op, operands, params)
    if op.promoted:
        for i, operand in enumerate(operands):
            if not isinstance(operand, TensorBase | int | float | complex | np.generic):
                if isinstance(operand, np.ndarray):
                    converted = (*operands[:i], make_tensor(operand), *operands[i + 1 :])
                    return apply(op, converted, params)
                if operand is not None or i in op.promoted:
                    return _refuse(op, operands, i)
    if op.check is not None:
        op.check(operands)
    if mode & modes.MASKED and mode & modes.GRAD:
        product = composed(op, operands, params)
        if product is not None:
            return product
    return _NOTHING


def _refuse(op: Op, operands: tuple[Any, ...], i: int) -> Any:
    """An operand that is neither a tensor nor a number: Python may ask the other operand's
    class.
    """
    if op.symbol:
        return NotImplemented
    raise TypeError(
        f"{op.name}(): argument '{op.operands[min(i, len(op.operands) - 1)]}' (position {i + 1}) "
        "must be "
        f"Tensor, not {type(operands[i]).__name__}"
    )


def _override(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    types: list[type] = []
    for operand in operands:
        kind = type(operand)
        if not isinstance(operand, TensorBase) or kind.__torch_function__ is None or kind in types:
            continue
        # a subclass is asked before its base
        at = next((i for i, t in enumerate(types) if issubclass(kind, t)), len(types))
        types.insert(at, kind)
    for kind in types:
        result = kind.__torch_function__(op.call, tuple(types), operands, params)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for 'torch.{op.name}' on types that implement "
        "__torch_function__: "
        f"{types}"
    )


# ---- computing -----------------------------------------------------------------------------------


def compute(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Run the forward on raw arrays, after promotion; return its result and the raw operands."""
    raws: list[Any] = []
    xp: Any = None
    narrow = False
    mode = get_mode()
    for operand in operands:
        if isinstance(operand, TensorBase):
            narrow = narrow or operand._desc.dtype in HALVES
            if xp is None or operand._desc.type.xp is not numpy_:
                xp = operand._desc.type.xp
            raws.append(operand._memory() if op.view else operand._array)
        else:
            raws.append(operand)
    narrow = _promote(op, operands, raws) if op.promoted else narrow
    half = None
    if narrow and op.widens:
        half = half_of([r for r, o in zip(raws, operands) if isinstance(o, TensorBase)])
        if half is not None:
            raws = [widened(raw) for raw in raws]
    if mode & modes.LIBRARIES and xp in (None, numpy_):
        xp = library_of((*raws, *params.values()))
    elif xp not in (None, numpy_):
        library = xp
        library.check_operands(operands, running.get() is not None)
    forward = masked_forward(op, operands, raws) if mode & modes.MASKED else None
    token = silence()
    try:
        if forward is not None:
            result = forward(xp or numpy_, **params)
        elif xp in (None, numpy_) and op.family == "elementwise":
            tile = op.tile(params)
            shared = not params and op.compiled
            result = tile(*raws) if shared else tiles.elementwise(tile, raws)
        else:
            result = op.forward(xp or numpy_, *raws, **params)
    except ValueError as error:
        mismatch = _broadcast_mismatch(op, raws)
        if mismatch is None:
            raise
        raise RuntimeError(mismatch) from error
    finally:
        restore(token)
    return rounded(result, half), raws


def _broadcast_mismatch(op: Op, raws: list[Any]) -> str | None:
    """PyTorch's sentence for operands of an elementwise operator that do not broadcast."""
    if not op.promoted:
        return None
    places = range(len(raws)) if op.family == "elementwise" else op.promoted
    shapes = [np.shape(raws[i]) for i in places if i < len(raws)]
    joined: tuple[int, ...] = ()
    for k, shape in enumerate(shapes):
        ndim = max(len(joined), len(shape))
        a, b = (1,) * (ndim - len(joined)) + joined, (1,) * (ndim - len(shape)) + shape
        for i in reversed(range(ndim)):
            if a[i] != b[i] and 1 not in (a[i], b[i]):
                return (
                    f"The size of tensor a ({a[i]}) must match the size of tensor b ({b[i]}) at "
                    f"non-singleton dimension {i}. ({op.name}: operand '{op.operands[k]}' has "
                    "shape "
                    f"{list(shape)}, which does not broadcast with {list(joined)}.)"
                )
        joined = tuple(m if n == 1 else n for n, m in zip(a, b))
    return None


def common_dtype(op: Op, operands: tuple[Any, ...]) -> dtypes.dtype:
    """The dtype in which ``op`` computes on these operands."""
    shared = _shared_dtype(op, operands)
    if shared is not None:
        return shared
    tensors: list[dtypes.dtype] = []
    zero_dim: list[dtypes.dtype] = []
    numbers: list[Any] = []
    positions = range(len(operands)) if op.variadic else op.promoted
    for i in positions:
        operand = operands[i]
        if isinstance(operand, TensorBase):
            (tensors if operand._desc.storage == ARRAY else zero_dim).append(operand._desc.dtype)
        elif operand is not None:
            numbers.append(operand)
    wanted = dtypes.result_dtype(tensors, zero_dim, numbers)
    if op.to_float and wanted.category < dtypes.FLOATING:
        wanted = dtypes.get_default_dtype()
    return wanted


def _shared_dtype(op: Op, operands: tuple[Any, ...]) -> dtypes.dtype | None:
    """The dtype of all tensors among the operands, where numbers beside them change nothing."""
    shared: dtypes.dtype | None = None
    least = dtypes.FLOATING if op.to_float else dtypes.BOOL
    for i in range(len(operands)) if op.variadic else op.promoted:
        operand = operands[i]
        if isinstance(operand, TensorBase):
            dtype = operand._desc.dtype
            if shared is None:
                shared = dtype
            elif dtype is not shared:
                return None
        elif type(operand) is float:
            least = dtypes.FLOATING
        elif type(operand) is int:
            least = max(least, dtypes.INTEGRAL)
        elif operand is not None:
            return None
    return None if shared is None or shared.category < least else shared


def _promote(op: Op, operands: tuple[Any, ...], raws: list[Any]) -> bool:
    """Cast raw operands to their common dtype; whether that has half precision. Numbers are
    rounded, too, unless the operator's kernel in PyTorch takes them as they are.
    """
    wanted = common_dtype(op, operands)
    numpy_dtype = wanted.numpy
    narrow = wanted in HALVES
    constant = dtypes.float32 if narrow and op.wide_numbers else wanted
    for i in range(len(operands)) if op.variadic else op.promoted:
        operand = operands[i]
        if isinstance(operand, TensorBase):
            if operand._desc.dtype is not wanted:
                raws[i] = operand._desc.type.xp.astype(raws[i], numpy_dtype)
        elif operand is not None:
            raws[i] = number_constant(operand, constant)
    return narrow


def number_constant(number: Any, wanted: dtypes.dtype) -> Any:
    """A NumPy scalar of a dtype for a Python number; integers wrap around as in PyTorch's
    kernels.
    """
    kind = array_type(wanted)
    try:
        return kind.constants.get(number) or kind.constant(number)
    except OverflowError:
        if wanted.category != dtypes.INTEGRAL:
            raise
        if number < -(2**63):
            raise OverflowError("can't convert negative int to unsigned") from None
        if number >= 2**64:
            raise OverflowError("int too big to convert") from None
        return np.int64((number + 2**63) % 2**64 - 2**63).astype(wanted.numpy)
    except TypeError:
        raise TypeError(
            f"unsupported operand: expected a Tensor or a number, got {type(number).__name__}"
        ) from None


# ---- recording -----------------------------------------------------------------------------------


def record(
    op: Op, operands: tuple[Any, ...], params: dict[str, Any], out: Any, desc: Any, mode: int
) -> Node | None:
    """The node of one call, or None if nothing is to be recorded."""
    if not op.differentiable:
        return None
    if op.joint:
        wanted = [isinstance(o, TensorBase) and o._edge is not None for o in operands]
    else:
        wanted = [
            r is not None and isinstance(o, TensorBase) and o._edge is not None
            for o, r in zip(operands, op.rules)
        ]
    needs = tuple(wanted)
    if True not in needs:
        return None
    descs = desc if isinstance(desc, tuple) else (desc,)
    if not any(d.dtype.category >= dtypes.FLOATING for d in descs):
        return None
    if any(
        isinstance(o, TensorBase) and o._side is not None and o._side.inference for o in operands
    ):
        _refuse_inference(op, needs, operands)
    plan = op.plan(needs) if not mode & modes.MASKED else masked(op.plan(needs))
    node = _new(op.node_class)
    node.edges = edges = tuple([o._edge if n else None for o, n in zip(operands, needs)])
    for edge in edges:
        if type(edge) is InvalidEdge:
            edge.refuse()
    shapes = tuple(o._desc.shape if isinstance(o, TensorBase) else np.shape(o) for o in operands)
    saved = plan.collect(operands, shapes, out, params)
    node.plan = plan
    node.seq = next_seq()
    node.desc = desc
    node.hooks = None
    node.counter = None
    node.versions = versions_of(saved)
    if mode & modes.SAVED_HOOKS:
        saved = _packed(plan, saved, out, node)
    node.saved = saved
    if mode & modes.ANOMALY:
        anomaly.remember(node, operands, out, running.get())
    return node


def _packed(plan: Any, saved: tuple[Any, ...], out: Any, node: Node) -> tuple[Any, ...]:
    stack = saved_hooks.get()
    if not stack:
        return saved
    values = list(saved)
    # by PyTorch's names, in alphabetical order
    for i in sorted(range(len(values)), key=lambda k: plan.op.saved_name(plan.names[k])):
        value = values[i]
        is_output = plan.names[i] == "out"
        if not is_output and not isinstance(value, TensorBase):
            continue
        if isinstance(stack[-1], str):
            raise RuntimeError(stack[-1])
        # Unpacking runs the user's code: in the engine, which knows the walk, not the straight one.
        node.hooks = NodeHooks()
        if is_output and isinstance(out, tuple):
            edges = [plan.op.out_edge(node, k) for k in range(len(out))]
            values[i] = tuple([pack(make_tensor(v), True, e) for v, e in zip(value, edges)])
        else:
            values[i] = pack(make_tensor(value) if is_output else value, is_output, node)
    return tuple(values)


def _refuse_inference(op: Op, needs: tuple[bool, ...], operands: tuple[Any, ...]) -> None:
    names = op.plan(needs).names
    for name in names:
        i = op.position.get(name)
        operand = None if i is None else operands[i]
        if (
            isinstance(operand, TensorBase)
            and operand._side is not None
            and operand._side.inference
        ):
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created "
                "in "
                "inference mode in computation tracked by autograd. To work around this, you can "
                "make "
                "a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` "
                "instead of `torch.inference_mode()`."
            )


# ---- views and several outputs -------------------------------------------------------------------


def wrap_several(
    op: Op,
    operands: Any,
    params: dict[str, Any],
    raw_out: tuple[Any, ...],
    descs: tuple[Descriptor, ...],
    node: Node | None,
    mode: int,
) -> Any:
    """The results of an operator with several: a tuple of tensors, each with its edge."""
    results = []
    for nr, (raw, desc) in enumerate(zip(raw_out, descs)):
        made = make_tensor(raw, None, desc)
        if node is not None and desc.dtype.category >= dtypes.FLOATING:
            made._edge = OutEdge(node, nr, desc)
            if "out" in node.plan.names:
                made._version_counter()
        if op.view:
            link_view(_PickView(op, nr), operands[0], made, params, mode)
            if mode & modes.GRAD and not mode & modes.INFERENCE:
                made._side.made = MULTI_OUTPUT
        elif mode & modes.INFERENCE:
            made._mark_inference()
        results.append(made)
    made_all = tuple(results)
    if open_levels:
        push(op, operands, params, made_all)
    return made_all


class _PickView:
    """Output ``nr`` of an operator that returns several views, as a step from base to view."""

    __slots__ = ("linear", "node_name", "nr", "op")

    def __init__(self, op: Op, nr: int) -> None:
        self.op = op
        self.nr = nr
        self.node_name = op.node_name

    def forward(self, xp: Any, raw: Any, **params: Any) -> Any:
        """The one view."""
        return self.op.forward(xp, raw, **params)[self.nr]
