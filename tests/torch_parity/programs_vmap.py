"""Programs on ``func.vmap`` itself: dims of arguments and results, what fits, what is refused."""

from __future__ import annotations

import collections
import functools
from typing import Any

from tests.torch_parity.harness import differs, raises, variants

Pair = collections.namedtuple("Pair", "a b")


def _x(torch: Any) -> Any:
    return torch.arange(6.0).view(3, 2)


def _tried(call: Any) -> Any:
    """What a call returns, or what it raises."""
    found: list[Any] = []
    error = raises(lambda: found.append(call()))
    return found[0] if found else error


def _double(a: Any) -> Any:
    return a * 2


@variants(
    text="x", number=1.0, none=None, list=[0], dict={"a": 0}, empty=(), long=(0, 0), nested=((0,),)
)
def p_in_dims_of_one_tensor(torch: Any, in_dims: Any) -> list[Any]:
    return [_tried(lambda: torch.func.vmap(_double, in_dims=in_dims)(_x(torch)))]


@variants(
    first=(0, None),
    second=(None, 1),
    both=(0, 0),
    negative=(-2, -2),
    one=1,
    none=(None, None),
    short=(0,),
    beyond=(0, 2),
    below=(-3, 0),
    text=("x", 0),
    fraction=(0.5, 0),
    mismatch=(0, 1),
    true=(True, 1),
)
def p_in_dims_of_two_tensors(torch: Any, in_dims: Any) -> list[Any]:
    x = _x(torch)
    vmap = torch.func.vmap
    return [_tried(lambda: vmap(lambda a, b: a.sum() + b.sum(), in_dims=in_dims)(x, x))]


def p_sizes_differ(torch: Any) -> list[Any]:
    x, y = _x(torch), torch.ones(4, 2)
    vmap = torch.func.vmap
    return [
        raises(lambda: vmap(lambda a, b: a + b)(x, y)),
        raises(lambda: vmap(lambda a, b, c: a + b)(x, x, y)),
        raises(lambda: vmap(_double)(torch.tensor(1.0))),
        _tried(lambda: vmap(_double)(torch.ones(0, 2))),
    ]


def p_no_arguments(torch: Any) -> list[Any]:
    vmap = torch.func.vmap
    return [
        raises(lambda: vmap(lambda: torch.ones(1))()),
        raises(lambda: vmap(_double)(a=_x(torch))),
        raises(lambda: vmap(lambda a: torch.ones(1))([])),
        raises(lambda: vmap(_double)(_x(torch), _x(torch))),
        raises(lambda: vmap(3)(_x(torch))),
    ]


@variants(number=2, text="s", none=None, array="numpy")
def p_arguments_that_are_no_tensors(torch: Any, value: Any) -> list[Any]:
    x = _x(torch)
    if value == "numpy":
        value = x.numpy()
    vmap = torch.func.vmap
    return [
        raises(lambda: vmap(lambda a, b: a)(x, value)),
        _tried(lambda: vmap(lambda a, b: a, in_dims=(0, None))(x, value)),
    ]


def p_containers(torch: Any) -> list[Any]:
    x, u = _x(torch), torch.ones(2)
    vmap = torch.func.vmap

    def add(p: Any) -> Any:
        return p[0] + p[1]

    return [
        vmap(lambda d: d["x"] + d["y"][0])({"x": x, "y": [x]}),
        vmap(lambda p: p.a + p.b)(Pair(x, x)),
        vmap(lambda d: d["a"])(collections.OrderedDict(a=x)),
        vmap(lambda a, b: a)(x, []),
        vmap(add, in_dims=([0, None],))([x, u]),
        vmap(lambda p: p.a + p.b, in_dims=(Pair(0, None),))(Pair(x, u)),
        vmap(lambda d: d["a"], in_dims=({"a": 0},))({"a": x}),
        vmap(lambda d: d["a"], in_dims=({"a": 0},))(collections.OrderedDict(a=x)),
        vmap(lambda a: a[0] + a[1][0], in_dims=((0, (None,)),))((x, (u,))),
        raises(lambda: vmap(add, in_dims=((0, None),))([x, u])),
        raises(lambda: vmap(add, in_dims=([0, None],))((x, u))),
        raises(lambda: vmap(add, in_dims=((0, None),))(Pair(x, u))),
        raises(lambda: vmap(lambda d: d["a"], in_dims=({"b": 0},))({"a": x})),
        raises(lambda: vmap(lambda p: p[0], in_dims=(0,))((x, None))),
        raises(lambda: vmap(lambda p: p[0], in_dims=((0, 0),))((x, 3))),
    ]


