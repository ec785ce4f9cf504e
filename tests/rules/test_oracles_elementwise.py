"""SGD, AdaGrad, RMSProp, Adam and their kin: each convention against its library, recorded or live, and its paper."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest
import torch

from thalweg.core import UsageError, read_component
from thalweg.rules import (
    RULES,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    ClipNorm,
    NAdam,
    Place,
    RAdam,
    RMSProp,
    fit,
)
from thalweg.rules.adamax import Peak
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import MeanOverRootSquare
from thalweg.rules.nadam import MeanAhead, MeanAheadByPlan
from thalweg.rules.rate import ByRate

_spec = importlib.util.spec_from_file_location("oracles_records", Path(__file__).parents[1] / "oracles" / "records.py")
records = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(records)
papers = records.papers()

LR, STEPS = 0.03, 20


def follow(rule, start, gradient, steps, rates=None):
    """Yield step, from 1 on, and weights; `gradient(name, weights, step)`, a rate for each step if given."""
    fitted, params = fit(rule), dict(start)
    state = fitted.init(params)
    for step in range(1, steps + 1):
        grads = {n: gradient(n, t, step) for n, t in params.items()}
        hyper = rule.hyper() | ({} if rates is None else {"lr": rates(step)})
        change, state = fitted.update(grads, state, params, hyper, step - 1)
        params = {n: t + change[n] for n, t in params.items()}
        yield step, params


def ours(rule, steps=STEPS, rates=None):
    *_, (_, params) = follow(rule, {"w": start()}, lambda n, t, step: gradients(step)[-1], steps, rates)
    return params["w"]


def start():
    return records.problem()["start"]["w"].clone()


def gradients(steps=STEPS):
    return list(records.problem()["gradients"]["w"][:steps])


# Recorded: optax, Keras, pytorch_optimizer

NAMES = {
    "momentum": ("momentum",), "nesterov": ("nesterov",), "weight_decay": ("weight_decay",), "centered": ("centered",),
    "initial_accumulator_value": ("initial_accumulator_value",), "eps": ("eps", "epsilon"), "beta1": ("b1", "beta_1"),
    "beta2": ("b2", "beta_2"), "rho": ("rho",), "alpha": ("decay",),
}  # fmt: skip
"""Our names, and theirs for the same."""
KERAS_EPS = 1e-7
KINDS = {
    "sgd": SGD, "adagrad": Adagrad, "adadelta": Adadelta, "rmsprop": RMSProp, "adam": Adam, "adamw": AdamW,
    "adamax": Adamax, "amsgrad": AMSGrad, "nadam": NAdam, "nadamw": NAdam, "radam": RAdam,
}  # fmt: skip
DEFAULTS = {
    ("optax", "adagrad"): {"eps": 1e-7},
    ("optax", "rmsprop"): {"alpha": 0.9},
    ("keras", "rmsprop"): {"alpha": 0.9},
    ("keras", "adadelta"): {"rho": 0.95},
    ("optax", "adamw"): {"weight_decay": 1e-4},
    ("keras", "adamw"): {"weight_decay": 0.004},
    ("optax", "nadamw"): {"weight_decay": 1e-4, "decoupled_weight_decay": True},
}
"""Numbers that a library takes where a case names none, and ours that say the same as its name."""
OTHERWISE = {
    ("optax", "rmsprop", "initial_scale"): "an average square that starts at 1",
    ("optax", "rmsprop", "eps_in_sqrt"): "Adam(beta1=0): see the test of its own",
    ("optax", "adam", "eps_root"): "a second eps, under the root",
    ("optax", "amsgrad", "bias_correction_mu"): "the paper's with eps",
    ("optax", "radam", "threshold"): "the paper's bound with eps",
    ("kozistr", "radam"): "see the test of its own: no steps at all at first",
}
"""Cases that no convention of ours stands for, and why."""


def is_ours(case):
    own = (case.library, case.rule)
    return own not in OTHERWISE and not any((*own, name) in OTHERWISE for name in case.settings)


def our(case):
    """Return our rule for a recorded case."""
    keras = case.library == "keras"
    given = {"eps": KERAS_EPS} if keras and case.rule != "sgd" else {}
    given |= DEFAULTS.get((case.library, case.rule), {})
    for name, theirs in NAMES.items():
        given.update((name, case.settings[t]) for t in theirs if t in case.settings)
    if case.library == "keras" and case.rule == "rmsprop":
        given |= {"alpha": case.settings["rho"]} if "rho" in case.settings else {}
        given.pop("rho", None)
    return KINDS[case.rule](lr=LR, convention=case.library, **given)


CASES = [
    c for library in records.LIBRARIES for c in records.cases(library) if c.rule in KINDS and c.library != "kozistr"
]


@pytest.mark.parametrize("case", [c for c in CASES if is_ours(c)], ids=lambda c: f"{c.library} {c}"[:120])
def test_each_library(case):
    begin, seen = case.start(), 0
    rates = case.rate if case.rates else None
    for step, params in follow(our(case), begin, case.gradient, case.steps, rates):
        for name, wanted in case.path.get(step, {}).items():
            seen += 1
            records.assert_same(params[name], wanted, begin[name], atol=1e-14)
    assert seen >= 8


def test_every_recorded_case_is_met():
    met = {(c.library, c.rule) for c in CASES if is_ours(c)}
    assert met >= {("optax", name) for name in KINDS} | {("keras", n) for n in ("sgd", "rmsprop", "amsgrad", "nadam")}
    for library, rule, *setting in OTHERWISE:
        assert any(set(setting) <= set(c.settings) for c in records.cases(library, rule=rule))


def test_adam_without_momentum_is_corrected_rmsprop():
    case = next(c for c in records.cases("optax", rule="rmsprop") if "bias_correction" in c.settings)
    rule = Adam(lr=LR, beta1=0.0, beta2=case.settings.get("decay", 0.9), eps=case.settings["eps"])
    for step, params in follow(rule, case.start(), case.gradient, case.steps):
        for name, wanted in case.path.get(step, {}).items():
            records.assert_same(params[name], wanted, case.start()[name])


def test_radam_of_pytorch_optimizer():
    case = next(c for c in records.cases("kozistr", rule="radam") if c.settings.get("degenerated_to_sgd"))
    rule = RAdam(lr=LR, eps=1e-3, weight_decay=0.1, decoupled_weight_decay=True)
    for step, params in follow(rule, case.start(), case.gradient, case.steps):
        for name, wanted in case.path.get(step, {}).items():
            records.assert_same(params[name], wanted, case.start()[name])


@pytest.mark.parametrize("convention", ["optax", "keras", "paper"])
def test_clipping_each_parameter_is_keras_clipnorm(convention):
    (case,) = records.cases("keras", rule="clip-norm-each")
    rule = ClipNorm(rule=SGD(lr=LR), clip_norm=case.settings["clipnorm"], each=True, convention=convention)
    for step, params in follow(rule, case.start(), case.gradient, case.steps):
        for name, wanted in case.path.get(step, {}).items():
            records.assert_same(params[name], wanted, case.start()[name])


# Live: torch

HEAVY = {"weight_decay": 0.1}
BETAS = {"beta1": 0.8, "beta2": 0.97, "eps": 1e-3}
LIVE = [
    (SGD, torch.optim.SGD, {}, [
        {}, HEAVY, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, **HEAVY},
        {"momentum": 0.8, "dampening": 0.5, **HEAVY},
    ]),
    (Adagrad, torch.optim.Adagrad, {}, [
        {}, HEAVY, {"lr_decay": 0.1, "eps": 1e-3}, {"initial_accumulator_value": 0.1, "lr_decay": 0.01, **HEAVY},
    ]),
    (Adadelta, torch.optim.Adadelta, {}, [{}, {"rho": 0.8, "eps": 1e-3}, HEAVY]),
    (RMSProp, torch.optim.RMSprop, {}, [
        {}, {"centered": True}, {"momentum": 0.9},
        {"alpha": 0.9, "eps": 1e-3, "momentum": 0.5, "centered": True, **HEAVY},
    ]),
    (Adam, torch.optim.Adam, {}, [{}, BETAS, BETAS | HEAVY]),
    (AdamW, torch.optim.AdamW, {}, [{}, BETAS | {"weight_decay": 0.5}]),
    (Adamax, torch.optim.Adamax, {}, [{}, BETAS, BETAS | HEAVY]),
    (AMSGrad, torch.optim.Adam, {"amsgrad": True}, [{}, BETAS, BETAS | HEAVY]),
    (AMSGrad, torch.optim.AdamW, {"amsgrad": True}, [HEAVY | {"decoupled_weight_decay": True}]),
    (NAdam, torch.optim.NAdam, {}, [
        {}, BETAS, {"momentum_decay": 0.1, **HEAVY}, BETAS | HEAVY | {"decoupled_weight_decay": True},
    ]),
    (RAdam, torch.optim.RAdam, {}, [{}, BETAS, {"beta2": 0.9}, BETAS | HEAVY | {"decoupled_weight_decay": True}]),
]  # fmt: skip


def torchs(kind, settings, grads):
    settings = dict(settings)
    if "beta1" in settings or "beta2" in settings:
        settings["betas"] = (settings.pop("beta1", 0.9), settings.pop("beta2", 0.999))
    if kind is torch.optim.AdamW:
        settings.pop("decoupled_weight_decay", None)
    param = torch.nn.Parameter(start())
    optimizer = kind([param], lr=LR, **settings)
    for grad in grads:
        param.grad = grad.clone()
        optimizer.step()
    return param.detach()


@pytest.fixture
def doubles():
    """Let torch count its steps in float64, as NAdam's schedule needs to be compared to the last digits."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("kind", "theirs", "more", "settings"),
    [(kind, theirs, more, choice) for kind, theirs, more, choices in LIVE for choice in choices],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_torch(kind, theirs, more, settings, doubles):
    steps = 40
    expected = torchs(theirs, settings | more, gradients(steps))
    records.assert_same(ours(kind(lr=LR, **settings), steps), expected, start(), rtol=2e-12)


