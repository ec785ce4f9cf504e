"""What must be true of matrix, trust-ratio, schedule-free and second-order rules whatever a library does."""

import doctest
import importlib
import math

import pytest
import torch

from thalweg.core import UsageError
from thalweg.rules import (
    LAMB,
    LARS,
    RULES,
    SAM,
    SGD,
    SOAP,
    Adafactor,
    Adam,
    AdamW,
    ByRole,
    Muon,
    Newton,
    Place,
    Prodigy,
    SaddleFreeNewton,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    fit,
    newton_schulz,
    take_step,
)

F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def first_change(rule, params, grads, layout=None):
    fitted = fit(rule, layout)
    return fitted.update(grads, fitted.init(params), params, rule.hyper(), 0)[0]


# Muon


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_newton_schulz_comes_near_the_polar_factor(shape):
    """The singular vectors stay, the singular values come to lie around 1."""
    u, _, vt = torch.linalg.svd(draw(*shape), full_matrices=False)
    matrix = u @ torch.linspace(0.2, 1.0, len(vt), dtype=F64).diag() @ vt
    lying = matrix.mT if shape[0] > shape[1] else matrix
    found = newton_schulz(lying[None])[0]
    found = found.mT if shape[0] > shape[1] else found
    middle = u.mT @ found @ vt.mT
    assert (middle - middle.diagonal().diag()).abs().max() < 1e-12
    assert 0.3 < middle.diagonal().min() and middle.diagonal().max() < 1.2


@pytest.mark.parametrize(("dtype", "atol"), [(F64, 1e-13), (torch.float32, 5e-6)])
def test_newton_schulz_is_its_plain_reference_for_each_of_a_stack(dtype, atol):
    stack = draw(3, 4, 7, dtype=dtype)
    for x, found in zip(stack, newton_schulz(stack), strict=True):
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        torch.testing.assert_close(found, x, rtol=0, atol=atol)


def test_muon_of_many_shapes_is_muon_of_each():
    shapes = {"a": (4, 7), "b": (4, 7), "standing": (7, 4), "filter": (4, 2, 3, 1), "other": (5, 5)}
    params = {n: draw(*s, seed=k) for k, (n, s) in enumerate(shapes.items())}
    grads = {n: draw(*s, seed=k + 9) for k, (n, s) in enumerate(shapes.items())}
    together = first_change(Muon(), params, grads)
    for name in shapes:
        alone = first_change(Muon(), {name: params[name]}, {name: grads[name]})
        torch.testing.assert_close(together[name], alone[name], rtol=1e-12, atol=1e-14)


def test_muon_takes_a_filter_as_a_matrix():
    w, g = draw(4, 2, 3, 1), draw(4, 2, 3, 1, seed=1)
    found = first_change(Muon(), {"w": w}, {"w": g})["w"]
    flat = first_change(Muon(), {"w": w.reshape(4, 6)}, {"w": g.reshape(4, 6)})["w"]
    torch.testing.assert_close(found, flat.view(4, 2, 3, 1), rtol=0, atol=0)


def test_muon_leaves_what_is_no_matrix_to_adamw():
    shapes = {"w": (4, 3), "embedding": (8, 3), "head": (2, 4), "gain": (4,), "b": (4,)}
    params = {n: draw(*s, seed=k) for k, (n, s) in enumerate(shapes.items())}
    grads = {n: draw(*s, seed=k + 9) for k, (n, s) in enumerate(shapes.items())}
    roles = {"w": "matrix", "embedding": "embedding", "head": "head", "gain": "norm", "b": "bias"}
    layout = {n: Place(role) for n, role in roles.items()}
    rule = Muon(lr=0.1, adam_lr_ratio=0.5, beta2=0.9, weight_decay=0.2)
    found = first_change(rule, params, grads, layout)
    adam = first_change(AdamW(lr=0.05, beta2=0.9, weight_decay=0.2), params, grads)
    for name in ("embedding", "head", "gain", "b"):
        torch.testing.assert_close(found[name], adam[name], rtol=1e-12, atol=1e-14)
    assert (found["w"] - adam["w"]).abs().max() > 1e-3


