"""Programs on optimizers and schedules: numbers, state, groups, hooks, printing, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from tests.torch_parity.harness import raises, variants, warned


def _parameters(torch: Any, dtype: str = "float32") -> list[Any]:
    kind = getattr(torch, dtype)
    return [torch.randn(*shape).to(kind).requires_grad_() for shape in ((7, 5), (3,), (1,))]


def _steps(torch: Any, optimizer: Any, count: int = 12) -> None:
    for _ in range(count):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.randn(*p.shape).to(p.dtype) * 0.1 + 0.1 * p.detach()
        optimizer.step()


METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "sgd_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "sgd_dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.1, "foreach": True}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam_decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.3, 0.9)}),
    "adam_amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.01, "amsgrad": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_centered": ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    "adadelta": ("Adadelta", {"weight_decay": 0.1}),
    "adamax": ("Adamax", {"weight_decay": 0.1}),
    "nadam": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": ("RAdam", {"weight_decay": 0.1}),
}


@variants(**METHODS)
def p_method(torch: Any, value: Any) -> list[Any]:
    name, options = value
    seen: list[Any] = []
    for dtype in ("float32", "float64"):
        params = _parameters(torch, dtype)
        optimizer = getattr(torch.optim, name)(params, **options)
        _steps(torch, optimizer)
        seen += [*params, optimizer.state_dict(), [p._version for p in params]]
    return [*seen, repr(optimizer), optimizer.defaults]


def p_sgd_is_equal_to_the_last_bit(torch: Any) -> list[Any]:
    seen = []
    for name, options in METHODS.values():
        if name == "SGD":
            params = _parameters(torch)
            _steps(torch, torch.optim.SGD(params, **options), 40)
            seen += [p.detach().numpy().tobytes().hex() for p in params]
    return seen


def p_skips_and_scalars(torch: Any) -> list[Any]:
    a = torch.tensor(2.0, requires_grad=True)
    b = torch.ones(2, 3, requires_grad=True)
    c = torch.ones(0, requires_grad=True)
    wide = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    seen = []
    for name in ("SGD", "Adam"):
        optimizer = getattr(torch.optim, name)([a, b, c, wide], lr=0.1)
        (a * a + (wide * wide).sum() + c.sum()).backward()
        optimizer.step()
        seen += [a.clone(), b.clone(), wide.clone(), a.grad, b.grad, len(optimizer.state)]
        optimizer.zero_grad()
        seen.append([a.grad, wide.grad])
    return seen


def p_groups(torch: Any) -> list[Any]:
    p, q = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.1)
    p.grad, q.grad = torch.ones(2), torch.ones(3)
    optimizer.step()
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "momentum": 0.3})
    return [
        p,
        q,
        repr(optimizer),
        optimizer.state_dict(),
        [list(group) for group in optimizer.param_groups],
        raises(lambda: optimizer.add_param_group([q])),
        raises(lambda: optimizer.add_param_group({"params": q})),
        raises(lambda: optimizer.add_param_group({"params": [3]})),
        raises(lambda: optimizer.add_param_group({"lr": 3})),
    ]


def p_constructor_errors(torch: Any) -> list[Any]:
    optim, p = torch.optim, torch.nn.Parameter(torch.ones(2))
    return [
        raises(lambda: optim.SGD([])),
        raises(lambda: optim.SGD(p)),
        raises(lambda: optim.SGD(3)),
        raises(lambda: optim.SGD([3])),
        raises(lambda: optim.SGD([p * 2])),
        raises(lambda: optim.SGD([{"params": [p]}, {"params": [p]}])),
        raises(lambda: optim.SGD([{"params": {p}}])),
        raises(lambda: optim.SGD([p], lr=-1.0)),
        raises(lambda: optim.SGD([p], lr=torch.tensor([0.1, 0.2]))),
        raises(lambda: optim.SGD([p], momentum=-1.0)),
        raises(lambda: optim.SGD([p], weight_decay=-1.0)),
        raises(lambda: optim.SGD([p], nesterov=True)),
        raises(lambda: optim.SGD([p], foreach=True, fused=True)),
        raises(lambda: optim.SGD([p], fused=True, differentiable=True)),
        raises(lambda: optim.Adam([p], eps=-1.0)),
        raises(lambda: optim.Adam([p], betas=(1.0, 0.9))),
        raises(lambda: optim.Adam([p], betas=(0.9, 2.0))),
        raises(lambda: optim.Adam([p], lr=torch.tensor(0.1), foreach=True)),
        raises(lambda: optim.RMSprop([p], alpha=-1.0)),
        raises(lambda: optim.Adagrad([p], lr_decay=-1.0)),
        raises(lambda: optim.Adadelta([p], rho=2.0)),
        raises(lambda: optim.LBFGS([{"params": [p]}, {"params": [torch.ones(1)]}])),
        raises(lambda: optim.SGD([("a", p), torch.nn.Parameter(torch.ones(1))])),
        raises(lambda: optim.SGD([{"params": [("a", p)]}, {"params": [torch.ones(1)]}])),
        optim.SGD([("a", p)]).state_dict(),
        warned(lambda: optim.SGD([p, p])),
    ]


def p_saving(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.ones(2))
    first = torch.optim.Adam([p], lr=0.1)
    p.grad = torch.ones(2)
    first.step()
    state = first.state_dict()
    q = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    second = torch.optim.Adam([q], lr=0.2)
    second.load_state_dict(state)
    q.grad = torch.ones(2, dtype=torch.float64)
    second.step()
    twin = copy.deepcopy(first)
    again = pickle.loads(pickle.dumps(first))
    return [
        state["state"][0]["exp_avg"] is first.state[p]["exp_avg"],
        second.state_dict(),
        q,
        twin.param_groups[0]["params"][0] is p,
        again.state_dict(),
        repr(again),
        list(first.__getstate__()),
        raises(lambda: first.load_state_dict({"param_groups": []})),
        raises(lambda: first.load_state_dict({"param_groups": [{"params": [0, 1]}], "state": {}})),
    ]


def p_hooks(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    seen: list[Any] = []
    optimizer.register_step_pre_hook(lambda o, a, k: seen.append(("pre", len(a), k)))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append(("post", len(a), k)))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("before"))
    optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append(list(s)))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    p.grad = torch.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    handle = optimizer.register_step_pre_hook(lambda o, a, k: 3)
    wrong = raises(optimizer.step)
    handle.remove()

    class Own(torch.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"rate": 1})

        def step(self, closure: Any = None) -> Any:
            seen.append("own step")
            return 5

    own = Own([p])
    own.register_step_post_hook(lambda *a: seen.append("after own step"))
    return [list(state), seen, wrong.kind, own.step(), repr(own)]


def p_closure_and_zero_grad(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        first = optimizer.step(closure)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    p.grad = (p * 2).detach().requires_grad_()
    optimizer.zero_grad(set_to_none=False)
    return [first, p, kept, p.grad, p.grad.requires_grad, optimizer.step(), len(optimizer.state)]


def p_state_can_be_replaced(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    seen = []
    for change in (
        lambda: None,
        lambda: optimizer.state[p].update(momentum_buffer=torch.full((2,), 5.0)),
        lambda: optimizer.state.clear(),
        lambda: optimizer.state.__setitem__(p, {"momentum_buffer": torch.full((2,), 3.0)}),
        lambda: setattr(p, "data", torch.zeros(2)),
        lambda: optimizer.param_groups[0].update(momentum=0.5, lr=1.0),
        lambda: optimizer.param_groups[0].update(momentum=0),
    ):
        change()
        p.grad = torch.ones(2)
        optimizer.step()
        seen += [p.detach().clone(), optimizer.state[p].get("momentum_buffer")]
    return seen


def p_learning_rate_as_tensor(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([p], lr=torch.tensor(0.1))
    p.grad = torch.ones(2)
    optimizer.step()
    return [p, repr(optimizer)]


@variants(
    steps={"lr": 0.001},
    wolfe={"line_search_fn": "strong_wolfe"},
    short={"lr": 0.5, "line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2},
    wrong={"line_search_fn": "q"},
)
def p_lbfgs(torch: Any, options: dict[str, Any]) -> list[Any]:
    x = torch.tensor([-1.5, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x, y], **options)
    losses: list[float] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() + (y - x[0]) ** 2
        loss.backward()
        losses.append(loss.item())
        return loss

    failure = raises(lambda: optimizer.step(closure))
    if failure.kind is not None:
        return [failure]
    optimizer.step(closure)
    state = optimizer.state_dict()["state"][0]
    return [losses, x, y, list(state), state["n_iter"], state["func_evals"], repr(optimizer)]


# ---- schedules -----------------------------------------------------------------------------------


@variants(
    step=lambda s, o: s.StepLR(o, 3),
    multi=lambda s, o: s.MultiStepLR(o, [2, 2, 5], 0.5),
    exponential=lambda s, o: s.ExponentialLR(o, 0.9),
    cosine=lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    function=lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (e + 1)]),
    product=lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9),
    constant=lambda s, o: s.ConstantLR(o),
    linear=lambda s, o: s.LinearLR(o),
    polynomial=lambda s, o: s.PolynomialLR(o, 4, 2.0),
    one_cycle=lambda s, o: s.OneCycleLR(o, 0.3, total_steps=12),
    three_phases=lambda s, o: s.OneCycleLR(
        o, [0.3, 0.6], epochs=3, steps_per_epoch=4, anneal_strategy="linear", three_phase=True
    ),
    restarts=lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    cyclic=lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2"),
    sequence=lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)], [3]
    ),
    chain=lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]),
)
def p_schedule(torch: Any, make: Any) -> list[Any]:
    p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1, momentum=0.9)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    seen = []
    for _ in range(12):
        seen.append([(group["lr"], group["momentum"]) for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    state = schedule.state_dict()
    keys = sorted(state)
    other = make(torch.optim.lr_scheduler, optimizer)
    other.load_state_dict(state)
    return [seen, schedule.get_last_lr(), keys, other.get_last_lr()]


@variants(
    least=({"patience": 1}, lambda i: 1.0),
    most=(
        {
            "mode": "max",
            "patience": 1,
            "cooldown": 1,
            "threshold_mode": "abs",
            "min_lr": [0.01, 0.1],
        },
        lambda i: -i,
    ),
)
def p_plateau(torch: Any, value: Any) -> list[Any]:
    options, metric = value
    p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    seen = []
    for i in range(10):
        schedule.step(torch.tensor(float(metric(i))))
        seen.append([group["lr"] for group in optimizer.param_groups])
    return [seen, schedule.get_last_lr(), schedule.state_dict()]


def p_schedule_errors(torch: Any) -> list[Any]:
    schedules = torch.optim.lr_scheduler
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=0.1)
    plain = torch.optim.Adagrad([p])
    short = schedules.OneCycleLR(torch.optim.SGD([p], lr=0.1), 0.1, total_steps=1)
    short.optimizer.step()
    short.step()
    return [
        raises(lambda: schedules.StepLR(3, 2)),
        raises(lambda: schedules.StepLR(optimizer, 2, last_epoch=3)).kind,
        raises(lambda: schedules.LambdaLR(optimizer, [abs, abs])),
        raises(lambda: schedules.OneCycleLR(optimizer, 0.1)),
        raises(lambda: schedules.OneCycleLR(optimizer, 0.1, total_steps=0)),
        raises(lambda: schedules.OneCycleLR(optimizer, 0.1, total_steps=3, pct_start=2.0)),
        raises(lambda: schedules.OneCycleLR(optimizer, 0.1, total_steps=3, anneal_strategy="q")),
        raises(lambda: schedules.OneCycleLR(plain, 0.1, total_steps=3)),
        raises(lambda: schedules.ReduceLROnPlateau(optimizer, factor=1.0)),
        raises(lambda: schedules.ReduceLROnPlateau(optimizer, mode="q")),
        raises(lambda: schedules.ReduceLROnPlateau(optimizer, min_lr=[1, 2])),
        raises(lambda: schedules.ConstantLR(optimizer, 2.0)),
        raises(lambda: schedules.CosineAnnealingWarmRestarts(optimizer, 0)),
        raises(short.step),
        warned(lambda: schedules.StepLR(torch.optim.SGD([p], lr=0.1), 2).step()),
        [kind for kind, _ in warned(lambda: schedules.StepLR(optimizer, 2).get_lr())],
    ]