# The papers

ADAM = {"alpha": LR, "beta1": 0.8, "beta2": 0.97}
OURS = {"lr": LR, "beta1": 0.8, "beta2": 0.97}


def mu(t):
    return 0.8 * (1 - 0.5 * 0.96 ** (t / 250))


PAPERS = {
    "adagrad": (Adagrad(lr=LR, eps=1e-3, convention="paper"), lambda x, g: papers.adagrad(x, g, eta=LR, delta=1e-3)),
    "adadelta": (Adadelta(eps=1e-3, convention="paper"), lambda x, g: papers.adadelta(x, g, rho=0.9, epsilon=1e-3)),
    "rmsprop": (
        RMSProp(lr=LR, alpha=0.9, eps=1.0, convention="paper"),
        lambda x, g: papers.rmsprop(x, g, rate=LR, decay=0.9),
    ),
    "rmsprop, graves": (
        RMSProp(lr=LR, alpha=0.95, momentum=0.9, eps=1e-4, centered=True, convention="optax"),
        lambda x, g: papers.rmsprop_graves(x, g, aleph=0.95, beth=0.9, gimel=LR, daleth=1e-4),
    ),
    "adam": (Adam(**OURS, eps=1e-3, convention="paper"), lambda x, g: papers.adam(x, g, **ADAM, epsilon=1e-3)),
    "adam, eps hat": (
        Adam(**OURS, eps=1e-3, convention="keras"),
        lambda x, g: papers.adam_epsilon_hat(x, g, **ADAM, epsilon_hat=1e-3),
    ),
    "adamax": (Adamax(**OURS, eps=1.0, convention="paper"), lambda x, g: papers.adamax(x, g, **ADAM)),
    "adamw": (
        AdamW(**OURS, eps=1e-3, weight_decay=0.1),
        lambda x, g: papers.adamw(x, g, **ADAM, epsilon=1e-3, lam=0.1 * LR, etas=[1.0] * STEPS),
    ),
    "amsgrad": (AMSGrad(**OURS, eps=1.0, convention="paper"), lambda x, g: papers.amsgrad(x, g, **ADAM)),
    "nadam": (
        NAdam(**OURS, eps=1e-3, convention="paper"),
        lambda x, g: papers.nadam_workshop(x, g, alpha=LR, nu=0.97, epsilon=1e-3, mu=mu),
    ),
    "nadam, report": (
        NAdam(**OURS, eps=1e-3),
        lambda x, g: papers.nadam_report(x, g, **ADAM, epsilon=1e-3, mu=mu),
    ),
    "nadam, simple": (
        NAdam(**OURS, eps=1e-3, convention="optax"),
        lambda x, g: papers.nadam_simple(x, g, **ADAM, epsilon=1e-3),
    ),
    "radam": (
        RAdam(lr=LR, eps=1.0, convention="paper"),
        lambda x, g: papers.radam(x, g, alpha=LR, beta1=0.9, beta2=0.999),
    ),
    "radam, short": (RAdam(**OURS, eps=1.0, convention="paper"), lambda x, g: papers.radam(x, g, **ADAM)),
}


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers(name):
    rule, reference = PAPERS[name]
    records.assert_same(ours(rule), reference(start(), gradients()), start())


