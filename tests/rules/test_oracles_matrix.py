"""Matrix, trust-ratio, schedule-free and rate-free rules against other libraries, recorded and live, and the papers."""

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch

from thalweg.rules import (
    LAMB,
    LARS,
    SAM,
    SGD,
    SOAP,
    Adafactor,
    Muon,
    Place,
    Prodigy,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    fit,
)

_spec = importlib.util.spec_from_file_location("oracles_records", Path(__file__).parents[1] / "oracles" / "records.py")
records = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(records)
papers = records.papers()

LR, STEPS = 0.03, 20
EXACT = {"rtol": 1e-12, "atol": 1e-14}


def walk(rule, case, *, names=None, layout=None, turned=False, after=lambda step, weights: weights):
    """Yield step, weights and judged weights of a rule on a case's problem; `turned` trains the transposed matrices."""

    def turn(arrays):
        return {n: t.mT if turned and t.ndim == 2 else t for n, t in arrays.items()}

    def slope(params, step):
        return turn({n: case.gradient(n, t, step) for n, t in turn(params).items()})

    fitted = fit(rule, layout)
    params = {n: t for n, t in turn(case.start()).items() if names is None or n in names}
    state = fitted.init(params)
    for step in range(1, case.steps + 1):
        hyper = rule.hyper() | ({"lr": case.rate(step)} if case.rates else {})
        grads = slope(params, step)
        if (offset := fitted.offset(grads, params, hyper)) is not None:
            grads = slope({n: t + offset[n] for n, t in params.items()}, step)
        change, state = fitted.update(grads, state, params, hyper, step - 1)
        params = after(step, {n: t + change[n] for n, t in params.items()})
        yield step, turn(params), turn(fitted.evaluation(params, state, hyper))


def named(settings, **names):
    """Return those settings that a case has under our names for them."""
    return {ours: settings[theirs] for ours, theirs in names.items() if theirs in settings}


ADAM = {"beta1": "b1", "beta2": "b2", "eps": "eps", "weight_decay": "weight_decay"}
KERAS = {"beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon", "weight_decay": "weight_decay"}
LARS_SETTINGS = {n: n for n in ("momentum", "nesterov", "eps", "weight_decay", "trust_coefficient")}
LARS_DEFAULTS = {"weight_decay": 0.0, "trust_coefficient": 0.001}
FREE = {n: n for n in ("lr", "momentum", "warmup_steps", "weight_lr_power", "r", "eps", "weight_decay")}


def betas(settings):
    return dict(zip(("beta1", "beta2"), settings["betas"], strict=True)) if "betas" in settings else {}


def optax_lars(s):
    return LARS(lr=LR, convention="optax", trust_on="all", **LARS_DEFAULTS | named(s, **LARS_SETTINGS)), {}


def kozistr_lars(s):
    return LARS(lr=LR, **LARS_DEFAULTS | named(s, **LARS_SETTINGS)), {}


def optax_lamb(s):
    return LAMB(lr=LR, convention="optax", trust_on="all", **{"weight_decay": 0.0} | named(s, **ADAM)), {}


def keras_lamb(s):
    given = {"eps": 1e-7, "weight_decay": 0.0} | named(s, **KERAS)
    return LAMB(lr=LR, convention="keras", trust_on="all", **given), {}


def optax_adafactor(s):
    scaled, factored = s.get("multiply_by_parameter_scale", True), "min_dim_size_to_factor" in s
    given = named(s, clip_threshold="clipping_threshold", weight_decay="weight_decay_rate")
    power = -s.get("decay_rate", 0.8)
    rule = Adafactor(
        lr=LR,
        convention="optax",
        relative_step=False,
        scale_parameter=scaled,
        factored=factored,
        beta2_decay=power,
        **given,
    )
    return rule, {"rtol": 1e-5, "atol": 1e-7}  # it takes the power of t in float32


def keras_adafactor(s):
    given = named(s, relative_step="relative_step", clip_threshold="clip_threshold", beta2_decay="beta_2_decay")
    given |= named(s, weight_decay="weight_decay")
    return Adafactor(lr=LR, convention="keras", **given), {"whole": 2e-7}  # its means are float32


def kozistr_adafactor(s):
    given = {n: s[n] for n in ("relative_step", "scale_parameter", "clip_threshold", "weight_decay") if n in s}
    return Adafactor(lr=LR if "relative_step" in s else 1e-2, **given), {}


