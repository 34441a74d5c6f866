"""Programs on modules: registration, walks, state dicts, conversions, hooks, printing, errors."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

from tests.torch_parity.harness import graph, raises, variants, warned


def _net(torch: Any) -> Any:
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))
    net.register_buffer("steps", torch.zeros(1))
    net.register_buffer("hidden", torch.ones(1), persistent=False)
    return net


def p_initial_values_come_from_the_seed(torch: Any) -> list[Any]:
    net = _net(torch)
    return [*net.parameters(), net(torch.ones(2, 3)), torch.rand(2)]


def p_walks(torch: Any) -> list[Any]:
    net = _net(torch)
    net.again = net[0]
    net[2].shared = net[0].weight
    return [
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_parameters("pre", recurse=False)],
        [name for name, _ in net.named_parameters(remove_duplicate=False)],
        [name for name, _ in net.named_buffers()],
        [name for name, _ in net.named_modules()],
        [name for name, _ in net.named_modules(prefix="x", remove_duplicate=False)],
        [name for name, _ in net.named_children()],
        [type(m).__name__ for m in net.modules()],
        [type(m).__name__ for m in net.children()],
        len(list(net.parameters(recurse=False))),
        [p.shape for p in net.parameters()],
        [b.shape for b in net.buffers(recurse=False)],
    ]


def p_paths(torch: Any) -> list[Any]:
    net = _net(torch)
    net.set_submodule("2.1", torch.nn.ReLU())
    return [
        repr(net.get_submodule("2.1")),
        net.get_submodule("") is net,
        net.get_parameter("2.0.bias"),
        net.get_buffer("steps"),
        raises(lambda: net.get_submodule("2.9")),
        raises(lambda: net.get_submodule("0.weight")),
        raises(lambda: net.get_parameter("0.nope")),
        raises(lambda: net.get_parameter("steps")),
        raises(lambda: net.get_buffer("0.weight")),
        raises(lambda: net.get_buffer("nope")),
        raises(lambda: net.set_submodule("", torch.nn.ReLU())),
        raises(lambda: net.set_submodule("2.1", 3)),
        raises(lambda: net.set_submodule("0.weight", torch.nn.ReLU())),
        raises(lambda: net.set_submodule("2.7", torch.nn.ReLU(), strict=True)),
    ]


def p_registration_errors(torch: Any) -> list[Any]:
    net = torch.nn.Linear(2, 3)
    net.child = torch.nn.ReLU()
    net.register_buffer("seen", torch.zeros(1))
    p = torch.nn.Parameter(torch.zeros(1))
    return [
        raises(lambda: net.register_parameter("a.b", None)),
        raises(lambda: net.register_parameter("", None)),
        raises(lambda: net.register_parameter("forward", None)),
        raises(lambda: net.register_parameter(3, None)),
        raises(lambda: net.register_parameter("x", torch.zeros(1))),
        raises(lambda: net.register_parameter("x", p * 1)),
        raises(lambda: net.register_parameter("x", 3)),
        raises(lambda: net.register_buffer("x", 3)),
        raises(lambda: net.register_buffer("a.b", None)),
        raises(lambda: net.register_buffer("weight", torch.zeros(1))),
        raises(lambda: net.register_buffer("", None)),
        raises(lambda: net.register_buffer(3, None)),
        raises(lambda: net.register_module("x", 3)),
        raises(lambda: net.register_module("a.b", net)),
        raises(lambda: net.register_module("", net)),
        raises(lambda: net.register_module("forward", net)),
        raises(lambda: net.add_module(3, net)),
        raises(lambda: setattr(net, "weight", 3)),
        raises(lambda: setattr(net, "weight", torch.zeros(2))),
        raises(lambda: setattr(net, "child", 3)),
        raises(lambda: setattr(net, "seen", 3)),
        raises(lambda: net.nope),
        raises(lambda: delattr(net, "nope")),
        raises(lambda: net.train(3)),
        raises(lambda: net.to(torch.int64)),
    ]


def p_before_init(torch: Any) -> list[Any]:
    def module(value: Any) -> type[Any]:
        class Early(torch.nn.Module):
            def __init__(self) -> None:
                self.x = value()

        return Early

    class Never(torch.nn.Module):
        def __init__(self) -> None:
            pass

    class Plain(torch.nn.Module):
        pass

    plain = module(lambda: torch.zeros(1))()
    return [
        raises(module(lambda: torch.nn.Linear(1, 1))),
        raises(module(lambda: torch.nn.Parameter(torch.zeros(1)))),
        raises(module(lambda: torch.nn.Buffer(torch.zeros(1)))),
        plain.x,
        raises(lambda: Never()(1)),
        raises(lambda: list(Never().parameters())),
        raises(lambda: Never().register_parameter("x", None)),
        raises(lambda: Plain()(1)),
        raises(lambda: Plain(3)),
        raises(lambda: Plain(x=3)),
    ]


def p_attributes_move_between_tables(torch: Any) -> list[Any]:
    net = torch.nn.Module()
    net.x = 3
    seen = ["x" in net.__dict__]
    net.x = torch.nn.Parameter(torch.ones(1))
    seen.append(("x" in net.__dict__, list(net._parameters)))
    net.x = None
    seen.append((net.x, list(net._parameters)))
    del net.x
    net.x = torch.nn.Buffer(torch.zeros(2), persistent=False)
    seen.append((list(net._buffers), net._non_persistent_buffers_set, list(net.state_dict())))
    net.x = torch.nn.ReLU()
    seen.append((list(net._buffers), list(net._modules), net._non_persistent_buffers_set))
    net.x = None
    seen.append((net.x, list(net._modules)))
    del net.x
    return [*seen, hasattr(net, "x"), list(net._modules)]


def p_state_dict(torch: Any) -> list[Any]:
    net = _net(torch)
    state = net.state_dict(prefix="m.")
    kept = net.state_dict(keep_vars=True)
    return [
        dict(state),
        type(state).__name__,
        {key: dict(value) for key, value in net.state_dict()._metadata.items()},
        kept["0.weight"] is net[0].weight,
        state["m.0.weight"].requires_grad,
        state["m.0.weight"].data_ptr() == net[0].weight.data_ptr(),
    ]


def p_load_state_dict(torch: Any) -> list[Any]:
    net, other = _net(torch), _net(torch)
    state = other.state_dict()
    result = net.load_state_dict(state)
    wrong = OrderedDict(state)
    wrong["0.weight"] = torch.zeros(5, 3)
    wrong["more"] = torch.zeros(1)
    del wrong["2.0.bias"]
    loose = net.load_state_dict({"0.weight": torch.ones(4, 3), "q": 1}, strict=False)
    before = net[0].weight
    net.load_state_dict(state, assign=True)
    return [
        repr(result),
        str(result),
        repr(loose),
        tuple(loose),
        raises(lambda: net.load_state_dict(wrong)),
        raises(lambda: net.load_state_dict(3)),
        raises(lambda: net.load_state_dict({})),
        raises(lambda: net.load_state_dict({**state, "0.bias": 3})),
        before is net[0].weight,
        type(net[0].weight).__name__,
        *net.parameters(),
    ]


def p_state_dict_hooks_and_extra_state(torch: Any) -> list[Any]:
    seen: list[Any] = []

    class Extra(torch.nn.Linear):
        def get_extra_state(self) -> Any:
            return {"n": 3}

        def set_extra_state(self, state: Any) -> None:
            seen.append(state)

    net = torch.nn.Sequential(Extra(1, 1))
    net[0].register_state_dict_pre_hook(lambda m, p, k: seen.append(("pre", p, k)))
    net[0].register_state_dict_post_hook(lambda m, s, p, meta: s.update({p + "more": 1}))
    net[0].register_load_state_dict_pre_hook(lambda m, s, *rest: s.pop("0.more", None))
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(repr(keys)))
    state = net.state_dict()
    keys = list(state)
    loaded = repr(net.load_state_dict(state, strict=False))
    net.register_state_dict_post_hook(lambda *a: 3)
    return [
        keys,
        loaded,
        seen,
        raises(net.state_dict),
        raises(lambda: Extra(1, 1).load_state_dict({})),
    ]


def p_modes(torch: Any) -> list[Any]:
    net = _net(torch)
    net(torch.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    zeros = [p.grad for p in net.parameters()]
    net.zero_grad()
    names: list[str] = []
    same = net.apply(lambda m: names.append(type(m).__name__)) is net
    return [
        net.eval() is net,
        [m.training for m in net.modules()],
        [m.training for m in net.train().modules()],
        [p.requires_grad for p in net.requires_grad_(False).parameters()],
        zeros,
        [p.grad for p in net.parameters()],
        names,
        same,
    ]


def p_conversions(torch: Any) -> list[Any]:
    net = _net(torch)
    net.register_buffer("count", torch.tensor(3))
    net(torch.ones(1, 3)).sum().backward()
    weight = net[0].weight
    net.double()
    first = [
        net[0].weight is weight,
        weight.dtype,
        weight.grad.dtype,
        net.steps.dtype,
        net.count.dtype,
    ]
    net.to(torch.float32)
    second = [weight.dtype, net.count.dtype]
    net.to("cpu", torch.float64).float()
    net.to(torch.zeros(1, dtype=torch.float64))
    third = [weight.dtype]
    net.half()
    return [
        *first,
        *second,
        *third,
        weight.dtype,
        net.type(torch.float32).steps.dtype,
        weight.is_leaf,
    ]


def p_copies(torch: Any) -> list[Any]:
    net = _net(torch)
    net[0].weight.mark = 5
    net.note = [1, 2]
    twin = copy.deepcopy(net)
    again = pickle.loads(pickle.dumps(net))
    shallow = copy.copy(net)
    return [
        twin[0].weight,
        twin[0].weight is net[0].weight,
        hasattr(twin[0].weight, "mark"),
        again[0].weight,
        hasattr(again[0].weight, "mark"),
        shallow[0].weight is net[0].weight,
        twin.note,
        type(twin[0].weight).__name__,
        repr(twin) == repr(net) == repr(again),
        twin(torch.ones(1, 3)),
    ]


def p_parameter(torch: Any) -> list[Any]:
    source = torch.zeros(2)
    p = torch.nn.Parameter(source)
    with torch.no_grad():
        p.add_(1)
    p.grad = torch.ones(2)
    twin = copy.deepcopy(p)
    return [
        source,
        (source._version, p._version, p.is_leaf, p._is_view()),
        repr(p),
        str(torch.nn.Parameter(torch.ones(1), requires_grad=False)),
        repr(torch.nn.Parameter()),
        type(p + 1) is torch.Tensor,
        type(p.data) is torch.Tensor,
        type(p.detach()) is torch.Tensor,
        twin.grad,
        twin is p,
        raises(lambda: torch.nn.Parameter(3)),
        raises(lambda: torch.nn.Parameter(torch.zeros(2, dtype=torch.int32))),
        repr(torch.nn.Parameter(torch.zeros(2, dtype=torch.int32), requires_grad=False)),
        isinstance(torch.nn.Buffer(source), torch.nn.Buffer),
        isinstance(source, torch.nn.Buffer),
        isinstance(p, torch.nn.Buffer),
    ]


def p_forward_hooks(torch: Any) -> list[Any]:
    seen: list[Any] = []
    layer = torch.nn.Linear(2, 2)
    x = torch.ones(1, 2)
    plain = layer(x)
    layer.register_forward_pre_hook(lambda m, a: seen.append("first"))
    layer.register_forward_pre_hook(lambda m, a: (seen.append("zero"), a[0] * 2)[1], prepend=True)
    layer.register_forward_pre_hook(
        lambda m, a, k: (seen.append(("kwargs", k)), (a, k))[1], with_kwargs=True
    )
    after = layer.register_forward_hook(lambda m, a, out: out + 1)
    layer.register_forward_hook(lambda m, a, k, out: seen.append(out), with_kwargs=True)
    out = layer(x)
    after.remove()
    with layer.register_forward_hook(lambda m, a, out: (out, out)):
        pair = layer(input=x) if False else layer(x)
    return [
        plain,
        out,
        pair,
        layer(x),
        seen,
        len(layer._forward_hooks),
        len(layer._forward_pre_hooks),
    ]


def p_forward_hooks_on_failure(torch: Any) -> list[Any]:
    seen: list[Any] = []

    class Fails(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    net = Fails()
    net.register_forward_hook(lambda m, a, out: seen.append("usual"))
    net.register_forward_hook(lambda m, a, out: seen.append(("always", out)), always_call=True)
    broken = torch.nn.Linear(1, 1)
    broken.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    return [raises(lambda: net(1)), seen, raises(lambda: broken(torch.ones(1, 1)))]


def p_full_backward_hooks(torch: Any) -> list[Any]:
    seen: list[Any] = []
    layer = torch.nn.Linear(2, 2)
    x = torch.ones(1, 2, requires_grad=True)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    out = layer(x)
    names = graph(out.grad_fn, 3)
    out.sum().backward()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    layer(x).sum().backward()
    with torch.no_grad():
        quiet = layer(x).grad_fn
    return [names, seen, x.grad, layer.bias.grad, quiet]


def p_full_backward_hooks_without_inputs(torch: Any) -> list[Any]:
    seen: list[Any] = []
    layer = torch.nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    warnings = warned(lambda: layer(torch.ones(1, 2)).sum().backward())
    return [[kind for kind, _ in warnings], seen]


def p_backward_hook_errors(torch: Any) -> list[Any]:
    def run(register: Any) -> Any:
        layer = torch.nn.Linear(2, 2)
        register(layer)
        return layer(torch.ones(1, 2, requires_grad=True)).sum().backward()

    def both(layer: Any) -> None:
        layer.register_full_backward_hook(lambda m, gi, go: None)
        layer.register_backward_hook(lambda m, gi, go: None)

    def both_other(layer: Any) -> None:
        layer.register_backward_hook(lambda m, gi, go: None)
        layer.register_full_backward_hook(lambda m, gi, go: None)

    return [
        raises(lambda: run(lambda m: m.register_full_backward_hook(lambda *a: (1, 2)))),
        raises(lambda: run(lambda m: m.register_full_backward_pre_hook(lambda *a: (1, 2)))),
        raises(lambda: run(both)),
        raises(lambda: run(both_other)),
    ]


def p_regular_backward_hook(torch: Any) -> list[Any]:
    seen: list[Any] = []
    layer = torch.nn.Tanh()
    layer.register_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = torch.ones(2, requires_grad=True)
    layer(x).sum().backward()
    return [seen, x.grad]


def p_global_hooks(torch: Any) -> list[Any]:
    seen: list[str] = []
    module = torch.nn.modules.module
    handles = [
        module.register_module_forward_hook(lambda m, a, o: seen.append(type(m).__name__)),
        module.register_module_forward_pre_hook(lambda m, a: seen.append("pre")),
        module.register_module_parameter_registration_hook(lambda m, n, p: seen.append(n)),
    ]
    net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
    net(torch.ones(1, 1))
    for handle in handles:
        handle.remove()
    net(torch.ones(1, 1))
    return [seen]


@variants(
    sequential=lambda nn: nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU(), nn.Tanh())),
    named=lambda nn: nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh())),
    empty=lambda nn: nn.Sequential(),
    list=lambda nn: nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU()]),
    dict=lambda nn: nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)}),
    nothing=lambda nn: nn.ModuleList(),
    conv=lambda nn: nn.Conv2d(4, 4, (3, 2), stride=2, padding=1, dilation=2, groups=2, bias=False),
    same=lambda nn: nn.Conv2d(3, 4, 3, padding="same", padding_mode="circular"),
    transposed=lambda nn: nn.ConvTranspose2d(1, 2, 3, stride=2, output_padding=1),
    max_pool=lambda nn: nn.MaxPool2d((2, 3), stride=1, padding=1, dilation=2, ceil_mode=True),
    avg_pool=lambda nn: nn.AvgPool1d(2),
    adaptive=lambda nn: nn.AdaptiveAvgPool2d((1, None)),
    batch_norm=lambda nn: nn.BatchNorm2d(3, affine=False),
    layer_norm=lambda nn: nn.LayerNorm((5, 3), eps=1e-3, bias=False),
    embedding=lambda nn: nn.Embedding(3, 4, -1, max_norm=1.0, norm_type=1.0, sparse=True),
    dropout=lambda nn: nn.Dropout(0.3, True),
    flatten=lambda nn: nn.Flatten(0, -2),
    unflatten=lambda nn: nn.Unflatten(1, (2, 3)),
    softmax=lambda nn: nn.Softmax(1),
    gelu=lambda nn: nn.GELU("tanh"),
    leaky=lambda nn: nn.LeakyReLU(inplace=True),
    hardtanh=lambda nn: nn.Hardtanh(-2, 3, True),
    elu=lambda nn: nn.ELU(2, True),
    softplus=lambda nn: nn.Softplus(),
    prelu=lambda nn: nn.PReLU(3),
    threshold=lambda nn: nn.Threshold(0.1, 2, True),
    loss=lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1),
    pad=lambda nn: nn.ConstantPad2d(1, 3.5),
    zero_pad=lambda nn: nn.ZeroPad2d((1, 2, 3, 4)),
    unfold=lambda nn: nn.Unfold((2, 2), stride=2),
)
def p_repr(torch: Any, make: Any) -> list[Any]:
    return [repr(make(torch.nn)), str(make(torch.nn))]