@pytest.mark.parametrize("convention", ["keras", "paper"])
def test_momentum_with_the_rate_inside_is_polyaks(convention):
    """A rate that moves tells the two apart; while it stays they are one."""
    rates = [LR * (1 - step / 40) for step in range(STEPS)]
    expected = papers.momentum_polyak(start(), gradients(), epsilons=rates, mu=0.9)
    rule = SGD(momentum=0.9, convention=convention)
    got = ours(rule, rates=lambda step: rates[step - 1])
    records.assert_same(got, expected, start())
    outside = ours(dataclasses.replace(rule, convention="torch"), rates=lambda step: rates[step - 1])
    assert records.relative(outside, expected, start()) > 0.05
    records.assert_same(ours(SGD(lr=LR, momentum=0.9, convention=convention)), ours(SGD(lr=LR, momentum=0.9)), start())


def test_adamw_with_the_decay_outside_the_rate():
    """The paper's eta moves both; its lambda is our weight_decay, and lr * weight_decay elsewhere."""
    etas = [1 - step / 40 for step in range(STEPS)]
    expected = papers.adamw(start(), gradients(), **ADAM, epsilon=1e-3, lam=0.01, etas=etas)
    rule = AdamW(**OURS, eps=1e-3, weight_decay=0.01, convention="paper")
    params = {"w": start()}
    state = rule.init(params)
    for step, (g, eta) in enumerate(zip(gradients(), etas, strict=True)):
        moved = rule.hyper() | {"lr": LR * eta, "weight_decay": 0.01 * eta}
        change, state = rule.update({"w": g}, state, params, moved, step)
        params = {"w": params["w"] + change["w"]}
    records.assert_same(params["w"], expected, start())
    library = ours(dataclasses.replace(rule, convention="torch"), rates=lambda step: LR * etas[step - 1])
    assert records.relative(library, expected, start()) > 0.05


