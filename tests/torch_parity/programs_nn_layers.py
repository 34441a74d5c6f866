"""Programs on layers and their functions: values, gradients, nodes, errors, random numbers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from tests.torch_parity.harness import graph, raises, variants, warned


def _run(torch: Any, layer: Any, *shape: int) -> list[Any]:
    x = torch.randn(*shape, requires_grad=True)
    y = layer(x)
    (g,) = torch.autograd.grad((y * y).sum(), x)
    return [y, g, graph(y.grad_fn, 2), *layer.parameters()]


@variants(
    linear=(lambda nn: nn.Linear(3, 2), (4, 3)),
    linear_wide=(lambda nn: nn.Linear(3, 2), (2, 4, 3)),
    linear_no_bias=(lambda nn: nn.Linear(3, 2, bias=False), (4, 3)),
    conv2d=(lambda nn: nn.Conv2d(3, 4, 3), (2, 3, 7, 7)),
    conv2d_unbatched=(lambda nn: nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 7, 7)),
    conv2d_circular=(
        lambda nn: nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect"),
        (2, 3, 7, 7),
    ),
    conv1d=(lambda nn: nn.Conv1d(4, 4, 3, groups=2, dilation=2), (2, 4, 9)),
    conv3d=(lambda nn: nn.Conv3d(2, 4, 2), (1, 2, 4, 4, 4)),
    transposed=(lambda nn: nn.ConvTranspose2d(3, 2, 3, stride=2), (2, 3, 4, 4)),
    max_pool=(lambda nn: nn.MaxPool2d(2), (2, 3, 7, 7)),
    max_pool1d=(lambda nn: nn.MaxPool1d(2), (2, 3, 7)),
    avg_pool=(lambda nn: nn.AvgPool2d(3, 1, 1, count_include_pad=False), (2, 3, 7, 7)),
    adaptive=(lambda nn: nn.AdaptiveAvgPool2d((2, None)), (2, 3, 7, 7)),
    batch_norm=(lambda nn: nn.BatchNorm2d(3), (2, 3, 4, 4)),
    batch_norm_eval=(lambda nn: nn.BatchNorm1d(3).eval(), (4, 3)),
    layer_norm=(lambda nn: nn.LayerNorm((3, 2)), (4, 3, 2)),
    group_norm=(lambda nn: nn.GroupNorm(2, 4), (3, 4, 2)),
    dropout1d=(lambda nn: nn.Dropout1d(0.3), (4, 3)),
    relu=(lambda nn: nn.ReLU(), (3, 4)),
    gelu=(lambda nn: nn.GELU(), (3, 4)),
    gelu_tanh=(lambda nn: nn.GELU("tanh"), (3, 4)),
    silu=(lambda nn: nn.SiLU(), (3, 4)),
    mish=(lambda nn: nn.Mish(), (3, 4)),
    elu=(lambda nn: nn.ELU(0.7), (3, 4)),
    selu=(lambda nn: nn.SELU(), (3, 4)),
    celu=(lambda nn: nn.CELU(0.7), (3, 4)),
    leaky=(lambda nn: nn.LeakyReLU(0.2), (3, 4)),
    prelu=(lambda nn: nn.PReLU(4), (3, 4)),
    hardtanh=(lambda nn: nn.Hardtanh(-0.5, 0.7), (3, 4)),
    hardsigmoid=(lambda nn: nn.Hardsigmoid(), (3, 4)),
    hardswish=(lambda nn: nn.Hardswish(), (3, 4)),
    softshrink=(lambda nn: nn.Softshrink(), (3, 4)),
    hardshrink=(lambda nn: nn.Hardshrink(), (3, 4)),
    softplus=(lambda nn: nn.Softplus(2.0, 1.0), (3, 4)),
    softsign=(lambda nn: nn.Softsign(), (3, 4)),
    tanhshrink=(lambda nn: nn.Tanhshrink(), (3, 4)),
    logsigmoid=(lambda nn: nn.LogSigmoid(), (3, 4)),
    threshold=(lambda nn: nn.Threshold(0.1, 2.0), (3, 4)),
    glu=(lambda nn: nn.GLU(), (3, 4)),
    softmax=(lambda nn: nn.Softmax(-1), (3, 4)),
    log_softmax=(lambda nn: nn.LogSoftmax(0), (3, 4)),
    softmin=(lambda nn: nn.Softmin(1), (3, 4)),
    flatten=(lambda nn: nn.Flatten(), (2, 3, 4)),
    unflatten=(lambda nn: nn.Unflatten(1, (2, 2)), (3, 4)),
    pad=(lambda nn: nn.ReflectionPad2d(1), (2, 3, 4, 4)),
    dropout=(lambda nn: nn.Dropout(0.3), (3, 4)),
    dropout2d=(lambda nn: nn.Dropout2d(0.3), (3, 4, 2, 2)),
    mixed=(lambda nn: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5)), (5, 3)),
)
def p_layer(torch: Any, value: Any) -> list[Any]:
    make, shape = value
    return [*_run(torch, make(torch.nn), *shape), torch.rand(1)]


def p_batch_norm_averages(torch: Any) -> list[Any]:
    seen = []
    for options in ({}, {"momentum": None}, {"track_running_stats": False}, {"momentum": 0.3}):
        layer = torch.nn.BatchNorm1d(3, **options)
        for _ in range(3):
            layer(torch.randn(4, 3))
        seen.append(dict(layer.state_dict()))
        seen.append(layer.eval()(torch.ones(2, 3)))
    return seen


def p_batch_norm_errors(torch: Any) -> list[Any]:
    nn, z = torch.nn, torch.zeros
    return [
        raises(lambda: nn.BatchNorm1d(4)(z(2, 4, 3, 2))),
        raises(lambda: nn.BatchNorm2d(4)(z(2, 4))),
        raises(lambda: nn.BatchNorm1d(4)(z(1, 4))),
        raises(lambda: nn.BatchNorm1d(4)(z(2, 5))),
        raises(lambda: nn.functional.batch_norm(z(2, 4), None, None)),
        raises(lambda: nn.functional.layer_norm(z(2, 4), (5,))),
        raises(lambda: nn.functional.layer_norm(z(2, 4), (4,), z(5))),
        raises(lambda: nn.functional.layer_norm(z(2, 4), 4)),
        raises(lambda: nn.functional.layer_norm(z(2, 4), ())),
        raises(lambda: nn.LayerNorm(4)(z(2, 4, dtype=torch.float64))),
    ]


def p_similarity(torch: Any) -> list[Any]:
    F = torch.nn.functional
    seen = []
    for call in (
        lambda x, y: F.normalize(x),
        lambda x, y: F.normalize(x, 1.0, 0),
        lambda x, y: F.cosine_similarity(x, y),
        lambda x, y: F.cosine_similarity(x, y[:1], -1),
        lambda x, y: F.pairwise_distance(x, y),
        lambda x, y: F.pairwise_distance(x, y, 1.0, keepdim=True),
        lambda x, y: F.bilinear(x, y, torch.ones(3, 4, 4), torch.ones(3)),
        torch.nn.Bilinear(4, 4, 2),
    ):
        x, y = (torch.randn(2, 4, requires_grad=True) for _ in range(2))
        out = call(x, y)
        seen += [out, *torch.autograd.grad((out * out).sum(), [x, y], allow_unused=True)]
    return [
        *seen,
        raises(lambda: F.bilinear(x, y[0], torch.ones(3, 4, 4))),
        raises(lambda: F.bilinear(x, y[:1], torch.ones(3, 4, 4))),
        raises(lambda: F.bilinear(x, y, torch.ones(3, 4, 5))),
        raises(lambda: F.group_norm(x, 3)),
        raises(lambda: F.group_norm(x[0], 2)),
        raises(lambda: F.group_norm(x, 2, torch.zeros(3))),
        raises(lambda: torch.nn.GroupNorm(3, 4)),
    ]


def p_embedding(torch: Any) -> list[Any]:
    layer = torch.nn.Embedding(5, 3, padding_idx=1)
    index = torch.tensor([[1, 2, 2], [0, 4, 1]])
    out = layer(index)
    (out * out).sum().backward()
    frozen = torch.nn.Embedding.from_pretrained(torch.ones(2, 2))
    F = torch.nn.functional
    weight = torch.randn(4, 3, requires_grad=True)
    F.embedding(torch.tensor([1, 1, 2]), weight, scale_grad_by_freq=True).sum().backward()
    return [
        out,
        out.grad_fn,
        layer.weight.grad,
        frozen.weight.requires_grad,
        weight.grad,
        F.one_hot(index),
        raises(lambda: layer(torch.tensor([5]))),
        raises(lambda: layer(torch.tensor([-1]))),
        raises(lambda: layer(torch.tensor([1.0]))),
        raises(lambda: torch.nn.Embedding(4, 3, padding_idx=5)),
        raises(lambda: F.one_hot(index, 2)),
        raises(lambda: F.one_hot(index - 1)),
    ]


@variants(none="none", mean="mean", sum="sum", wrong="q")
def p_class_losses(torch: Any, reduction: str) -> list[Any]:
    F = torch.nn.functional
    labels = torch.tensor([0, 4, 2])
    weight = torch.rand(5)
    chances = torch.rand(3, 5)
    seen = []
    for call in (
        lambda x: F.cross_entropy(x, labels, reduction=reduction),
        lambda x: F.cross_entropy(x, labels, weight, reduction=reduction),
        lambda x: F.cross_entropy(x, labels, weight, label_smoothing=0.1, reduction=reduction),
        lambda x: F.cross_entropy(x, torch.tensor([0, -100, 2]), reduction=reduction),
        lambda x: F.cross_entropy(x, labels, weight, ignore_index=2, reduction=reduction),
        lambda x: F.cross_entropy(x, chances, reduction=reduction),
        lambda x: F.cross_entropy(x, chances, weight, label_smoothing=0.2, reduction=reduction),
        lambda x: F.cross_entropy(x[0], labels[0], reduction=reduction),
        lambda x: F.cross_entropy(
            x.reshape(1, 3, 5), labels[:1].expand(1, 5) // 4, reduction=reduction
        ),
        lambda x: F.nll_loss(F.log_softmax(x, 1), labels, reduction=reduction),
    ):
        x = torch.randn(3, 5, requires_grad=True)
        failure = raises(lambda call=call, x=x: call(x))
        seen.append(failure)
        if failure.kind is None:
            loss = call(x)
            loss.sum().backward()
            seen += [loss, x.grad, graph(loss.grad_fn, 3)]
    return seen


@variants(none="none", mean="mean", sum="sum", wrong="q")
def p_other_losses(torch: Any, reduction: str) -> list[Any]:
    F = torch.nn.functional
    seen = []
    for call in (
        lambda a, b: F.mse_loss(a, b, reduction=reduction),
        lambda a, b: F.l1_loss(a, b, reduction=reduction),
        lambda a, b: F.smooth_l1_loss(a, b, reduction=reduction, beta=0.5),
        lambda a, b: F.huber_loss(a, b, reduction=reduction, delta=0.5),
        lambda a, b: F.binary_cross_entropy(a.sigmoid(), b.sigmoid(), reduction=reduction),
        lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid(), reduction=reduction),
        lambda a, b: F.binary_cross_entropy_with_logits(
            a,
            b.sigmoid(),
            torch.full((4,), 0.5),
            pos_weight=torch.full((4,), 2.0),
            reduction=reduction,
        ),
        lambda a, b: F.kl_div(F.log_softmax(a, 1), F.softmax(b, 1), reduction=reduction),
        lambda a, b: F.kl_div(a, b, reduction=reduction, log_target=True),
    ):
        a = torch.randn(3, 4, requires_grad=True)
        b = torch.randn(3, 4, requires_grad=True)
        failure = raises(lambda call=call, a=a, b=b: call(a, b))
        seen.append(failure)
        if failure.kind is None:
            loss = call(a, b)
            loss.sum().backward()
            seen += [loss, a.grad, b.grad]
    return seen


def p_loss_errors_and_warnings(torch: Any) -> list[Any]:
    F = torch.nn.functional
    x, a = torch.randn(3, 5), torch.randn(3)
    labels = torch.tensor([0, 4, 2])
    return [
        raises(lambda: F.cross_entropy(x, torch.tensor([0, 5, 2]))),
        raises(lambda: F.cross_entropy(x, torch.tensor([0, -1, 2]))),
        raises(lambda: F.cross_entropy(x, labels.int())),
        raises(lambda: F.cross_entropy(x, labels.float())),
        raises(lambda: F.cross_entropy(x, labels[:2])),
        raises(lambda: F.cross_entropy(x, torch.zeros(3, 4))),
        raises(lambda: F.cross_entropy(x, labels, torch.rand(4))),
        raises(lambda: F.cross_entropy(x.double(), labels, torch.rand(5))),
        raises(lambda: F.cross_entropy(x, labels, label_smoothing=2.0)),
        raises(lambda: F.mse_loss(a, torch.zeros(4))),
        raises(lambda: F.mse_loss(a.long(), a.long())),
        raises(lambda: F.smooth_l1_loss(a, a, beta=-1.0)),
        raises(lambda: F.huber_loss(a, a, delta=0.0)),
        raises(lambda: F.binary_cross_entropy(a * 9, a.sigmoid())),
        raises(lambda: F.binary_cross_entropy(a.sigmoid(), torch.rand(4))),
        raises(lambda: F.binary_cross_entropy_with_logits(a, torch.rand(4))),
        warned(lambda: F.mse_loss(a, a.reshape(3, 1))),
        warned(lambda: F.mse_loss(a, a, size_average=False)),
        warned(lambda: F.kl_div(a, a.abs())),
        warned(lambda: F.softmax(x)),
        raises(lambda: F.softmax(x, 2)),
        raises(lambda: F.log_softmax(x, -3)),
        raises(lambda: F.softmax(labels, 0)),
        raises(lambda: F.gelu(x, approximate="q")),
        raises(lambda: F.gelu(labels)),
        raises(lambda: F.hardtanh(x, 2.0, 1.0)),
        raises(lambda: F.dropout(x, 1.5)),
        raises(lambda: F.glu(x)),
        raises(lambda: F.relu(3)),
    ]


def p_layer_errors(torch: Any) -> list[Any]:
    nn = torch.nn
    return [
        raises(lambda: nn.Conv2d(3, 4, 3, groups=2)),
        raises(lambda: nn.Conv2d(4, 3, 3, groups=2)),
        raises(lambda: nn.Conv2d(3, 4, 3, groups=0)),
        raises(lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2)),
        raises(lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect")),
        raises(lambda: nn.Conv2d(3, 4, 3)(torch.zeros(2, 2, 5, 5))),
        raises(lambda: nn.Dropout(2.0)),
        raises(lambda: nn.Unflatten(1, 2)),
        raises(lambda: nn.Unflatten(1, (2, 1.5))),
        raises(lambda: nn.Softmax2d()(torch.zeros(2))),
        raises(lambda: nn.ModuleList(nn.ReLU())),
        raises(lambda: nn.Sequential(3)),
        raises(lambda: nn.Linear(2, 3)(torch.zeros(2, 4))),
    ]


def p_sequential(torch: Any) -> list[Any]:
    nn = torch.nn
    s = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU())
    del s[1]
    seen = [repr(s)]
    del s[0:2]
    seen += [repr(s), repr(s.pop(0)), repr(s)]
    s = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    seen += [repr(s[0]), repr(s[-1]), repr(s[:1]), len(s), [repr(m) for m in s]]
    s.append(nn.GELU()).extend([nn.ReLU()])
    s = nn.Sequential(nn.ReLU(), nn.Tanh())
    s.insert(1, nn.GELU())
    s[0] = nn.Sigmoid()
    seen += [repr(s), repr(s + nn.Sequential(nn.ReLU())), repr(nn.Sequential(nn.ReLU()) * 2)]
    s += nn.Sequential(nn.SiLU())
    s *= 2
    return [
        *seen,
        repr(s),
        raises(lambda: s[99]),
        raises(lambda: s["0"]),
        raises(lambda: s + 3),
        raises(lambda: s * 0),
        raises(lambda: s * "a"),
        raises(lambda: s.append(3)),
        raises(lambda: s.insert(0, 3)),
        raises(lambda: s.insert(99, nn.ReLU())),
        raises(lambda: s(1, 2)),
        nn.Sequential()(3),
    ]


def p_module_containers(torch: Any) -> list[Any]:
    nn = torch.nn
    rows = nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.Tanh()])
    rows.append(nn.GELU())
    rows.insert(1, nn.GELU())
    rows += [nn.ReLU()]
    seen = [
        repr(rows),
        repr(rows[1:3]),
        repr(rows.pop(1)),
        repr(rows + list(nn.Sequential(nn.SiLU()))),
        len(rows),
    ]
    rows[0] = nn.Sigmoid()
    del rows[:2]
    names = nn.ModuleDict({"a": nn.ReLU()})
    names["b"] = nn.Tanh()
    names.update([("c", nn.GELU())])
    return [
        *seen,
        repr(rows),
        repr(names),
        repr(names.pop("a")),
        list(names),
        len(names),
        "b" in names,
        [repr(m) for m in names.values()],
        raises(lambda: rows(1)),
        raises(lambda: rows[9]),
        raises(lambda: rows.extend(3)),
        raises(lambda: names(1)),
        raises(lambda: names["z"]),
        raises(lambda: names.update(3)),
        raises(lambda: names.update([3])),
        raises(lambda: names.update([("d", nn.ReLU(), 3)])),
        raises(lambda: names.update({"f": 3})),
        raises(lambda: names.__setitem__("keys", nn.ReLU())),
    ]


def p_parameter_containers(torch: Any) -> list[Any]:
    nn = torch.nn
    rows = nn.ParameterList([nn.Parameter(torch.zeros(2)), torch.ones(1), 3])
    rows.append(torch.zeros(1)).extend([torch.zeros(3)])
    rows[0] = torch.ones(3)
    rows += [torch.zeros(1)]
    names = nn.ParameterDict({"a": nn.Parameter(torch.zeros(2)), "b": torch.zeros(1), "c": 3})
    return [
        repr(rows),
        repr(rows[:2]),
        [type(x).__name__ for x in rows],
        list(rows.state_dict()),
        len(rows),
        raises(lambda: rows(3)),
        raises(lambda: rows[99]),
        raises(lambda: rows.extend(torch.zeros(1))),
        repr(names),
        list(names.keys()),
        names.pop("a"),
        names.get("z", 4),
        repr(names | {"x": torch.zeros(1)}),
        list(reversed(names)),
        raises(lambda: names["z"]),
        raises(lambda: names(3)),
        raises(lambda: names.__setitem__(3, 3)),
    ]


def p_initial_values(torch: Any) -> list[Any]:
    init = torch.nn.init
    empty = torch.empty
    return [
        init.uniform_(empty(3, 4), -1, 2),
        init.normal_(empty(3, 4), 1.0, 0.5),
        init.xavier_uniform_(empty(4, 3)),
        init.xavier_normal_(empty(4, 3), 2.0),
        init.kaiming_uniform_(empty(4, 3, 2), nonlinearity="relu"),
        init.kaiming_normal_(empty(4, 3), mode="fan_out", a=0.1),
        init.trunc_normal_(empty(40), std=2.0),
        init.orthogonal_(empty(3, 5), 2.0),
        init.orthogonal_(empty(5, 2)),
        init.eye_(empty(2, 3)),
        init.dirac_(empty(4, 2, 3), 2),
        init.sparse_(empty(4, 3), 0.4),
        init.constant_(empty(2), 0.3),
        init.ones_(empty(2)),
        init.zeros_(empty(2)),
        [
            init.calculate_gain(n)
            for n in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
        ],
        torch.rand(1),
        raises(lambda: init.xavier_uniform_(empty(3))),
        raises(lambda: init.orthogonal_(empty(3))),
        raises(lambda: init.eye_(empty(3))),
        raises(lambda: init.dirac_(empty(3))),
        raises(lambda: init.calculate_gain("q")),
        raises(lambda: init.calculate_gain("leaky_relu", "a")),
        raises(lambda: init.kaiming_uniform_(empty(2, 2), mode="q")),
        warned(lambda: init.kaiming_uniform_(empty(0, 2))),
        warned(lambda: init.uniform(empty(2))),
    ]


def p_clipping(torch: Any) -> list[Any]:
    utils = torch.nn.utils
    p, q = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))

    def gradients() -> None:
        p.grad, q.grad = torch.tensor([3.0, -4.0, 0.0]), torch.tensor([1.0, 2.0, -2.0])

    seen = []
    for order in (2.0, 1.0, 3.0, float("inf")):
        gradients()
        seen += [utils.clip_grad_norm_([p, q], 1.0, order), p.grad, q.grad]
    gradients()
    utils.clip_grad_value_([p, q], 1.5)
    seen += [p.grad, q.grad, utils.get_total_norm([p.grad, q.grad])]
    q.grad = torch.full((3,), float("nan"))
    seen += [
        raises(lambda: utils.clip_grad_norm_([q], 1.0, error_if_nonfinite=True)),
        utils.clip_grad_norm_([torch.nn.Parameter(torch.ones(1))], 1.0),
        utils.parameters_to_vector([p, q]),
    ]
    utils.vector_to_parameters(torch.arange(6.0), [p, q])
    return [*seen, p, q, raises(lambda: utils.vector_to_parameters(3, [p]))]