def p_keyword_arguments_are_the_same_for_all(torch: Any) -> list[Any]:
    x = _x(torch)
    vmap = torch.func.vmap
    return [
        vmap(lambda a, b: a + b)(x, b=x),
        vmap(lambda a, b: a + b)(x, b=2),
        vmap(lambda a, b: a + b)(x, b=torch.tensor(1.0)),
        vmap(lambda a, b: a + b[0])(x, b=[x, 1]),
        vmap(lambda a, b: a * b, chunk_size=2)(x, b=x),
    ]


@variants(
    one=1,
    minus=-2,
    beyond=2,
    below=-3,
    text="x",
    number=1.0,
    empty=(),
    single=(0,),
    pair=(0, 1),
    dict={"a": 1},
)
def p_out_dims_of_one_tensor(torch: Any, out_dims: Any) -> list[Any]:
    return [_tried(lambda: torch.func.vmap(_double, out_dims=out_dims)(_x(torch)))]


def p_out_dims_of_containers(torch: Any) -> list[Any]:
    x = _x(torch)
    vmap = torch.func.vmap

    def nested(a: Any) -> Any:
        return a, (a * 2, a.sum())

    return [
        vmap(lambda a: {"a": a, "b": [a]})(x),
        vmap(lambda a: Pair(a, a))(x),
        vmap(lambda a: ())(x),
        vmap(nested, out_dims=(0, (1, 0)))(x),
        vmap(nested, out_dims=(1, 0))(x),
        vmap(lambda a: [a, a], out_dims=[0, 1])(x),
        vmap(lambda a: {"a": a}, out_dims={"a": 1})(x),
        raises(lambda: vmap(lambda a: [a, a], out_dims=(0, 1))(x)),
        raises(lambda: vmap(lambda a: (a, a), out_dims=[0, 1])(x)),
        raises(lambda: vmap(lambda a: (a, a), out_dims=(0,))(x)),
        raises(lambda: vmap(lambda a: {"a": a}, out_dims={"b": 1})(x)),
    ]


def p_results_without_samples(torch: Any) -> list[Any]:
    x = _x(torch)
    vmap = torch.func.vmap
    return [
        vmap(lambda a: torch.ones(2))(x),
        vmap(lambda a: torch.ones(2), out_dims=None)(x),
        vmap(lambda a: 3, out_dims=None)(x),
        vmap(lambda a: None, out_dims=None)(x),
        vmap(lambda a: (a, "s"), out_dims=(0, None))(x),
        raises(lambda: vmap(_double, out_dims=None)(x)),
        raises(lambda: vmap(lambda a: (a, a), out_dims=(0, None))(x)),
    ]


@variants(none=None, int=3, text="s", pair=(1.0, 2))
def p_results_that_are_no_tensors(torch: Any, value: Any) -> list[Any]:
    return [
        raises(lambda: torch.func.vmap(lambda a: value)(_x(torch))),
        raises(lambda: torch.func.vmap(lambda a: (a, value))(_x(torch))),
    ]


class Callable:
    """An object that is called; its name is its repr."""

    def __call__(self, a: Any) -> Any:
        return 3

    def __repr__(self) -> str:
        return "Callable()"


def p_names_in_messages(torch: Any) -> list[Any]:
    x, vmap = _x(torch), torch.func.vmap
    return [
        raises(lambda: vmap(functools.partial(lambda a, b: 3, b=1))(x)),
        raises(lambda: vmap(functools.partial(functools.partial(max)), in_dims="x")(x)),
        raises(lambda: vmap(Callable())(x)),
        raises(lambda: vmap(torch.nn.ReLU(), in_dims="x")(x)),
        vmap(_double).__name__,
        vmap(_double).__wrapped__ is _double,
    ]