def test_a_parameter_without_a_rate_does_not_decay():
    layout = {"w": Place("matrix", lr=0.0), "b": Place("matrix", lr=0.5)}
    rule = AdamW(lr=LR, weight_decay=0.1, convention="paper")
    params = {"w": start(), "b": start()}
    fitted, (grad, *_) = fit(rule, layout), gradients()
    change, _ = fitted.update({"w": grad, "b": grad}, fitted.init(params), params, rule.hyper(), 0)
    whole, _ = rule.update({"b": grad}, rule.init({"b": grad}), {"b": start()}, rule.hyper(), 0)
    assert not change["w"].any()
    torch.testing.assert_close(change["b"], 0.5 * whole["b"], rtol=1e-13, atol=0)


def test_nesterov_with_the_rate_inside():
    rule = SGD(lr=LR, momentum=0.9, nesterov=True, convention="paper")
    records.assert_same(ours(rule), papers.nesterov_rewritten(start(), gradients(), alpha=LR, rho=0.9), start())


# How far the conventions lie apart

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
ROWS = re.findall(
    r"^\| `(\w+)`(?:, `([^`]*)`)? \| ([\d.e-]+|–) \| ([\d.e-]+|–) \| ([\d.e-]+|–) \|", PAGE.read_text("utf-8"), re.M
)