def muon_layout(*, matrices=1.0, rest=1.0):
    """Return who decays by how much; the bias is no matrix and goes the library's Adam's way."""
    return {"w": Place("matrix", 1.0, matrices), "wide": Place("matrix", 1.0, matrices), "b": Place("bias", 1.0, rest)}


def optax_muon(s):
    scale = "match_rms_adamw" if "consistent_rms" in s else "original"
    given = {"weight_decay": 0.0} | named(s, nesterov="nesterov", momentum="beta", weight_decay="weight_decay")
    rule = Muon(lr=LR, convention="optax", scale=scale, adam_lr_ratio=1.0, **given)
    return rule, {"layout": muon_layout(rest=0.0), "turned": True}  # flax keeps a matrix as (inputs, outputs)


def keras_muon(s):
    scale, decay = "none" if "rms_rate" in s else "match_rms_adamw", s.get("weight_decay", 0.004)
    ratio = {"adam_lr_ratio": 1.0, "eps": 1e-7, "weight_decay": 0.004}
    rule = Muon(lr=LR, convention="keras", scale=scale, nesterov=s.get("nesterov", True), **ratio)
    return rule, {"layout": muon_layout(matrices=float(decay is not None)), "whole": 1e-6}  # part of it is float32


def kozistr_muon(s):
    given = {"weight_decay": 0.0} | named(s, nesterov="nesterov", weight_decay="weight_decay")
    return Muon(lr=LR, convention="torch", scale="original", **given), {"whole": 2e-2}  # bfloat16


def kozistr_soap(s):
    """Decay comes after the step there, and beside it here: it is put in from outside."""
    given = betas(s) | named(s, shampoo_beta="shampoo_beta", eps="eps", frequency="precondition_frequency")
    shrink = 1 - LR * s.get("weight_decay", 0.01)

    def decayed(step, weights):
        return {n: t * shrink for n, t in weights.items()} if step > 1 else weights

    return SOAP(lr=LR, skip_first=True, weight_decay=0.0, **given), {"after": decayed, "whole": 1e-6}  # QR in float32


def schedule_free_sgd(s):
    return ScheduleFreeSGD(**named(s, **FREE)), {}


def schedule_free_adamw(s):
    return ScheduleFreeAdamW(**betas(s), **named(s, **FREE)), {}


def optax_free_sgd(s):
    return ScheduleFreeSGD(lr=LR, **named(s, momentum="b1", weight_decay="weight_decay")), {}


def optax_free_adamw(s):
    return ScheduleFreeAdamW(lr=LR, **named(s, **ADAM)), {}


def keras_free_adamw(s):
    return ScheduleFreeAdamW(lr=LR, weight_lr_power=0.0), {}


def prodigy(s):
    given = {
        n: s[n]
        for n in ("lr", "beta3", "eps", "d0", "d_coef", "growth_rate", "weight_decay", "safeguard_warmup")
        if n in s
    }
    return Prodigy(bias_correction=s.get("use_bias_correction", False), **betas(s), **given), {
        "atol": 1e-12
    }  # sums over everything


def optax_prodigy(s):
    given = named(
        s, d0="estim_lr0", d_coef="estim_lr_coef", weight_decay="weight_decay", safeguard_warmup="safeguard_warmup"
    )
    return Prodigy(bias_correction=True, **given), {"atol": 1e-12}


def sam(s):
    return SAM(rule=SGD(lr=LR), rho=s["rho"]), {}


def kozistr_sam(s):
    return SAM(rule=SGD(lr=LR), rho=s["rho"]), {"rtol": 1e-6}  # it adds 1e-12 to the norm


