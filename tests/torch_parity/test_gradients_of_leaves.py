"""`autograd.grad` by leaves: only what leads to them runs, and sums are made in PyTorch's order.

In: programs for both libraries. Out: the same bits, the same nodes freed, the same errors.
"""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

import adjoint

LIBRARIES = (torch, adjoint)


def both(program, *args):
    """What a program gives in each library."""
    return [program(lib, *args) for lib in LIBRARIES]


def bits(*tensors):
    return [t.detach().numpy().tobytes() for t in tensors]


@pytest.mark.parametrize("seed", range(40))
def test_parts_of_a_gradient_are_added_in_order(seed):
    def program(lib):
        lib.manual_seed(seed)
        x = lib.randn(3, requires_grad=True)
        a = x * 1.5
        b = a + x
        c = a * a
        d = (c * b + a) * a
        (d * d + c * a + b).sum().backward()
        (g,) = lib.autograd.grad(((x * 1.1) * (x * 1.2) + x * x * x + x).sum(), x)
        (h,) = lib.autograd.grad((c := (y := x * 3) * y * x + y * y).sum() + (c * x).sum(), x)
        return bits(x.grad, g, h)

    theirs, ours = both(program)
    assert theirs == ours


def test_what_does_not_lead_there_is_neither_run_nor_freed():
    def program(lib):
        x, w = (lib.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        other = (w * w) * w
        y = x * x
        loss = (y * other).sum()
        found = [*lib.autograd.grad(loss, x)]
        other.sum().backward()  # still there
        found.append(w.grad)
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            y.sum().backward()
        return bits(*found), x.grad

    theirs, ours = both(program)
    assert theirs == ours


def test_values_overwritten_where_nobody_asks():
    def program(lib):
        x, w = (lib.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        a = w * 2
        b = a * a
        a.add_(1)  # b's gradient is lost
        loss = (b + x * 3).sum()
        found = bits(*lib.autograd.grad(loss, x, retain_graph=True))
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            lib.autograd.grad(loss, (x, w))
        return found

    theirs, ours = both(program)
    assert theirs == ours


def test_hooks_on_the_way_and_beside_it():
    def program(lib):
        seen = []
        x, w = (lib.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        a, b = x * 2, w * 3
        c = a * b
        for name, t in (("a", a), ("b", b), ("c", c)):
            t.register_hook(lambda g, name=name: seen.append((name, g.tolist())))
        loss = (c * c).sum()
        found = [*lib.autograd.grad(loss, x, retain_graph=True)]
        found += lib.autograd.grad(loss, (b, a), retain_graph=True)
        found += lib.autograd.grad(loss, c, create_graph=True)
        loss.backward(inputs=[w])
        return seen, bits(*found, w.grad), x.grad

    theirs, ours = both(program)
    assert theirs == ours


def test_inputs_that_repeat_are_unused_or_are_the_output():
    def program(lib):
        x, w = (lib.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        found = [*lib.autograd.grad((x * x).sum(), (x, x))]
        found += lib.autograd.grad(x, x, lib.ones(2))
        found += [
            g for g in lib.autograd.grad((x * 1).sum(), (w, x), allow_unused=True) if g is not None
        ]
        found += lib.autograd.grad((x * 1).sum(), (w,), materialize_grads=True)
        with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
            lib.autograd.grad((x * 1).sum(), w)
        several = x.reshape(2, 1).expand(2, 2).unbind(1)
        found += lib.autograd.grad(several[0] * several[1], (x,), lib.ones(2))
        return bits(*found), x.grad, w.grad

    theirs, ours = both(program)
    assert theirs == ours


def test_values_and_positions_of_one_operator():
    def program(lib):
        lib.manual_seed(0)
        x, w = lib.randn(4, 5, requires_grad=True), lib.randn(4, 5, requires_grad=True)
        values, _places = (x * w).sort(dim=1)
        best, _at = (x - w).max(dim=0)
        loss = (values * lib.arange(5.0)).sum() + (best * best).sum()
        return bits(*lib.autograd.grad(loss, (x,), retain_graph=True), *lib.autograd.grad(loss, w))

    theirs, ours = both(program)
    assert theirs == ours