@variants(one=1, two=2, three=3, five=5, zero=0, negative=-1, fraction=2.0, text="a")
def p_chunk_size(torch: Any, size: Any) -> list[Any]:
    x = _x(torch)
    vmap = torch.func.vmap
    return [
        _tried(lambda: vmap(_double, chunk_size=size)(x)),
        _tried(lambda: vmap(_double, chunk_size=size, out_dims=1)(x)),
        _tried(lambda: vmap(lambda a: {"q": (a, a.sum())}, chunk_size=size)(x)),
        _tried(lambda: vmap(lambda a, b: a * b, (0, None), chunk_size=size)(x, x[0])),
    ]


def p_randomness_is_a_word(torch: Any) -> list[Any]:
    return [
        raises(lambda: torch.func.vmap(_double, randomness="foo")),
        raises(lambda: torch.func.vmap(_double, randomness=None)),
    ]


def p_nesting(torch: Any) -> list[Any]:
    x, y = _x(torch), torch.arange(24.0).view(2, 3, 4)
    vmap = torch.func.vmap
    return [
        vmap(vmap(_double))(x),
        vmap(vmap(_double, in_dims=1, out_dims=1), in_dims=1, out_dims=2)(y),
        vmap(lambda a: vmap(lambda b: b + a.sum())(torch.ones(2)))(x),
        vmap(vmap(torch.dot), in_dims=(0, None))(y, y[0]),
        raises(lambda: vmap(vmap(vmap(_double)))(x)),
    ]


def p_what_the_function_raises_comes_out(torch: Any) -> list[Any]:
    return [
        raises(lambda: torch.func.vmap(lambda a: 1 / 0)(_x(torch))),
        raises(lambda: torch.func.vmap(torch.func.vmap(lambda a: {}["k"]))(_x(torch))),
    ]


@differs("here shapes in messages are those of one sample")
def p_shapes_that_do_not_fit(torch: Any) -> list[Any]:
    return [raises(lambda: torch.func.vmap(lambda a: a + torch.ones(3))(_x(torch)))]


@differs("PyTorch expands results that are the same for all as if their dim were the first")
def p_unbatched_result_along_another_dim(torch: Any) -> list[Any]:
    return [_tried(lambda: torch.func.vmap(lambda a: torch.ones(2), out_dims=1)(_x(torch)))]


@differs("PyTorch joins the chunks of a result without samples")
def p_chunks_of_a_result_without_samples(torch: Any) -> list[Any]:
    vmap = torch.func.vmap
    return [_tried(lambda: vmap(lambda a: (a, 3), out_dims=(0, None), chunk_size=2)(_x(torch)))]


@differs("results leave vmap by a node of their own here")
def p_name_of_the_last_node(torch: Any) -> list[Any]:
    x = _x(torch).requires_grad_()
    return [torch.func.vmap(_double)(x).grad_fn.name()]


def p_results_are_views_where_they_were(torch: Any) -> list[Any]:
    x = _x(torch)
    z = _x(torch).requires_grad_() * 1
    vmap = torch.func.vmap
    same, row, new = vmap(lambda a: a)(x), vmap(lambda a: a[0])(z), vmap(_double)(x)
    same.add_(1)
    row.add_(10)
    new.add_(100)
    return [x, z, new, same._is_view(), new._is_view(), row._is_view(), row._base is z]


def p_writing_to_results(torch: Any) -> list[Any]:
    x = _x(torch).requires_grad_()
    z = torch.func.vmap(_double)(x)
    z.add_(1)
    z.sum().backward()
    wide = torch.func.vmap(lambda a: torch.ones(2))(x)
    return [x.grad, raises(lambda: wide.add_(1))]


@differs("here shapes in messages are those of one sample")
def p_writing_to_a_saved_result(torch: Any) -> list[Any]:
    y = torch.func.vmap(torch.exp)(_x(torch).requires_grad_())
    y.add_(1)
    return [raises(lambda: y.sum().backward())]


def p_grad_mode_set_inside_stays(torch: Any) -> list[Any]:
    x = _x(torch).requires_grad_()

    def off(a: Any) -> Any:
        torch.set_grad_enabled(False)
        return a * 2

    y = torch.func.vmap(off)(x)
    found = [torch.is_grad_enabled(), y.requires_grad]
    torch.set_grad_enabled(True)
    return found