def test_muon_has_the_length_that_its_scale_says():
    g = torch.linalg.qr(draw(40, 10))[0]
    lengths = {
        scale: float(first_change(Muon(lr=1.0, scale=scale, weight_decay=0.0), {"w": g}, {"w": g})["w"].norm())
        for scale in ("none", "original", "match_rms_adamw")
    }
    assert 0.7 * math.sqrt(10) < lengths["none"] < 1.2 * math.sqrt(10)
    assert lengths["original"] == pytest.approx(2 * lengths["none"])
    assert lengths["match_rms_adamw"] == pytest.approx(0.2 * math.sqrt(40) * lengths["none"])


def test_muon_needs_a_matrix():
    with pytest.raises(
        UsageError, match=r"`Muon\(\)` needs a parameter that is a matrix, got \[\(3,\), \(\)\]. Use Ad"
    ):
        Muon().init({"b": torch.zeros(3), "s": torch.zeros(())})
    layout = {"w": Place("head"), "b": Place("bias")}
    with pytest.raises(UsageError, match=r"`Muon\(\)` needs a parameter that is a matrix, got \['bias', 'head'\]. Use"):
        fit(Muon(), layout)


# Splitting by role


def test_each_part_of_a_split_has_its_own_slots():
    params = {"b": draw(3), "w": draw(4, 3), "c": draw(2)}
    state = Muon().init(params)
    assert {slot: list(content) for slot, content in state.items()} == {
        "velocity": ["w"], "square": ["b", "c"], "mean": ["b", "c"],
    }  # fmt: skip
    change, after = Muon().update(params, state, params, Muon().hyper(), 0)
    assert list(change) == ["b", "w", "c"]
    assert {slot: list(content) for slot, content in after.items()} == {n: list(c) for n, c in state.items()}


def test_a_split_without_a_chosen_one_is_the_other_chain():
    params, grads = {"b": draw(3)}, {"b": draw(3, seed=1)}
    split = ByRole(chosen=LARS().chain(), others=Adam().chain())
    change, slots = split.apply(grads, split.init(params), params, Adam().hyper(), 0)
    assert torch.equal(change["b"], first_change(Adam(), params, grads)["b"])
    assert set(slots) == {"mean", "square"}


# Trust ratios


def test_lamb_moves_a_matrix_by_its_own_length():
    params, grads = {"w": draw(4, 3), "b": draw(3)}, {"w": draw(4, 3, seed=1), "b": draw(3, seed=2)}
    for scale in (1e-3, 1.0, 1e3):
        change = first_change(LAMB(lr=0.03), params, {n: g * scale for n, g in grads.items()})
        assert float(change["w"].norm() / params["w"].norm()) == pytest.approx(0.03, rel=1e-12)
    torch.testing.assert_close(
        change["b"], first_change(AdamW(lr=0.03, eps=1e-6), params, {n: g * 1e3 for n, g in grads.items()})["b"]
    )


def test_lars_moves_a_matrix_by_a_share_of_its_length():
    params, grads = {"w": draw(4, 3), "b": draw(3)}, {"w": draw(4, 3, seed=1), "b": draw(3, seed=2)}
    rule = LARS(lr=0.5, trust_coefficient=0.04, weight_decay=0.0)
    change = first_change(rule, params, grads)
    assert float(change["w"].norm() / params["w"].norm()) == pytest.approx(0.02, rel=1e-12)
    torch.testing.assert_close(change["b"], -0.5 * grads["b"])


@pytest.mark.parametrize("rule", [LAMB(weight_decay=0.0), LARS(weight_decay=0.0), LARS(convention="optax")], ids=str)
def test_a_layer_of_zeros_and_a_gradient_of_zeros_are_survived(rule):
    w = draw(4, 3)
    assert torch.equal(first_change(rule, {"w": 0 * w}, {"w": 0 * w})["w"], 0 * w)
    moved = first_change(rule, {"w": 0 * w}, {"w": w})["w"]
    assert moved.isfinite().all() and moved.norm() > 0
    assert first_change(rule, {"w": w}, {"w": 0 * w})["w"].isfinite().all()


# Adafactor