OURS = {
    ("optax", "lars"): optax_lars,
    ("kozistr", "lars"): kozistr_lars,
    ("optax", "lamb"): optax_lamb,
    ("keras", "lamb"): keras_lamb,
    ("optax", "adafactor"): optax_adafactor,
    ("keras", "adafactor"): keras_adafactor,
    ("kozistr", "adafactor"): kozistr_adafactor,
    ("optax", "muon"): optax_muon,
    ("keras", "muon"): keras_muon,
    ("kozistr", "muon"): kozistr_muon,
    ("kozistr", "soap"): kozistr_soap,
    ("schedulefree", "schedule-free-sgd"): schedule_free_sgd,
    ("schedulefree", "schedule-free-adamw"): schedule_free_adamw,
    ("optax", "schedule-free-sgd"): optax_free_sgd,
    ("optax", "schedule-free-adamw"): optax_free_adamw,
    ("keras", "schedule-free-adamw"): keras_free_adamw,
    ("prodigyopt", "prodigy"): prodigy,
    ("optax", "prodigy"): optax_prodigy,
    ("optax", "sam"): sam,
    ("kozistr", "sam"): kozistr_sam,
}
OTHERWISE = {
    ("kozistr", "lamb"): "no corrections, a clipped norm: a rule of its own under LAMB's name",
    ("kozistr", "adafactor", "warmup_init"): "a rate 1e-6 * t, for which a schedule is at hand",
    ("optax", "schedule-free-sgd", "warmup_steps"): "z lags one step behind under warm-up",
    ("optax", "schedule-free-adamw", "warmup_steps"): "z lags one step behind under warm-up",
    ("keras", "schedule-free-adamw", "weight_decay"): "its decay moves y and leaves z",
    ("prodigyopt", "prodigy", "decouple"): "coupled decay: see the test of its own",
}
"""Cases that no convention of ours stands for, and why."""


def is_ours(case):
    mine = (case.library, case.rule)
    return mine not in OTHERWISE and not any(
        mine == key[:2] and key[2] in case.settings for key in OTHERWISE if key[2:]
    )


MINE = {rule for _, rule in OURS}
CASES = [case for library in records.LIBRARIES for case in records.cases(library) if case.rule in MINE]


@pytest.mark.parametrize(
    "case", [case for case in CASES if is_ours(case)], ids=lambda case: f"{case.library} {case}"[:120]
)
def test_each_library(case):
    rule, how = OURS[case.library, case.rule](case.settings)
    how = dict(how)
    whole, bounds = how.pop("whole", None), {key: how.pop(key) for key in ("rtol", "atol") if key in how}
    begin, seen = case.start(), 0
    for step, params, judged in walk(rule, case, **how):
        for found, wanted in ((params, case.path), (judged, case.evaluated)):
            for name in found if wanted and step in wanted else ():
                seen += 1
                if whole is None:
                    records.assert_same(found[name], wanted[step][name], begin[name], **EXACT | bounds)
                elif (wanted[step][name] - begin[name]).any():
                    assert records.relative(found[name], wanted[step][name], begin[name]) < whole
                else:
                    assert torch.equal(found[name], begin[name])
    assert seen >= 4


def test_every_case_is_met():
    assert {(case.library, case.rule) for case in CASES if is_ours(case)} == set(OURS)
    for library, rule, *setting in OTHERWISE:
        assert any(set(setting) <= set(case.settings) for case in records.cases(library, rule=rule))


@pytest.mark.parametrize(
    ("library", "rule", "setting", "other"),
    [
        ("keras", "lamb", "weight_decay", {"convention": "paper"}),
        ("optax", "lars", "weight_decay", {"convention": "paper"}),
        ("keras", "adafactor", "weight_decay", {"convention": "paper"}),
        ("optax", "adafactor", "weight_decay_rate", {"convention": "paper"}),
        ("optax", "muon", "weight_decay", {"convention": "torch"}),
        ("kozistr", "soap", "shampoo_beta", {"skip_first": False}),
    ],
)
def test_a_convention_makes_a_difference(library, rule, setting, other):
    case = next(c for c in records.cases(library, rule=rule) if setting in c.settings)
    ours, how = OURS[library, rule](case.settings)
    how = {key: value for key, value in how.items() if key in ("names", "turned", "after", "layout")}
    *_, (step, params, _) = walk(dataclasses.replace(ours, **other), case, **how)
    name = next(iter(params))
    assert records.relative(params[name], case.path[step][name], case.start()[name]) > 1e-3


def test_prodigy_with_decay_in_the_gradient():
    case = next(c for c in records.cases("prodigyopt", rule="prodigy") if c.settings.get("decouple") is False)
    rule = Prodigy(d0=case.settings["d0"], safeguard_warmup=True)
    params, decay = case.start(), case.settings["weight_decay"]
    state = rule.init(params)
    for step in range(case.steps):
        grads = {n: case.gradient(n, t, step + 1) + decay * t for n, t in params.items()}
        change, state = rule.update(grads, state, params, rule.hyper(), step)
        params = {n: t + change[n] for n, t in params.items()}
    for name in params:
        records.assert_same(params[name], case.path[case.steps][name], case.start()[name], **EXACT)


# torch, live


