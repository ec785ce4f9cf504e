"""Lion, SGDW, AdaBound, clipping, averages, Lookahead and noise against other libraries, recorded, and the papers."""

import importlib.util
from pathlib import Path

import pytest
import torch

from thalweg.core import UsageError
from thalweg.core.random import normal
from thalweg.rules import EMA, RULES, SGD, SGDW, SWA, AdaBound, ClipNorm, ClipValue, GradientNoise, Lion, Lookahead, fit

from thalweg.rules import Adam, running_average  # isort: skip

_spec = importlib.util.spec_from_file_location("oracles_records", Path(__file__).parents[1] / "oracles" / "records.py")
records = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(records)
papers = records.papers()
LR, STEPS = 0.03, 20


def walk(rule, case):
    """Yield step, weights and judged weights of a rule on a case's problem."""
    fitted, params = fit(rule), case.start()
    state, hyper = fitted.init(params), rule.hyper()
    for step in range(1, case.steps + 1):
        grads = {n: case.gradient(n, t, step) for n, t in params.items()}
        change, state = fitted.update(grads, state, params, hyper, step - 1)
        params = {n: t + change[n] for n, t in params.items()}
        yield step, params, fitted.evaluation(params, state, hyper)


def assert_follows(rule, case, *, rtol=1e-11, judged=False):
    """Compare with what was recorded, relative to how far each weight has moved."""
    begin = case.start()
    for step, params, evaluated in walk(rule, case):
        wanted = (case.evaluated if judged else case.path).get(step)
        for name in wanted or ():
            got = (evaluated if judged else params)[name]
            moved = (wanted[name] - begin[name]).abs().max()
            assert (got - wanted[name]).abs().max() <= rtol * moved + 1e-15, (str(case), step, name)


def all_cases(library, rule):
    found = records.cases(library, rule=rule)
    assert found, f"nothing recorded of {library} {rule}"
    return found


def lions():
    for library in ("optax", "keras", "kozistr", "lion"):
        for case in all_cases(library, "lion"):
            s = case.settings
            b1, b2 = s.get("betas", (s.get("b1", s.get("beta_1", 0.9)), s.get("b2", s.get("beta_2", 0.99))))
            decay = s.get("weight_decay", 1e-3 if library == "optax" else 0.0)  # optax's default
            yield pytest.param(Lion(lr=LR, beta1=b1, beta2=b2, weight_decay=decay), case, id=f"{library} {case}")


@pytest.mark.parametrize(("rule", "case"), list(lions()))
def test_lion(rule, case):
    assert_follows(rule, case)


@pytest.mark.parametrize("case", all_cases("kozistr", "sgdw"), ids=str)
def test_sgdw(case):
    known = {name: case.settings[name] for name in ("momentum", "nesterov", "weight_decay") if name in case.settings}
    assert_follows(SGDW(lr=LR, **{"momentum": 0.0, "weight_decay": 0.0, **known}), case)


def ours_with_rates(rule, rates):
    """Follow the recorded gradients of "w" with a rate for each step."""
    problem = records.problem()
    params = {"w": problem["start"]["w"].clone()}
    fitted, grads = fit(rule), [g.clone() for g in problem["gradients"]["w"]]
    state = fitted.init(params)
    for step, rate in enumerate(rates):
        change, state = fitted.update({"w": grads[step]}, state, params, {**rule.hyper(), "lr": rate}, step)
        params = {"w": params["w"] + change["w"]}
    return params["w"], problem["start"]["w"], grads[: len(rates)]


def test_sgdw_as_the_paper_has_it():
    """A rate that moves: the paper's velocity holds it; its lambda is our weight_decay times its alpha."""
    etas = [1 - step / 40 for step in range(STEPS)]
    rule = SGDW(lr=LR, weight_decay=0.1, convention="paper")
    got, start, grads = ours_with_rates(rule, [LR * eta for eta in etas])
    wanted = papers.sgdw(start, grads, alpha=LR, beta1=0.9, lam=0.1 * LR, etas=etas)
    assert ((got - wanted).abs() <= 1e-12 * (wanted - start).abs() + 1e-15).all()
    other, *_ = ours_with_rates(SGDW(lr=LR, weight_decay=0.1), [LR * eta for eta in etas])
    assert (other - wanted).abs().max() > 1e-3 * (wanted - start).abs().max()


@pytest.mark.parametrize("amsbound", [False, True])
@pytest.mark.parametrize("settings", [{}, {"beta1": 0.8, "beta2": 0.97, "eps": 1e-3, "gamma": 0.1}])
def test_adabound_is_the_authors(amsbound, settings):
    rule = AdaBound(lr=LR, final_lr_ratio=0.1 / LR, amsbound=amsbound, **settings)
    got, start, grads = ours_with_rates(rule, [LR] * STEPS)
    known = {"beta1": rule.beta1, "beta2": rule.beta2, "gamma": rule.gamma, "eps": rule.eps}
    wanted = papers.adabound_of_the_authors(start, grads, lr=LR, final_lr=0.1, largest=amsbound, **known)
    assert ((got - wanted).abs() <= 1e-11 * (wanted - start).abs() + 1e-15).all()


