"""Modules as functions of their parameters: `functional_call` and its relatives.

In: a module (anything that has ``named_parameters`` and the tables of Note [Tables] in
nn/modules/registry.py) and other tensors in place of those it holds.  Out: what it computes with
them; the module itself is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.join import stack

__all__ = [
    "check_alike",
    "functional_call",
    "reparametrized",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
]


# ---- other tensors for a while -------------------------------------------------------------------


def _tied(module: Any) -> list[tuple[str, ...]]:
    """The names under which the same tensor is found several times, together."""
    together: dict[int, list[str]] = {}
    for named in (module.named_parameters, module.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            together.setdefault(id(tensor), []).append(name)
    return [tuple(names) for names in together.values() if len(names) > 1]


def _with_tied(module: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """``tensors``, where one of several tied names stands for all of them."""
    complete = dict(tensors)
    for names in _tied(module):
        given = [name for name in names if name in tensors]
        if not given:
            continue
        first = tensors[given[0]]
        if any(tensors[name] is not first for name in given):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. "
                "Consider using tie_weights=False"
            )
        complete.update(dict.fromkeys(names, first))
    return complete


def _check_strict(module: Any, tensors: Mapping[str, Any]) -> None:
    held = {
        name
        for named in (module.named_parameters, module.named_buffers)
        for name, _ in named(remove_duplicate=False)
    }
    lines = []
    for what, names in (("Unexpected", set(tensors) - held), ("Missing", held - set(tensors))):
        if names:
            shown = ", ".join(f"'{name}'" for name in sorted(names))
            lines.append(f"\n\t{what} key(s): {shown}.")
    if lines:
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:{''.join(lines)}"
        )


def _owner(module: Any, path: str) -> tuple[Any, str]:
    """The submodule that holds the tensor at a dotted path, and the tensor's name in it."""
    prefix, _, name = path.rpartition(".")
    if not name:
        raise KeyError('tensor name can\'t be empty string ""')
    for part in prefix.split(".") if prefix else ():
        found = module._modules.get(part)
        if found is None:
            raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
        module = found
    return module, name


_MISSING: Any = object()


def _swap(owner: Any, name: str, tensor: Any) -> tuple[dict[str, Any], str, Any]:
    """Put ``tensor`` at a name; return the table that holds it, the name and what was there."""
    if tensor is not None and not isinstance(tensor, TensorBase):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    for table in (owner._parameters, owner._buffers, owner.__dict__):
        if name in table:
            before = table[name]
            break
    else:
        table = owner.__dict__
        if name in owner._modules:
            raise TypeError(
                f"attribute `{name}`: {owner._modules[name]} is not an instance of torch.Tensor"
            )
        before = _MISSING
    if before is not None and before is not _MISSING and not isinstance(before, TensorBase):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    table[name] = tensor
    return table, name, before


@contextmanager
def reparametrized(
    module: Any, tensors: dict[str, Any], *, tie_weights: bool, strict: bool
) -> Iterator[None]:
    """A block in which ``module`` holds other tensors, by dotted path; all is put back after it.

    What the module itself puts in their place meanwhile is found in ``tensors`` afterwards.
    Raises: as `functional_call`.
    """
    complete = _with_tied(module, tensors) if tie_weights else dict(tensors)
    if strict:
        _check_strict(module, complete)
    replaced: list[tuple[str, dict[str, Any], str, Any]] = []
    try:
        for path, tensor in complete.items():
            owner, name = _owner(module, path)
            replaced.append((path, *_swap(owner, name, tensor)))
        yield
    finally:
        for path, table, name, before in reversed(replaced):
            if path in tensors and name in table:
                tensors[path] = table[name]
            if before is _MISSING:
                table.pop(name, None)
            else:
                table[name] = before


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Any] | Sequence[dict[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return ``module(*args, **kwargs)`` with other tensors for its parameters and buffers.

    ``parameter_and_buffer_dicts``: tensors by dotted name, or several such dictionaries; what is
    not in them the module has as ever. ``args``: a tuple, or the one argument. ``tie_weights``:
    names that stand for one tensor in the module do so here, too. ``strict``: all names must be
    given, and no others.

    Raises: ValueError where a name is given twice; RuntimeError if ``strict`` does not hold;
    AttributeError and KeyError for names that cannot be; TypeError for what is no tensor.

    >>> import adjoint as torch
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2)}, torch.tensor([3.0, 4.0]))
    tensor([7.])
    """
    tensors = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with reparametrized(module, tensors, tie_weights=tie_weights, strict=strict):
        return module(*arguments, **({} if kwargs is None else kwargs))


def _merged(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    if not isinstance(given, list | tuple):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(given)}"
        )
    if not all(isinstance(tensors, dict) for tensors in given):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    names = [name for tensors in given for name in tensors]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    return {name: tensor for tensors in given for name, tensor in tensors.items()}


# ---- ensembles -----------------------------------------------------------------------------------


def check_alike(models: Sequence[Any], function: str) -> None:
    """Raise RuntimeError unless there are models, of one class and all training or all not."""
    if len(models) == 0:
        raise RuntimeError(f"{function}: Expected at least one model, got 0.")
    training = [model.training for model in models]
    if any(training) and not all(training):
        raise RuntimeError(f"{function}: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        raise RuntimeError(f"{function}: Expected all models to be of the same class.")


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of several models of one class, each name stacked.

    Shape: a new first dim, the model; the stacked parameters are leaves that require grad where
    those of the models do.
    Raises: RuntimeError if there is no model, or they differ in class, mode or shapes.

    >>> import adjoint as torch
    >>> parameters, buffers = torch.func.stack_module_state([torch.nn.Linear(2, 3)] * 4)
    >>> {name: list(stacked.shape) for name, stacked in parameters.items()}
    {'weight': [4, 3, 2], 'bias': [4, 3]}
    """
    check_alike(models, "stack_module_state")

    def stacked(members: Callable[[Any], Any]) -> dict[str, Any]:
        tables = [dict(members(model)) for model in models]
        return {name: _stacked_leaf([t[name] for t in tables], name) for name in tables[0]}

    return (
        stacked(lambda model: model.named_parameters()),
        stacked(lambda model: model.named_buffers()),
    )


def _stacked_leaf(tensors: Sequence[Any], name: str) -> Any:
    wanted = [t.requires_grad for t in tensors]
    if any(wanted) and not all(wanted):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    result = stack(list(tensors)).detach()
    return result.requires_grad_() if wanted[0] else result


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let the batch normalisations in ``root`` use the batch only, without running averages.

    In place; ``root`` is returned. Their averages are written in every call, which differs from
    one element of a `vmap` to another.

    >>> import adjoint as torch
    >>> torch.func.replace_all_batch_norm_modules_(torch.nn.BatchNorm1d(2)).running_mean is None
    True
    """
    for module in root.modules():
        if any(cls.__name__ == "_BatchNorm" for cls in type(module).__mro__):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root