def test_adafactor_remembers_rows_and_columns():
    params = {"w": draw(30, 20), "filter": draw(6, 5, 4, 3), "b": draw(20)}
    state = Adafactor().init(params)
    assert {n: tuple(t.shape) for n, t in state["rows"].items()} == {"w": (30, 1), "filter": (6, 5, 4, 1)}
    assert {n: tuple(t.shape) for n, t in state["columns"].items()} == {"w": (1, 20), "filter": (6, 5, 1, 3)}
    assert list(state["square"]) == ["b"]
    assert tuple(Adafactor(convention="optax").init(params)["rows"]["filter"].shape) == (1, 5, 4, 3)
    assert list(Adafactor(factored=False).init(params)) == ["square"]


def test_adafactor_is_exact_where_the_square_has_rank_one():
    g = torch.outer(draw(5).abs() + 0.1, draw(4, seed=1).abs() + 0.1)
    found = first_change(Adafactor(lr=1.0, relative_step=False, scale_parameter=False), {"w": g}, {"w": g})["w"]
    torch.testing.assert_close(found, -torch.ones_like(g))


@pytest.mark.parametrize("convention", ["paper", "torch", "keras", "optax"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_adafactor_survives_rows_without_a_gradient(convention, dtype):
    g = draw(5, 4, dtype=dtype) * 1e4
    g[1], g[:, 2] = 0, 0
    change = first_change(Adafactor(convention=convention), {"w": g, "b": g[1]}, {"w": g, "b": g[1]})
    assert change["w"].isfinite().all() and not change["w"][1].any() and not change["b"].any()


# SOAP


def test_soap_without_a_basis_is_adam():
    """Along the axes, and eps beside the uncorrected root: Adam with eps / sqrt(1 - beta2^t)."""
    params, grads = {"b": draw(5)}, [{"b": draw(5, seed=k)} for k in range(1, 6)]
    rule, plain = SOAP(lr=0.01, weight_decay=0.0, eps=1e-3), Adam(lr=0.01, beta1=0.95, beta2=0.95)
    one, two = dict(params), dict(params)
    state, memory = rule.init(one), plain.init(two)
    for step, g in enumerate(grads):
        change, state = rule.update(g, state, one, rule.hyper(), step)
        hyper = plain.hyper() | {"eps": 1e-3 / math.sqrt(1 - 0.95 ** (step + 1))}
        other, memory = plain.update(g, memory, two, hyper, step)
        torch.testing.assert_close(change["b"], other["b"], rtol=1e-12, atol=1e-15)
        one, two = {"b": one["b"] + change["b"]}, {"b": two["b"] + other["b"]}


def test_soap_with_diagonal_gradients_is_adam():
    """The eigenbasis of diagonal matrices is the axes', in some order: identity basis, same steps."""
    scale = torch.tensor([3.0, 1.0, 2.0], dtype=F64).diag()
    grads = [scale * draw(1, seed=k).abs().add(0.5) for k in range(8)]
    rule, plain = (
        SOAP(lr=0.01, weight_decay=0.0, frequency=3, eps=1e-12),
        Adam(lr=0.01, beta1=0.95, beta2=0.95, eps=1e-12),
    )
    params = {"w": draw(3, 3)}
    state, memory = rule.init(params), plain.init(params)
    for step, g in enumerate(grads):
        change, state = rule.update({"w": g}, state, params, rule.hyper(), step)
        other, memory = plain.update({"w": g}, memory, params, plain.hyper(), step)
        torch.testing.assert_close(change["w"], other["w"], rtol=0, atol=1e-8)


def test_soap_does_not_care_how_the_problem_is_turned():
    """Turned gradients give turned steps, which no diagonal rule does; from the second step on, the first is Adam's."""
    turn = torch.linalg.qr(draw(4, 4, seed=5))[0]
    rule = SOAP(weight_decay=0.0, frequency=2, skip_first=True)
    grads = [draw(4, 4, seed=k) for k in range(7)]
    straight, turned = (
        _path(rule, {"w": start}, [{"w": g} for g in gs])["w"]
        for start, gs in ((draw(4, 4), grads), (turn @ draw(4, 4), [turn @ g for g in grads]))
    )
    torch.testing.assert_close(turn @ straight, turned, rtol=0, atol=1e-6)


def test_soap_keeps_its_bases_orthogonal_and_sorted():
    rule, params = SOAP(frequency=2), {"w": draw(5, 3), "c": draw(2, 3, 2)}
    state = rule.init(params)
    for step in range(7):
        _, state = rule.update(
            {n: draw(*t.shape, seed=step) for n, t in params.items()}, state, params, rule.hyper(), step
        )
    for side in ("left", "right"):
        for name, basis in state[f"{side}_basis"].items():
            torch.testing.assert_close(basis.mT @ basis, torch.eye(len(basis), dtype=F64))
            values = (basis * (state[side][name] @ basis)).sum(0)
            assert values[0] > values[-1]


def test_soap_leaves_a_long_side_alone(monkeypatch):
    soap = importlib.import_module("thalweg.rules.soap")
    monkeypatch.setattr(soap, "LONGEST", 4)
    state = SOAP().init({"w": draw(5, 3), "v": draw(5, 6)})
    assert list(state["right"]) == ["w"] and "left" not in state
    change = first_change(SOAP(), {"v": draw(5, 6)}, {"v": draw(5, 6, seed=1)})
    assert change["v"].isfinite().all()


def _path(rule, params, grads):
    state = rule.init(params)
    for step, g in enumerate(grads):
        change, state = rule.update(g, state, params, rule.hyper(), step)
        params = {n: t + change[n] for n, t in params.items()}
    return params


# Schedule-free


@pytest.mark.parametrize(("power", "warmup"), [(0.0, 0), (2.0, 5)])
def test_the_judged_weights_are_the_average_of_the_path(power, warmup):
    rule = ScheduleFreeSGD(lr=0.1, momentum=0.7, weight_lr_power=power, warmup_steps=warmup)
    fitted, params = fit(rule), {"w": draw(4)}
    state, path, weights, largest = fitted.init(params), [], [], 0.0
    for step in range(12):
        change, state = fitted.update({"w": draw(4, seed=step + 1)}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
        largest = max(largest, 0.1 * min(1, (step + 1) / max(warmup, 1)))
        path.append(state["z"]["w"])
        weights.append(largest**power)
        wanted = sum(w * z for w, z in zip(weights, path, strict=True)) / sum(weights)
        torch.testing.assert_close(fitted.evaluation(params, state, rule.hyper())["w"], wanted)
        between = 0.3 * state["z"]["w"] + 0.7 * wanted
        torch.testing.assert_close(params["w"], between)


@pytest.mark.parametrize("rule", [ScheduleFreeSGD(lr=0.5), ScheduleFreeAdamW(lr=0.1)], ids=str)
def test_the_judged_weights_are_better_than_the_path(rule):
    """On a noisy bowl the path goes on jumping; its average settles."""
    fitted, params = fit(rule), {"w": torch.full((50,), 3.0, dtype=F64)}
    state, noise = fitted.init(params), torch.Generator().manual_seed(0)
    assert fitted.is_judged_elsewhere and fitted.flat
    for step in range(300):
        g = params["w"] + torch.randn(50, generator=noise, dtype=F64)
        change, state = fitted.update({"w": g}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
    assert fitted.evaluation(params, state, rule.hyper())["w"].norm() < 0.5 * state["z"]["w"].norm()


def test_a_rate_of_zero_moves_nothing():
    for rule in (ScheduleFreeSGD(), ScheduleFreeAdamW(), Prodigy()):
        params = {"w": draw(4)}
        change, state = rule.update({"w": draw(4, seed=1)}, rule.init(params), params, rule.hyper() | {"lr": 0.0}, 0)
        assert not change["w"].any()
        assert all(t.isfinite().all() for content in state.values() for t in content.values())


# Prodigy


def test_prodigy_finds_the_distance():
    """From a guess a million times too small it comes to the right order, and the weights arrive."""
    rule, params = Prodigy(d0=1e-6), {"w": torch.full((20,), 5.0, dtype=F64)}
    state, seen = rule.init(params), []
    for step in range(300):
        change, state = rule.update({"w": params["w"]}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
        seen.append(float(state["d"]["all"]))
    assert seen == sorted(seen) and 0.5 < seen[-1] <= 5.0 * math.sqrt(20)
    assert params["w"].abs().max() < 0.5


def test_prodigy_stays_where_there_is_no_gradient():
    params, zero = {"w": draw(3)}, {"w": torch.zeros(3, dtype=F64)}
    for grads in ([zero, zero], [zero, {"w": draw(3, seed=1)}]):
        ended = _path(Prodigy(), params, grads)
        assert ended["w"].isfinite().all()
    sick = _path(Prodigy(), params, [{"w": torch.full((3,), torch.nan, dtype=F64)}])
    assert sick["w"].isnan().all()


# SAM


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_second_point_lies_at_distance_rho(adaptive):
    params, grads = {"w": draw(4, 3), "b": draw(3)}, {"w": draw(4, 3, seed=1), "b": draw(3, seed=2)}
    rule = SAM(rule=SGD(), rho=0.3, adaptive=adaptive)
    offset = fit(rule).offset(grads, params, rule.hyper())
    unit = {n: offset[n] / params[n].abs() if adaptive else offset[n] for n in offset}
    assert float(torch.cat([t.reshape(-1) for t in unit.values()]).norm()) == pytest.approx(0.3, rel=1e-12)
    assert sum(float((offset[n] * grads[n]).sum()) for n in offset) > 0
    assert not any(
        t.any() for t in fit(rule).offset({n: 0 * g for n, g in grads.items()}, params, rule.hyper()).values()
    )


def test_sam_steps_along_the_gradient_of_the_second_point():
    curvature = torch.tensor([1.0, 10.0], dtype=F64)
    w = torch.tensor([1.0, 1.0], dtype=F64)

    def find(params):
        return (curvature * params["w"] ** 2).sum() / 2, {"w": curvature * params["w"]}

    rule = SAM(rule=SGD(lr=0.01), rho=0.5)
    step = take_step(rule, find, {"w": w}, rule.init({"w": w}))
    g = curvature * w
    torch.testing.assert_close(step.params["w"], w - 0.01 * curvature * (w + 0.5 * g / g.norm()))
    torch.testing.assert_close(step.grads["w"], g)


# Second order


def bowl(h, middle):
    def find(params):
        w = torch.cat([t.reshape(-1) for t in params.values()]) - middle
        parts = (h @ w).split([t.numel() for t in params.values()])
        return w @ h @ w / 2, {n: p.view_as(t) for (n, t), p in zip(params.items(), parts, strict=True)}

    return find


def test_newton_reaches_the_minimum_of_a_quadratic_in_one_step():
    a, middle = draw(7, 7), draw(7, seed=1)
    params = {"w": draw(2, 3, seed=2), "b": draw(1, seed=3)}
    find = bowl(a @ a.mT + torch.eye(7, dtype=F64), middle)
    for rule in (Newton(damping=0.0), SaddleFreeNewton(damping=0.0)):
        ended = take_step(rule, find, params, rule.init(params)).params
        torch.testing.assert_close(torch.cat([t.reshape(-1) for t in ended.values()]), middle)


def test_saddle_free_newton_leaves_a_saddle_that_newton_goes_to():
    find = bowl(torch.tensor([[2.0, 0.0], [0.0, -0.5]], dtype=F64), torch.zeros(2, dtype=F64))
    params = {"w": torch.tensor([1.0, 0.1], dtype=F64)}
    to = take_step(Newton(damping=0.0), find, params, {}).params["w"]
    away = take_step(SaddleFreeNewton(damping=0.0), find, params, {}).params["w"]
    torch.testing.assert_close(to, torch.zeros(2, dtype=F64))
    torch.testing.assert_close(away, torch.tensor([0.0, 0.2], dtype=F64))


def test_damping_shortens_the_step():
    find = bowl(torch.eye(2, dtype=F64), torch.zeros(2, dtype=F64))
    for rule in (Newton(damping=3.0), SaddleFreeNewton(damping=3.0)):
        ended = take_step(rule, find, {"w": torch.ones(2, dtype=F64)}, {})
        torch.testing.assert_close(ended.params["w"], torch.full((2,), 0.75, dtype=F64))
        assert ended.state == {}


@pytest.mark.parametrize("kind", [Newton, SaddleFreeNewton])
def test_second_order_is_for_small_networks(kind):
    with pytest.raises(
        UsageError, match=rf"`{kind.__name__}\(\)` is for at most 5,000 parameters, got 5001. Use another"
    ):
        kind().init({"w": torch.zeros(5000), "b": torch.zeros(1)})
    with pytest.raises(UsageError, match=rf"`{kind.__name__}\(\)` needs the Hessian; take its steps by `take_step`"):
        kind().update({"w": torch.ones(2)}, {}, {"w": torch.ones(2)}, kind().hyper(), 0)


@pytest.mark.parametrize("kind", [Newton, SaddleFreeNewton])
@pytest.mark.parametrize("sick", [torch.nan, torch.inf])
def test_a_sick_hessian_is_nan_and_raises_nothing(kind, sick):
    hessians = torch.eye(2, dtype=F64).repeat(3, 1, 1)
    hessians[1] = sick
    params = {"w": torch.ones(3, 2, dtype=F64)}

    def update(params, hessian):
        return kind(damping=0.0).update(params, {"hessian": {"all": hessian}}, params, kind(damping=0.0).hyper(), 0)[0]

    change = torch.func.vmap(update)(params, hessians)["w"]
    assert change[1].isnan().all()
    assert torch.equal(change[[0, 2]], -torch.ones(2, 2, dtype=F64))


def test_newton_on_a_flat_direction_without_damping_is_nan():
    change, _ = Newton(damping=0.0).update(
        {"w": torch.ones(2)}, {"hessian": {"all": torch.diag(torch.tensor([1.0, 0.0]))}}, {"w": torch.ones(2)},
        Newton(damping=0.0).hyper(), 0,
    )  # fmt: skip
    assert change["w"].isnan().all()


# Wrong numbers


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: LARS(nesterov=True, momentum=0.0),
            r"`LARS\(nesterov=True\)` needs a momentum above 0, got 0.0. Set mom",
        ),
        (lambda: LARS(trust_coefficient=0.0), r"`LARS\(trust_coefficient=...\)` must lie in \(0, inf\), got 0.0."),
        (lambda: LAMB(convention="torch"), r"Unknown value of LAMB\(convention=...\) 'torch'"),
        (lambda: Adafactor(beta2_decay=0.0), r"`Adafactor\(beta2_decay=...\)` must lie in \(-inf, 0\), got 0.0."),
        (lambda: Adafactor(eps1=0.0), r"`Adafactor\(eps1=...\)` must lie in \(0, inf\), got 0.0."),
        (lambda: Muon(adam_lr_ratio=-1.0), r"`Muon\(adam_lr_ratio=...\)` must lie in \(0, inf\), got -1.0."),
        (lambda: Muon(scale="moonlight"), r"Unknown value of Muon\(scale=...\) 'moonlight'"),
        (lambda: SOAP(frequency=0), r"`SOAP\(frequency=...\)` must lie in \[1, inf\), got 0."),
        (lambda: SOAP(frequency=1.5), r"`SOAP\(frequency=...\)` must be a whole number, got 1.5."),
        (lambda: ScheduleFreeSGD(momentum=0.0), r"`ScheduleFreeSGD\(momentum=...\)` must lie in \(0, 1\), got 0.0."),
        (lambda: ScheduleFreeAdamW(warmup_steps=-1), r"`ScheduleFreeAdamW\(warmup_steps=...\)` must lie in \[0, inf\)"),
        (lambda: Prodigy(growth_rate=1.0), r"`Prodigy\(growth_rate=...\)` must lie in \(1, inf\), got 1.0."),
        (lambda: SAM(rule="sgd", rho=0.0), r"`SAM\(rho=...\)` must lie in \(0, inf\), got 0.0."),
        (lambda: Newton(damping=-1.0), r"`Newton\(damping=...\)` must lie in \[0, inf\), got -1.0."),
    ],
)
def test_wrong_numbers_are_refused_in_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()


FILES = ("adafactor", "lamb", "lars", "muon", "newton", "prodigy", "sam", "schedule_free", "soap")


@pytest.mark.parametrize("name", FILES)
def test_doctests_are_true(name):
    found = doctest.testmod(importlib.import_module(f"thalweg.rules.{name}"))
    assert found.attempted and not found.failed


def test_they_are_in_the_catalogue():
    mine = {"lars", "lamb", "adafactor", "muon", "soap", "schedule-free-sgd", "schedule-free-adamw", "prodigy", "sam"}
    assert mine | {"newton", "saddle-free-newton"} <= set(RULES)