@pytest.mark.parametrize("amsbound", [False, True])
def test_adabound_is_the_papers(amsbound):
    rule = AdaBound(lr=LR, final_lr_ratio=0.1 / LR, amsbound=amsbound, convention="paper")
    got, start, grads = ours_with_rates(rule, [LR] * STEPS)
    bounds = {"lower": lambda t: 0.1 * (1 - 1 / (1e-3 * t + 1)), "upper": lambda t: 0.1 * (1 + 1 / (1e-3 * t))}
    wanted = papers.adabound(start, grads, alpha=LR, beta1=0.9, beta2=0.999, largest=amsbound, **bounds)
    assert ((got - wanted).abs() <= 1e-11 * (wanted - start).abs() + 1e-15).all()


@pytest.mark.parametrize("case", [*all_cases("kozistr", "adabound"), *all_cases("kozistr", "amsbound")], ids=str)
def test_adabound_is_kozistrs(case):
    """It adds 1e-15 under the root; its decay is decoupled by default, ours is the authors' coupled one."""
    s = case.settings
    if s.get("weight_decay") and s.get("weight_decouple", True):
        return
    known = {name: s[name] for name in ("eps", "gamma", "weight_decay") if name in s}
    betas = dict(zip(("beta1", "beta2"), s.get("betas", (0.9, 0.999)), strict=True))
    rule = AdaBound(lr=LR, final_lr_ratio=s.get("final_lr", 0.1) / LR, amsbound=s["ams_bound"], **known, **betas)
    assert_follows(rule, case, rtol=1e-6)


@pytest.mark.parametrize("case", all_cases("optax", "lookahead") + all_cases("kozistr", "lookahead"), ids=str)
def test_lookahead(case):
    s = case.settings
    rule = Adam(lr=LR) if "adam" in case.call.lower() else SGD(lr=LR)
    steps, share = s.get("sync_period", s.get("k")), s.get("slow_step_size", s.get("alpha"))
    assert_follows(Lookahead(rule=rule, sync_steps=steps, slow_share=share), case)