def torchs(kind, names, **settings):
    params = {n: torch.nn.Parameter(records.problem()["start"][n].clone()) for n in names}
    optimizer = kind(list(params.values()), **settings)
    for step in range(STEPS):
        for name, param in params.items():
            param.grad = records.problem()["gradients"][name][step].clone()
        optimizer.step()
    return {n: p.detach() for n, p in params.items()}


def ours(rule, names, steps=STEPS):
    params = {n: records.problem()["start"][n] for n in names}
    state = rule.init(params)
    for step in range(steps):
        grads = {n: records.problem()["gradients"][n][step] for n in names}
        change, state = rule.update(grads, state, params, rule.hyper(), step)
        params = {n: t + change[n] for n, t in params.items()}
    return params


def gradients(name, steps=STEPS):
    return list(records.problem()["gradients"][name][:steps])


def start(name):
    return records.problem()["start"][name]


@pytest.mark.parametrize(
    "settings",
    [{}, {"weight_decay": 0.1, "d": 1.1}, {"eps1": 1e-2, "eps2": 0.5, "beta2_decay": -0.6}, {"lr": 1.0}],
    ids=str,
)
def test_adafactor_is_torchs(settings):
    names = ("w", "b", "z", "wide")
    given = {"lr": LR} | settings
    wanted = torchs(
        torch.optim.Adafactor, names, **{"eps": (given.pop("eps1", None), given.pop("eps2", 1e-3))}, **given
    )
    threshold = {"clip_threshold": settings["d"]} if "d" in settings else {}
    rule = {"lr": LR} | {k: v for k, v in settings.items() if k != "d"} | threshold
    found = ours(Adafactor(convention="torch", **rule), names)
    for name in names:
        records.assert_same(found[name], wanted[name], start(name), **EXACT)


@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_muon_is_torchs_up_to_bfloat16(scale, nesterov):
    settings = {"lr": LR, "nesterov": nesterov, "momentum": 0.9, "weight_decay": 0.5}
    wanted = torchs(torch.optim.Muon, ("w", "wide"), adjust_lr_fn=scale, **settings)
    found = ours(Muon(scale=scale, **settings), ("w", "wide"))
    for name in found:
        assert records.relative(found[name], wanted[name], start(name)) < 2e-2


# The papers


@pytest.mark.parametrize("name", ["w", "wide"])
def test_lars_lamb_adafactor_muon_are_the_papers(name):
    w, grads, rates = start(name), gradients(name), [LR] * STEPS
    pairs = [
        (
            LARS(lr=LR, momentum=0.8, weight_decay=0.1, trust_coefficient=0.1),
            papers.lars(w, grads, gammas=rates, m=0.8, beta=0.1, eta=0.1),
        ),
        (
            LAMB(lr=LR, beta1=0.8, beta2=0.97, eps=1e-3, weight_decay=0.1),
            papers.lamb(w, grads, etas=rates, beta1=0.8, beta2=0.97, epsilon=1e-3, lam=0.1),
        ),
        (
            Adafactor(lr=0.5, clip_threshold=0.7),
            papers.adafactor_matrix(w, grads, rho=lambda t: min(0.5, t**-0.5), d=0.7),
        ),
        (
            Muon(lr=LR, momentum=0.9, weight_decay=0.1, scale="original", convention="paper"),
            papers.muon(w, grads, eta=LR, mu=0.9, lam=0.1),
        ),
    ]
    for rule, wanted in pairs:
        records.assert_same(ours(rule, (name,))[name], wanted, w, rtol=1e-11, atol=1e-14)


def test_adafactor_keeps_every_square_of_a_vector():
    wanted = papers.adafactor_vector(start("b"), gradients("b"), rho=lambda t: min(0.5, t**-0.5))
    records.assert_same(ours(Adafactor(lr=0.5), ("b",))["b"], wanted, start("b"), **EXACT)


@pytest.mark.parametrize("frequency", [1, 3])
def test_soap_is_the_authors(frequency):
    """The lift of the diagonal by sqrt(eps) is ours; it shows in the eighth digit."""
    settings = {"betas": (0.9, 0.95), "shampoo_beta": 0.8, "eps": 1e-3}
    wanted = papers.soap_of_the_authors(
        start("square"), gradients("square"), lr=LR, lam=0.0, frequency=frequency, **settings
    )
    rule = SOAP(
        lr=LR, beta1=0.9, beta2=0.95, shampoo_beta=0.8, eps=1e-3, weight_decay=0.0, frequency=frequency, skip_first=True
    )
    assert records.relative(ours(rule, ("square",))["square"], wanted, start("square")) < 1e-6