def test_the_page_has_a_row_for_each_rule_with_conventions():
    assert {name for name, *_ in ROWS} >= {kind.name for kind in KINDS.values()} - {"adamw"}


@pytest.mark.parametrize(("name", "setting", "optax", "keras", "paper"), ROWS)
def test_conventions_lie_as_far_apart_as_the_page_says(name, setting, optax, keras, paper):
    """After 20 steps, of the way that torch's took; the conventions themselves are held above."""
    rule = read_component(RULES, f"{name}({setting})", "rule")
    begin = ours(rule)
    for convention, told in (("optax", optax), ("keras", keras), ("paper", paper)):
        if told == "–":
            assert convention not in str(type(rule).__annotations__["convention"])
            continue
        other = dataclasses.replace(rule, convention=convention)
        assert float(told) == pytest.approx(records.relative(ours(other), begin, start()), rel=0.06, abs=1e-13)


@pytest.mark.parametrize(
    "rule",
    [
        Adam(convention="optax"), Adam(convention="paper"), AdamW(convention="optax"), Adamax(convention="optax"),
        SGD(momentum=0.9, convention="optax"), Adadelta(convention="optax"), Adadelta(convention="paper"),
    ],
    ids=str,
)  # fmt: skip
def test_conventions_that_are_torchs(rule):
    assert torch.equal(ours(rule), ours(dataclasses.replace(rule, convention="torch")))


@pytest.mark.parametrize(
    "kind", [k for k in KINDS.values() if "keras" in str(k.__annotations__.get("convention"))], ids=lambda k: k.name
)
def test_keras_decay_is_decoupled(kind):
    """Then one step with decay is one without, and lr * weight_decay * params beside it."""
    rule = kind(lr=LR, convention="keras", weight_decay=0.1)
    plain = ours(dataclasses.replace(rule, weight_decay=0.0), steps=1)
    torch.testing.assert_close(ours(rule, steps=1), plain - LR * 0.1 * start(), rtol=1e-13, atol=1e-15)


# Facts


def test_a_reader_sees_one_become_the_other():
    """Adam is RMSProp with a mean; AdamW is Adam with its decay later; NAdam is Adam with another top."""
    assert Adam().chain() == (AddDecay(), MeanOverRootSquare(), ByRate())
    assert AdamW().chain() == (MeanOverRootSquare(), AddDecay(), ByRate())
    assert NAdam().chain()[1].by == Adam().chain()[1].parts.by and NAdam().chain()[1].top == MeanAheadByPlan(4e-3)
    assert NAdam(convention="optax").chain()[1].top == MeanAhead()
    assert Adamax().chain()[1].top == Adam().chain()[1].parts.top and Adamax().chain()[1].by == Peak()
    records.assert_same(
        ours(RMSProp(lr=LR, alpha=0.97)), ours(Adam(lr=LR, beta1=0.0, beta2=0.97, bias_correction=False)), start()
    )


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam", "adamax", "amsgrad", "nadam", "radam"])
@pytest.mark.parametrize("convention", ["torch", "optax", "keras", "paper"])
def test_a_gradient_that_was_always_zero_moves_nothing(name, convention):
    if convention not in str(RULES[name].__annotations__["convention"]):
        return
    nothing = {"w": torch.zeros(3)}
    *_, (_, params) = follow(RULES[name](convention=convention), nothing, lambda n, t, step: torch.zeros(3), 8)
    assert torch.equal(params["w"], torch.zeros(3))