def test_lookahead_judges_the_slow_weights():
    case = all_cases("optax", "clip-value")[0]  # any case with two parameters and random gradients
    rule = Lookahead(rule=SGD(lr=LR), sync_steps=3, slow_share=0.8)
    *_, (_, _, judged) = walk(rule, case)
    grads = [case.gradient("w", None, step) for step in range(1, case.steps + 1)]
    slow, _ = papers.lookahead(case.start()["w"], grads, k=3, alpha=0.8, eta=LR)
    torch.testing.assert_close(judged["w"], slow, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", all_cases("optax", "ema"), ids=str)
def test_ema_is_optaxs(case):
    if case.settings["debias"]:
        assert_follows(EMA(rule=SGD(lr=LR), average_decay=case.settings["decay"]), case, judged=True)


def test_ema_is_keras():
    case = next(c for c in all_cases("keras", "ema") if "ema_overwrite_frequency" not in c.settings)
    assert_follows(EMA(rule=SGD(lr=LR), average_decay=0.9, start="first"), case, judged=True)
    assert_follows(EMA(rule=SGD(lr=LR), average_decay=0.9), case)  # training goes on as without it


def points(rule):
    case = all_cases("optax", "clip-value")[0]
    found = list(walk(rule, case))
    return [params["w"] for _, params, _ in found], found[-1][2]["w"], case.start()["w"]


def test_ema_is_torchs_and_the_papers():
    path, judged, start = points(EMA(rule=SGD(lr=LR), average_decay=0.9, start="first"))
    model = torch.nn.ParameterList([torch.nn.Parameter(start.clone())])
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for point in path:
        model[0].data.copy_(point)
        averaged.update_parameters(model)
    torch.testing.assert_close(judged, averaged.module[0].data, rtol=1e-12, atol=1e-14)
    path, judged, _ = points(EMA(rule=SGD(lr=LR), average_decay=0.9))
    torch.testing.assert_close(judged, papers.ema_corrected(path, decay=0.9), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("start", "every"), [(0, 1), (4, 3), (10, 5)])
def test_swa_is_the_mean_of_chosen_points(start, every):
    path, judged, _ = points(SWA(rule=SGD(lr=LR), swa_start=start, swa_every=every))
    chosen = path[start + every - 1 :: every]
    torch.testing.assert_close(judged, torch.stack(chosen).mean(0), rtol=1e-12, atol=1e-14)
    if start == 0:
        model = torch.nn.ParameterList([torch.nn.Parameter(path[0].clone())])
        averaged = torch.optim.swa_utils.AveragedModel(model)
        for point in path:
            model[0].data.copy_(point)
            averaged.update_parameters(model)
        torch.testing.assert_close(judged, averaged.module[0].data, rtol=1e-12, atol=1e-14)


def test_swa_before_its_start_is_the_present():
    path, judged, _ = points(SWA(rule=SGD(lr=LR), swa_start=1000))
    torch.testing.assert_close(judged, path[-1], rtol=0, atol=0)


@pytest.mark.parametrize("library", ["optax", "keras"])
def test_clipping(library):
    assert_follows(ClipValue(rule=SGD(lr=LR), clip_value=1.0), all_cases(library, "clip-value")[0])
    assert_follows(ClipNorm(rule=SGD(lr=LR), clip_norm=1.0), all_cases(library, "clip-norm")[0])


def test_clipping_is_torchs_but_for_its_millionth():
    grads = {"a": torch.randn(4, 5, dtype=torch.float64), "b": torch.randn(3, dtype=torch.float64)}
    for bound in (0.5, 1e3):
        rule = ClipNorm(rule=SGD(lr=1.0), clip_norm=bound)
        change, _ = rule.update(grads, {}, grads, rule.hyper(), 0)
        params = [torch.nn.Parameter(t) for t in grads.values()]
        for param, grad in zip(params, grads.values(), strict=True):
            param.grad = grad.clone()
        torch.nn.utils.clip_grad_norm_(params, bound)
        for got, param in zip(change.values(), params, strict=True):
            torch.testing.assert_close(-got, param.grad, rtol=2e-6, atol=0)
    flat = torch.cat([g.reshape(-1) for g in grads.values()])
    rule = ClipNorm(rule=SGD(lr=1.0), clip_norm=0.5)
    change, _ = rule.update(grads, {}, grads, rule.hyper(), 0)
    clipped = torch.cat([-c.reshape(-1) for c in change.values()])
    torch.testing.assert_close(clipped, papers.clip_by_norm(flat, threshold=0.5), rtol=1e-13, atol=0)


def test_noise_has_the_papers_variance_and_fresh_draws():
    rule = GradientNoise(rule=SGD(lr=1.0), noise=0.3, noise_decay=0.55)
    still = {"w": torch.zeros(20_000, dtype=torch.float64)}
    draws = [-rule.update(still, {}, still, rule.hyper(), step)[0]["w"] for step in (0, 1, 9)]
    for t, draw in zip((0, 1, 9), draws, strict=True):
        wanted = papers.noise_variance(t, eta=0.3, gamma=0.55)
        assert draw.var() == pytest.approx(wanted, rel=0.05)  # five standard errors of 20,000 squares
        assert abs(draw.mean()) < 5 * (wanted / 20_000) ** 0.5
    assert abs(torch.corrcoef(torch.stack(draws))[0, 1]) < 0.04
    other = GradientNoise(rule=SGD(lr=1.0), noise=0.3, noise_seed=1)
    assert not torch.equal(draws[0], -other.update(still, {}, still, other.hyper(), 0)[0]["w"])


def test_normal_draws_are_normal():
    draws = normal(torch.tensor(7), 100_000).double()
    for power, wanted in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        spread = {1: 1.0, 2: 2.0, 3: 15.0, 4: 96.0}[power]  # variance of the power
        assert abs((draws**power).mean() - wanted) < 5 * (spread / 100_000) ** 0.5
    inside = (draws.abs() < 1.959964).double().mean()
    assert abs(inside - 0.95) < 5 * (0.95 * 0.05 / 100_000) ** 0.5


def test_running_average_is_the_notes():
    """The notes' example: beta = 0.98, day 2: (0.0196 theta_1 + 0.02 theta_2) / 0.0396."""
    days = torch.tensor([40.0, 49.0, 45.0], dtype=torch.float64)
    assert running_average(days, 0.98)[1] == pytest.approx((0.0196 * 40 + 0.02 * 49) / 0.0396)
    plain = running_average(days, 0.9, corrected=False)
    assert plain[2] == pytest.approx(0.1 * 45 + 0.1 * 0.9 * 49 + 0.1 * 0.81 * 40)
    path = [torch.tensor([v], dtype=torch.float64) for v in days]
    torch.testing.assert_close(running_average(days, 0.9)[-1:], papers.ema_corrected(path, decay=0.9))
    with pytest.raises(UsageError, match=r"`running_average\(beta=...\)` must lie in \[0, 1\), got 1.0"):
        running_average(days, 1.0)


def test_all_rules_of_this_file_are_in_the_catalogue():
    assert {"lion", "sgdw", "adabound", "lookahead", "ema", "swa", "gradient-noise", "clip-norm"} <= set(RULES)