def test_soap_without_skip_begins_as_adam():
    """The first step is along the axes; the second in the basis of the first gradient, from its diagonal square."""
    w, (g, h, *_) = start("square"), gradients("square")
    settings = {"lr": LR, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3}
    rule = SOAP(weight_decay=0.0, shampoo_beta=0.7, **settings)
    once = ours(rule, ("square",), steps=1)["square"]
    torch.testing.assert_close(once, w - LR * g / (g.abs() + 1e-3 / 0.1**0.5), rtol=1e-12, atol=0)
    left, _, right = torch.linalg.svd(g)
    turned = [left.mT @ x @ right.mT for x in (g, h, 0.8 * 0.2 * g + 0.2 * h)]
    square = 0.9 * 0.1 * turned[0] ** 2 + 0.1 * turned[1] ** 2
    rate = LR * (1 - 0.9**2) ** 0.5 / (1 - 0.8**2)
    wanted = once - rate * left @ (turned[2] / (square.sqrt() + 1e-3)) @ right
    assert records.relative(ours(rule, ("square",), steps=2)["square"], wanted, once) < 1e-6


@pytest.mark.parametrize("warmup", [0, 7])
def test_schedule_free_is_the_papers(warmup):
    w, grads = start("w"), gradients("w")
    settings = {"lr": LR, "weight_decay": 0.1, "warmup_steps": warmup}
    for rule, (x, y, z) in (
        (
            ScheduleFreeSGD(momentum=0.8, r=0.5, **settings),
            papers.schedule_free_sgd(w, grads, gamma=LR, beta=0.8, lam=0.1, warmup=warmup, r=0.5),
        ),
        (
            ScheduleFreeAdamW(beta1=0.8, beta2=0.97, eps=1e-3, convention="paper", **settings),
            papers.schedule_free_adamw(w, grads, gamma=LR, beta1=0.8, beta2=0.97, epsilon=1e-3, lam=0.1, warmup=warmup),
        ),
    ):
        fitted, params = fit(rule), {"w": w}
        state = fitted.init(params)
        for step, g in enumerate(grads):
            change, state = fitted.update({"w": g}, state, params, rule.hyper(), step)
            params = {"w": params["w"] + change["w"]}
        found = params["w"], state["z"]["w"], fitted.evaluation(params, state, rule.hyper())["w"]
        for ours_, wanted in zip(found, (y, z, x), strict=True):
            records.assert_same(ours_, wanted, w, rtol=1e-12, atol=1e-13)


def test_prodigy_is_the_papers():
    """Without epsilon, which the paper multiplies by the old d and the authors' package by the new one."""
    w = start("b")
    curvature = records.problem()["curvature"]["b"]
    wanted, d = papers.prodigy(w, lambda x: curvature * x, 40, d0=1e-2, gamma=0.7, beta1=0.8, beta2=0.97, epsilon=0.0)
    rule = Prodigy(lr=0.7, d0=1e-2, beta1=0.8, beta2=0.97, eps=0.0)
    params = {"w": w}
    state = rule.init(params)
    for step in range(40):
        change, state = rule.update({"w": curvature * params["w"]}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
    records.assert_same(params["w"], wanted, w, rtol=1e-12, atol=1e-13)
    assert float(state["d"]["all"]) == pytest.approx(d, rel=1e-12) and d > 1e-2


def test_decay_is_left_to_those_who_have_a_share():
    """Placed with no share of the decay, a parameter follows the rule without any."""
    names = ("w", "b")
    layout = {"w": Place("matrix", lr=0.5), "b": Place("bias", weight_decay=0.0, lr=2.0)}
    for kind in (LARS, LAMB, Adafactor, Muon, SOAP, ScheduleFreeSGD, ScheduleFreeAdamW):
        rule, plain = kind(lr=LR, weight_decay=0.3), kind(lr=LR, weight_decay=0.0)
        pulled, free = fit(rule, layout), fit(plain, layout)
        params = {n: start(n) for n in names}
        grads = {n: gradients(n)[0] for n in names}
        one, _ = pulled.update(grads, pulled.init(params), params, rule.hyper(), 0)
        two, _ = free.update(grads, free.init(params), params, plain.hyper(), 0)
        assert torch.equal(one["b"], two["b"]), kind
        assert not torch.equal(one["w"], two["w"]), kind
        whole, _ = plain.update(grads, plain.init(params), params, plain.hyper(), 0)
        torch.testing.assert_close(two["w"], 0.5 * whole["w"], rtol=1e-12, atol=0)
