"""One recorded run of a function for derivatives that are defined by pushing tangents along.

In: a function and where.  Out: its recording, if pulling back tells the same as pushing along; else
nothing, and the caller pushes.

Note [Where pulling does not tell the same]
    Tangents go on where recording is off (`no_grad`), and through gradients that were taken without
    create_graph; a custom `Function` may have a jvp of its own; hooks see gradients only. Inside of
    other transforms, and where tensors require grad, tangents have company. In these cases, and
    where the recorded run is refused (a write to an argument), the function is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.array.dtypes import FLOATING
from adjoint.array.random import default_generator
from adjoint.autograd.function_node import BackwardCFunction
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.mode import get_mode
from adjoint.core.node import OutEdge
from adjoint.core.tensor_base import TensorBase
from adjoint.func.recording import Recording
from adjoint.func.trees import tree_iter

__all__ = ["run_once"]


def run_once(
    func: Callable[..., Any], points: Sequence[Any], randomness: str
) -> tuple[Recording, Any] | None:
    """The recording of ``func(*stand-ins)`` and its result; None where it is of no use.

    ``randomness``: "same" if the function may draw random numbers; otherwise it may not.
    """
    if randomness not in ("error", "different", "same"):
        return None
    if open_levels or get_mode() & ~modes.GRAD or not all(map(_is_plain, points)):
        return None
    pauses = modes.pauses[0]
    drawn: list[Any] = []
    recording = Recording(points)
    before = default_generator.watch(drawn)
    try:
        result = recording.run(func, recording.stand_ins, {})
    except RuntimeError:
        default_generator.back_to(drawn)
        return None
    finally:
        default_generator.watch(before)
        if drawn and before == []:
            before += drawn
    by_chance = randomness != "same" and drawn
    if by_chance or modes.pauses[0] != pauses or not _has_operators_only(result):
        default_generator.back_to(drawn)
        return None
    return recording, result


def _is_plain(point: Any) -> bool:
    desc = point._desc
    return point._edge is None and not desc.type.levels and desc.dtype.category >= FLOATING


def _has_operators_only(result: Any) -> bool:
    """Whether the graph has neither custom Functions nor hooks."""
    seen: set[Any] = set()
    todo = [t._edge for t in tree_iter(result) if isinstance(t, TensorBase)]
    while todo:
        edge = todo.pop()
        node = edge.node if type(edge) is OutEdge else edge
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.hooks is not None or isinstance(node, BackwardCFunction):
            return False
        todo += node.edges
    return True
