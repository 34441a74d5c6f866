"""Programs: a derivative of graphs that are built alike, as one function of plain NumPy.

In: a function that walks a graph.  Out: the `Derivation` that does the same by a `Program`, made
from the steps of a `Trace`, where graphs like this one were met before.

Note [Programs]
    A function that is differentiated at many points records the same graph each time, with other
    numbers. Walking that graph costs some microseconds per node, more than NumPy's work on small
    arrays. So the second time that a graph of one kind is met, its derivative is computed on traced
    arrays, and what that did is written as the text of a function: straight calls of NumPy, without
    what nobody needs, without what is the same every time. From the third time on that function
    runs. The function that is differentiated runs every time, and its graph is compared with the
    one for which the program was made: where it took another way, another program is needed, and
    until there is one the graph is walked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.blocks import written_out
from adjoint.array.descriptor import describe
from adjoint.array.silence import restore, silence
from adjoint.array.traced import (
    Attribute,
    Method,
    Step,
    TracedArray,
    Untraceable,
    item,
)
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.mode import get_mode, mode_bits
from adjoint.derivatives.kept import KeptTwice
from adjoint.derivatives.steps import (
    add_at,
    last_uses,
    needed,
    numbers,
    overwritten,
    owner,
    together,
)
from adjoint.derivatives.tape import Tape, fingerprint, nodes_behind

__all__ = ["Derivation", "Program", "is_large", "release"]

Array = Any
Walk = Callable[..., list[Array]]

_LARGE = 1 << 16  # elements
_CONSTANTS = 1 << 23  # bytes of constants that a program may keep

_SIGNS: dict[Any, str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.power: "**",
    np.matmul: "@",
    np.greater: ">",
    np.greater_equal: ">=",
    np.less: "<",
    np.less_equal: "<=",
    np.equal: "==",
}


class Program:
    """The function that some steps amount to; ``text`` is how it reads."""

    def __init__(self, tape: Tape, extras: Sequence[TracedArray], results: list[Any]) -> None:
        self._constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._known: dict[Any, str] = {}
        self._extras = [describe(e.value) for e in extras]
        steps = together(needed(tape.trace.steps, results), results)
        self._over = overwritten(steps, results)
        used = {n for s in steps for n in numbers((s.args, s.kwargs))}
        used |= numbers(results)
        others = {a.number for a in extras}
        inputs = [a for a in tape.trace.inputs if a.number in used - others]
        self.load = tape.loader(inputs)
        for array in (*inputs, *extras):
            self._names[array.number] = f"x{len(self._names)}"
        given = [*(self._names[a.number] for a in inputs), *(self._names[a.number] for a in extras)]
        lines = [f"def compute({', '.join(given)}):"]
        last = last_uses(steps, results, self._over)
        for k, step in enumerate(steps):
            lines += [f"    {line}" for line in self._lines(step)]
            lines += [f"    del {self._names[n]}" for n in last.get(k, ())]
        made = {step.out: step for step in steps}
        lines.append(f"    return [{', '.join(self._results(results, made))}]")
        self.text = "\n".join(lines)
        kept = [c for c in self._constants.values() if isinstance(c, np.ndarray)]
        if sum(c.nbytes for c in kept) > _CONSTANTS:
            raise Untraceable("too many numbers that are always the same")
        scope = dict(self._constants)
        exec(self.text, scope)
        self.compute: Callable[..., list[Array]] = scope["compute"]

    def takes(self, extras: Sequence[Array]) -> bool:
        """Whether the further arrays are like those that the program was made for."""
        for e, desc in zip(extras, self._extras):
            if describe(e) is not desc:
                return False
        return len(extras) == len(self._extras)

    def run(self, loaded: list[Array], extras: Sequence[Array]) -> list[Array]:
        """The results for the numbers of a graph."""
        modes.pauses[0] += 1  # as in a walk
        token = silence()
        try:
            return self.compute(*loaded, *extras)
        finally:
            restore(token)

    # ---- text --------------------------------------------------------------------------------

    def _lines(self, step: Step) -> list[str]:
        """One step; what is written into an operand or into zeros is written in place."""
        function, args = step.function, step.args
        if step.out in self._over:
            return [self._written(step, self._over[step.out])]
        if function is add_at:
            name = self._names[step.out] = self._text(args[0])
            part = f"{name}[{self._text(args[1])}]"
            return [f"p = {part}", f"p += {self._text(args[2])}", "del p"]
        name = self._names[step.out] = f"t{step.out}"
        if function is numpy_.slice_into and type(args[0]) is TracedArray:
            of, shape, index = args
            zeros, dtype = self._constant(np.zeros), self._constant(of.dtype)
            return [
                f"{name} = {zeros}({self._text(shape)}, {dtype})",
                f"{name}[{self._text(index)}] = {self._text(of)}",
            ]
        return [f"{name} = {self._call(step)}"]

    def _written(self, step: Step, i: int) -> str:
        """A step whose result takes the place of its operand number ``i``."""
        given = [self._text(a) for a in step.args]
        name = self._names[step.out] = given[i]
        sign = _SIGNS.get(step.function)
        if sign is not None and sign in "+-*/" and (i == 0 or sign in "+*"):
            return f"{name} {sign}= {given[1 - i]}"
        return f"{self._constant(step.function)}({', '.join(given)}, out={name})"

    def _call(self, step: Step) -> str:
        function, args, kwargs = step.function, step.args, step.kwargs
        if function in (np.add.reduce, np.maximum.reduce) and len(args) == 1:
            args = (args[0], kwargs.get("axis"), kwargs.get("dtype"), None)
            kwargs = {"keepdims": True} if step.kwargs.get("keepdims") else {}
        given = [self._text(a) for a in args]
        if function in _SIGNS and len(given) == 2 and not kwargs:
            return f"{given[0]} {_SIGNS[function]} {given[1]}"
        if function is np.negative and not kwargs:
            return f"-{given[0]}"
        if function is item:
            return f"{given[0]}[{given[1]}]"
        if isinstance(function, Attribute):
            return f"{given[0]}.{function.name}"
        given_named = [f"{k}={self._text(v)}" for k, v in kwargs.items()]
        if isinstance(function, Method):
            return f"{given[0]}.{function.name}({', '.join(given[1:])})"
        return f"{self._constant(function)}({', '.join(given + given_named)})"

    def _text(self, x: Any) -> str:
        if type(x) is TracedArray:
            return self._names[x.number]
        if x is None or type(x) in (bool, int, str):
            return repr(x) if type(x) is not int or x >= 0 else f"({x})"
        if type(x) in (tuple, list) and numbers(x):
            inner = ", ".join(map(self._text, x))
            return f"[{inner}]" if type(x) is list else f"({inner},)"
        return self._constant(x)

    def _constant(self, value: Any) -> str:
        name = self._known.get(id(value))
        if name is None:
            plain = getattr(value, "__name__", "")
            name = plain if plain.isidentifier() and callable(value) else "c"
            name = (
                f"{name}{len(self._constants)}" if name == "c" or name in self._constants else name
            )
            self._constants[name] = value
            self._known[id(value)] = name
        return name

    def _results(self, results: list[Any], made: dict[int, Step]) -> list[str]:
        """What is returned: never memory of the graph, of a constant or of another result."""
        texts, taken = [], set()
        for result in results:
            if result is None:
                texts.append("None")
                continue
            text, whose = self._text(result), owner(result, made)
            own = whose is not None and whose not in taken and isinstance(result.value, np.ndarray)
            taken.add(whose)
            texts.append(text if own else f"{self._constant(np.array)}({text})")
        return texts


class Derivation(KeptTwice):
    """A derivative of a recorded result, by a program where graphs like its own were met before.

    ``walk(output, points, *extras)`` computes it: raw arrays (or None) for a tensor that depends on
    the points, and further arrays. It must do so on traced arrays all the same.
    """

    most, marks = 64, 1024

    def __init__(self, walk: Walk) -> None:
        super().__init__()
        self.walk = walk

    def __call__(self, output: Any, points: Sequence[Any], *extras: Array) -> list[Array]:
        """What ``walk`` gives."""
        found = self.recall(output, points, *extras)
        if found is None:
            self.learn(output, points, *extras)
            found = self.walk(output, points, *extras)
        return found

    def recall(self, output: Any, points: Sequence[Any], *extras: Array) -> list[Array] | None:
        """The derivative by a program that is there; None where the graph is to be walked."""
        root = output._edge
        kept = self._kept.get(root.desc)
        if kept is None or root.leaf or _is_special():
            return None
        leaves = [p._edge for p in points]
        for i, program in enumerate(kept):
            try:
                loaded = program.load(root, leaves)
            except (AttributeError, ValueError):  # another kind of edge, another number of leaves
                continue
            if loaded is not None and program.takes(extras):
                if i:  # the last one is tried first
                    kept.insert(0, kept.pop(i))
                return program.run(loaded, extras)
        return None

    def learn(self, output: Any, points: Sequence[Any], *extras: Array) -> None:
        """Note a graph; the second time make a program of it."""
        root, leaves = output._edge, [p._edge for p in points]
        if root.leaf or _is_special():
            return
        if any(map(is_large, (output, *points))):
            return
        try:
            mark = fingerprint(root, leaves), tuple([describe(e) for e in extras])
        except Untraceable:
            return
        if not self.again(mark):
            return
        try:
            program = self._make(output, points, extras)
        except Exception:  # whatever it is: the walk says it better, or it does not happen there
            return
        self.keep(root.desc, program)

    def _make(self, output: Any, points: Sequence[Any], extras: tuple[Array, ...]) -> Program:
        """A program that gives what the walk gives, and leaves the blocks no earlier.

        Raises: Untraceable where there is none.
        """
        before = written_out[0]
        expected = self.walk(output, points, *extras)
        times = written_out[0] - before
        tape = Tape(output._edge, [p._edge for p in points])
        given = [tape.trace.input(e) for e in extras]
        before = written_out[0]
        with mode_bits(on=modes.LIBRARIES):
            results = self.walk(tape.output, tape.points, *given)
        if written_out[0] - before > times:
            raise Untraceable("blocks that the walk keeps are written out")
        program = Program(tape, given, results)
        loaded = program.load(output._edge, [p._edge for p in points])
        if loaded is None or not _agree(program.run(loaded, extras), expected):
            raise Untraceable("the program gives something else")
        return program


def is_large(tensor: Any) -> bool:
    """Whether NumPy's work on a tensor takes so long that no program is made."""
    return math.prod(tensor._desc.shape) > _LARGE


def _is_special() -> bool:
    """Whether walks have to do more than compute, or meet other arrays than NumPy's."""
    return bool(get_mode() & ~modes.GRAD or open_levels)


def _agree(found: list[Array], expected: list[Array]) -> bool:
    """Whether two lists of results are the same up to rounding."""
    for a, b in zip(found, expected, strict=True):
        if (a is None) != (b is None):
            return False
        if a is not None:
            b = getattr(b, "value", b)  # of a batched array
            if a.shape != b.shape or a.dtype != b.dtype:
                return False
            tolerance = float(np.sqrt(np.finfo(a.dtype).eps))
            if not np.allclose(a, b, tolerance, tolerance, equal_nan=True):
                return False
    return True


def release(root: Any, leaves: Sequence[Any]) -> None:
    """Free what the nodes between ``root`` and ``leaves`` saved, as a walk that keeps nothing."""
    nodes = nodes_behind(root)
    needed = set(leaves)
    for node in sorted(nodes, key=lambda node: node.seq):
        if any(e is not None and (e if e.leaf else e.node) in needed for e in node.edges):
            needed.add(node)
            if node.plan.frees:
                node.saved = None