def test_rates_fall_as_told():
    grad = {"w": torch.ones((), dtype=torch.float64)}
    rule = Adagrad(lr=1.0, lr_decay=0.5, eps=0.0)
    state = rule.init(grad)
    for step in range(4):
        change, state = rule.update(grad, state, grad, rule.hyper(), step)
        assert float(change["w"]) == pytest.approx(-1 / (1 + 0.5 * step) / (step + 1) ** 0.5)


def test_radam_waits_five_steps_and_the_paper_four():
    """The first steps are those of a plain average: lr * m / (1 - beta1^t) with a constant gradient is lr * g."""
    grad = {"w": torch.full((1,), 1e-3, dtype=torch.float64)}
    for convention, waits in (("torch", 5), ("optax", 5), ("paper", 4)):
        rule = RAdam(lr=1.0, convention=convention)
        state, plain = rule.init(grad), []
        for step in range(8):
            change, state = rule.update(grad, state, grad, rule.hyper(), step)
            plain.append(bool(torch.isclose(change["w"], -grad["w"], rtol=1e-12).all()))
        assert plain == [True] * waits + [False] * (8 - waits)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.6, 0.65])
def test_radam_with_a_short_average_never_divides(beta2):
    """The average's length never reaches 4: r would be the root of a negative number."""
    rule = RAdam(lr=LR, beta2=beta2)
    records.assert_same(ours(rule), ours(dataclasses.replace(rule, eps=0.5)), start())
    many = {"beta2": torch.tensor(beta2, dtype=torch.float64)}
    params = {"w": start()}
    state = rule.init(params)
    for step, grad in enumerate(gradients()):
        change, state = rule.update({"w": grad}, state, params, rule.hyper() | many, torch.tensor(step))
        params = {"w": params["w"] + change["w"]}
    torch.testing.assert_close(params["w"], ours(rule), rtol=1e-12, atol=1e-14)


def test_none_is_as_the_convention_has_it():
    for kind, name, values in (
        (Adagrad, "initial_accumulator_value", {"torch": 0.0, "optax": 0.1, "keras": 0.1, "paper": 0.0}),
        (NAdam, "momentum_decay", {"torch": 4e-3, "keras": 1.0, "paper": 4e-3}),
    ):
        for convention, value in values.items():
            rule = kind(lr=LR, convention=convention)
            assert name not in rule.hyper()
            assert torch.equal(ours(rule), ours(dataclasses.replace(rule, **{name: value})))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=0.9, dampening=0.5, convention="keras"),
         "`SGD(dampening=...)` is torch's alone, got 'keras'. Leave dampening out."),
        (lambda: RMSProp(nesterov=True),
         "`RMSProp(nesterov=True)` needs a momentum above 0, got 0.0. Set momentum=0.9, say."),
        (lambda: Adagrad(lr_decay=0.1, convention="optax"),
         "`Adagrad(lr_decay=...)` is torch's alone, got 'optax'. Leave it out, or use a schedule."),
        (lambda: NAdam(momentum_decay=0.1, convention="optax"),
         "`NAdam(momentum_decay=...)` has no part in optax's rule, got 0.1. Leave it out, or take another convention."),
        (lambda: RAdam(convention="keras"),
         "Unknown value of RAdam(convention=...) 'keras': known: optax, paper, torch."),
        (lambda: Adam(convention="kears"), "Unknown value of Adam(convention=...) 'kears': did you mean 'keras'?"),
        (lambda: Adam(beta1=1.0), "`Adam(beta1=...)` must lie in [0, 1), got 1.0."),
        (lambda: Adadelta(rho=-0.1), "`Adadelta(rho=...)` must lie in [0, 1), got -0.1."),
        (lambda: Adamax(beta2=1.5), "`Adamax(beta2=...)` must lie in [0, 1), got 1.5."),
        (lambda: Adagrad(initial_accumulator_value=-1.0),
         "`Adagrad(initial_accumulator_value=...)` must lie in [0, inf), got -1.0."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(UsageError) as error:
        make()
    assert str(error.value) == message
