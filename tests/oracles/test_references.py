"""The plain references against other libraries: a mistake in a reference shows here, not in a rule that copies it."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

_spec = importlib.util.spec_from_file_location("oracles_records", Path(__file__).parent / "records.py")
records = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(records)
papers = records.papers()

LR, STEPS = 0.03, 20
BETAS = {"beta1": 0.9, "beta2": 0.999}
OTHER = {"beta1": 0.8, "beta2": 0.97}
ONES, RATES = [1.0] * STEPS, [LR] * STEPS
DROPPED = [LR] * 10 + [LR / 10] * 10


def vector(arrays):
    """Return a case's arrays as one vector: what a paper calls x."""
    return torch.cat([value.reshape(-1) for value in arrays.values()])


def bowl(case):
    curvature = vector({name: records.problem()["curvature"][name] for name in case.params})
    return lambda x: curvature * x


def ends(case, reference, names=None):
    """Yield what a reference makes of each array, what was recorded, and the start, at every step that was kept."""
    start = case.start()
    for step in case.path:
        for name in names or case.params:
            yield reference(start[name], case.grads(name, step), step), case.path[step][name], start[name]


def torchs(kind, name="w", steps=STEPS, **settings):
    param = torch.nn.Parameter(records.problem()["start"][name].clone())
    optimizer = kind([param], foreach=False, **settings) if kind is not torch.optim.Muon else kind([param], **settings)
    for step in range(steps):
        param.grad = records.problem()["gradients"][name][step].clone()
        optimizer.step()
    return param.detach()


def golden(*arguments, **settings):
    return records.one(*arguments, **settings)


def with_drop(library, rule, **settings):
    found = [c for c in records.cases(library, rule=rule) if c.rates]
    return next(c for c in found if {k: v for k, v in c.settings.items() if k != "learning_rate"} == settings)


MATRIX = ("w", "wide")
INVERSE_ROOT = {"rho": lambda t: min(LR, t**-0.5)}
PAPER_ROOT = {"rho": lambda t: min(1e-2, t**-0.5)}


def dozat(psi):
    return lambda t: 0.9 * (1 - 0.5 * 0.96 ** (t * psi))


def adafactor(x, grads, **settings):
    return (papers.adafactor_matrix if x.ndim == 2 else papers.adafactor_vector)(x, grads, **settings)


def stepwise(function, **settings):
    return lambda x, grads, step: function(x, grads, **settings)


def sliced(function, **settings):
    """Cut the lists of rates to the steps asked for."""
    lists = {key: value for key, value in settings.items() if isinstance(value, list)}
    rest = {key: value for key, value in settings.items() if key not in lists}
    return lambda x, grads, step: function(x, grads, **rest, **{key: value[:step] for key, value in lists.items()})


def moved(function, scale, **settings):
    """A rule without a rate whose way is scaled afterwards: its gradients do not depend on where it is."""
    return lambda x, grads, step: x + scale * (function(x, grads, **settings) - x)


P = papers
MOMENTUM = stepwise(P.momentum_lecture, alpha=LR, rho=0.9)
NESTEROV = stepwise(P.nesterov_rewritten, alpha=LR, rho=0.9)
LION = stepwise(P.lion, eta=LR, beta1=0.9, beta2=0.99, lam=0.0)
LION_HEAVY = stepwise(P.lion, eta=LR, beta1=0.95, beta2=0.98, lam=0.1)
SGDW = sliced(P.sgdw, alpha=LR, beta1=0.9, lam=0.1 * LR, etas=ONES)
ADAM = {"alpha": LR, **BETAS}
SMALL = {"min_dim_size_to_factor": 2}
NO_CORRECTION = {"eps": 0.0, "bias_correction_mu": False, "bias_correction_nu": False}

AGREE = {
    "momentum, optax": (golden("optax", "sgd", momentum=0.9), MOMENTUM),
    "momentum, keras": (golden("keras", "sgd", momentum=0.9), MOMENTUM),
    "momentum, keras, rate drops": (
        with_drop("keras", "sgd", momentum=0.9),
        sliced(P.momentum_polyak, epsilons=DROPPED, mu=0.9),
    ),
    "nesterov, optax": (golden("optax", "sgd", momentum=0.9, nesterov=True), NESTEROV),
    "sgdw, kozistr": (golden("kozistr", "sgdw", momentum=0.9, weight_decay=0.1), SGDW),
    "sgdw, keras": (
        golden("keras", "sgd", weight_decay=0.1),
        sliced(P.sgdw, alpha=LR, beta1=0.0, lam=0.1 * LR, etas=ONES),
    ),
    "lion, optax": (golden("optax", "lion", b1=0.95, b2=0.98, weight_decay=0.1), LION_HEAVY),
    "lion, keras": (golden("keras", "lion", beta_1=0.95, beta_2=0.98, weight_decay=0.1), LION_HEAVY),
    "lion, keras, plain": (golden("keras", "lion"), LION),
    "lion, its package": (golden("lion", "lion", betas=[0.95, 0.98], weight_decay=0.1), LION_HEAVY),
    "lion, kozistr": (
        golden("kozistr", "lion", weight_decay=0.1),
        stepwise(P.lion, eta=LR, beta1=0.9, beta2=0.99, lam=0.1),
    ),
    "adadelta, optax": (golden("optax", "adadelta"), moved(P.adadelta, LR, rho=0.9, epsilon=1e-6)),
    "adadelta, keras": (golden("keras", "adadelta"), moved(P.adadelta, LR, rho=0.95, epsilon=1e-7)),
    "graves, optax": (
        golden("optax", "rmsprop", centered=True, momentum=0.9),
        stepwise(P.rmsprop_graves, aleph=0.9, beth=0.9, gimel=LR, daleth=1e-8),
    ),
    "graves, keras": (
        golden("keras", "rmsprop", centered=True, rho=0.95),
        stepwise(P.rmsprop_graves, aleph=0.95, beth=0.0, gimel=LR, daleth=1e-7),
    ),
    "adam, optax": (golden("optax", "adam"), stepwise(P.adam, **ADAM, epsilon=1e-8)),
    "adam, optax, large eps": (golden("optax", "adam", eps=1e-3), stepwise(P.adam, **ADAM, epsilon=1e-3)),
    "adam, optax, betas": (golden("optax", "adam", b1=0.8, b2=0.97), stepwise(P.adam, alpha=LR, **OTHER, epsilon=1e-8)),
    "adam, keras": (golden("keras", "adam"), stepwise(P.adam_epsilon_hat, **ADAM, epsilon_hat=1e-7)),
    "adamw, optax": (
        golden("optax", "adamw", eps=1e-3, weight_decay=0.1, b1=0.8, b2=0.97),
        sliced(P.adamw, alpha=LR, **OTHER, epsilon=1e-3, lam=0.1 * LR, etas=ONES),
    ),
    "nadam, keras": (golden("keras", "nadam"), stepwise(P.nadam_report, **ADAM, epsilon=1e-7, mu=dozat(1))),
    "nadam, optax": (golden("optax", "nadam", eps=1e-3), stepwise(P.nadam_simple, **ADAM, epsilon=1e-3)),
    "nadam, constant": (
        golden("optax", "nadam"),
        stepwise(P.nadam_workshop, alpha=LR, nu=0.999, epsilon=1e-8, mu=lambda t: 0.9),
    ),
    "amsgrad, optax": (golden("optax", "amsgrad", **NO_CORRECTION), stepwise(P.amsgrad, **ADAM)),
    "radam, optax": (golden("optax", "radam", eps=0.0, threshold=4.0), stepwise(P.radam, **ADAM)),
    "lars, kozistr": (
        golden("kozistr", "lars", weight_decay=0.1),
        sliced(P.lars, gammas=RATES, m=0.9, beta=0.1, eta=1e-3),
        ("w",),
    ),
    "lars, optax": (
        golden("optax", "lars"),
        sliced(P.lars, gammas=RATES, m=0.9, beta=0.0, eta=1e-3),
        ("w", "b"),
    ),
    "lars, optax, rate drops": (
        with_drop("optax", "lars", momentum=0.9),
        sliced(P.lars, gammas=DROPPED, m=0.9, beta=0.0, eta=1e-3),
        ("w", "b"),
    ),
    "lamb, optax": (
        golden("optax", "lamb", eps=1e-3, weight_decay=0.1),
        sliced(P.lamb, etas=RATES, **BETAS, epsilon=1e-3, lam=0.1),
        ("w", "b"),
    ),
    "lamb, keras": (golden("keras", "lamb"), sliced(P.lamb, etas=RATES, **BETAS, epsilon=1e-7, lam=0.0), ("w", "b")),
    "adafactor, keras": (golden("keras", "adafactor"), stepwise(adafactor, **INVERSE_ROOT)),
    "adafactor, kozistr": (golden("kozistr", "adafactor", betas=[None, 0.999]), stepwise(adafactor, **PAPER_ROOT)),
    "schedule-free sgd, optax": (
        golden("optax", "schedule-free-sgd", weight_decay=0.1, b1=0.8),
        lambda x, grads, step: P.schedule_free_sgd(x, grads, gamma=LR, beta=0.8, lam=0.1)[1],
    ),
    "schedule-free adamw, optax": (
        golden("optax", "schedule-free-adamw", eps=1e-3, weight_decay=0.1, b1=0.95, b2=0.97),
        lambda x, grads, step: P.schedule_free_adamw_of_the_authors(
            x, grads, gamma=LR, beta1=0.95, beta2=0.97, epsilon=1e-3, lam=0.1
        )[1],
    ),
    "schedule-free adamw, keras": (
        golden("keras", "schedule-free-adamw"),
        lambda x, grads, step: P.schedule_free_adamw_of_the_authors(x, grads, gamma=LR, **BETAS, epsilon=1e-8)[1],
    ),
    "lookahead, optax": (
        golden("optax", "lookahead", sync_period=5, slow_step_size=0.5),
        lambda x, grads, step: P.lookahead(x, grads, k=5, alpha=0.5, eta=LR)[1],
    ),
    "lookahead, kozistr": (
        golden("kozistr", "lookahead", k=3, alpha=0.8),
        lambda x, grads, step: P.lookahead(x, grads, k=3, alpha=0.8, eta=LR)[1],
    ),
    "clip by value, optax": (
        golden("optax", "clip-value", max_delta=1.0),
        lambda x, grads, step: x - LR * sum(P.clip_by_value(g, c=1.0) for g in grads),
    ),
    "clip by value, keras": (
        golden("keras", "clip-value", clipvalue=1.0),
        lambda x, grads, step: x - LR * sum(P.clip_by_value(g, c=1.0) for g in grads),
    ),
    "clip each norm, keras": (
        golden("keras", "clip-norm-each", clipnorm=1.0),
        lambda x, grads, step: x - LR * sum(P.clip_by_norm(g, threshold=1.0) for g in grads),
    ),
}


ROUGHLY = {"adafactor, keras": 1e-5}
"""Keras counts its steps in float32 here, optax there."""


@pytest.mark.parametrize("name", AGREE)
def test_a_reference_is_what_a_library_does(name):
    case, reference, *names = AGREE[name]
    for got, wanted, begin in ends(case, reference, *names):
        records.assert_same(got, wanted, begin, rtol=ROUGHLY.get(name, 1e-11))


TORCH = {
    "momentum": (torch.optim.SGD, {"momentum": 0.9}, MOMENTUM),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, NESTEROV),
    "l2": (
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.1},
        sliced(P.sgd_l2, alpha=LR, beta1=0.9, lam=0.1, etas=ONES),
    ),
    "adagrad": (torch.optim.Adagrad, {"eps": 1e-3}, stepwise(P.adagrad, eta=LR, delta=1e-3)),
    "adadelta": (torch.optim.Adadelta, {"lr": 1.0}, stepwise(P.adadelta, rho=0.9, epsilon=1e-6)),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 0.0}, stepwise(P.rmsprop, rate=LR, decay=0.9)),
    "adam": (torch.optim.Adam, {"eps": 1e-3}, stepwise(P.adam, **ADAM, epsilon=1e-3)),
    "adamax": (torch.optim.Adamax, {"eps": 0.0}, stepwise(P.adamax, **ADAM)),
    "adamw": (
        torch.optim.AdamW,
        {"weight_decay": 0.1},
        sliced(P.adamw, **ADAM, epsilon=1e-8, lam=0.1 * LR, etas=ONES),
    ),
    "nadam": (torch.optim.NAdam, {}, stepwise(P.nadam_report, **ADAM, epsilon=1e-8, mu=dozat(1 / 250))),
}


@pytest.mark.parametrize("name", TORCH)
def test_a_reference_is_what_torch_does(name):
    kind, settings, reference = TORCH[name]
    got = reference(records.problem()["start"]["w"], list(records.problem()["gradients"]["w"][:STEPS]), STEPS)
    loose = 1e-5 if kind is torch.optim.NAdam else 1e-11  # torch keeps the product of momenta in float32
    wanted = torchs(kind, **{"lr": LR, **settings})
    records.assert_same(got, wanted, records.problem()["start"]["w"], rtol=loose)


def test_torchs_nesterov_is_the_lectures_point_of_view():
    curvature, x = records.problem()["curvature"]["w"], records.problem()["start"]["w"]
    _, ahead = papers.nesterov_lecture(x, lambda at: curvature * at, STEPS, alpha=LR, rho=0.9)
    param = torch.nn.Parameter(x.clone())
    optimizer = torch.optim.SGD([param], lr=LR, momentum=0.9, nesterov=True)
    for _ in range(STEPS):
        param.grad = curvature * param.detach()
        optimizer.step()
    records.assert_same(ahead, param.detach(), x, rtol=1e-11)


def test_adafactor_of_optax_counts_in_float32():
    case = golden("optax", "adafactor", **SMALL)
    for got, wanted, begin in ends(case, stepwise(adafactor, rho=lambda t: LR)):
        records.assert_same(got, wanted, begin, rtol=1e-5)


@pytest.mark.parametrize("bound", ["adabound", "amsbound"])
def test_adabound(bound):
    case = next(c for c in records.cases("kozistr", rule=bound) if "weight_decay" not in c.settings)
    reference = stepwise(
        papers.adabound_of_the_authors,
        **{"lr": LR, "final_lr": 0.1, **BETAS, "gamma": 1e-3, "eps": 1e-8, "inside": 1e-15},
        largest=bound == "amsbound",
    )
    for got, wanted, begin in ends(case, reference):
        records.assert_same(got, wanted, begin, rtol=1e-11)


def test_adabound_between_equal_bounds_is_an_averaged_momentum():
    """With both bounds k the paper's rule is x <- x - k m / sqrt(t)."""
    x, grads = records.problem()["start"]["w"], records.problem()["gradients"]["w"][:STEPS]
    got = papers.adabound(x, grads, **ADAM, lower=lambda t: 0.1, upper=lambda t: 0.1)
    scaled = [0.1 / math.sqrt(t) for t in range(1, STEPS + 1)]
    m, wanted = 0 * x, x
    for g, rate in zip(grads, scaled, strict=True):
        m = 0.9 * m + 0.1 * g
        wanted = wanted - rate * m
    records.assert_same(got, wanted, x)
    free = papers.adabound(x, grads, **ADAM, lower=lambda t: 0.0, upper=lambda t: math.inf, largest=True)
    first = papers.adabound(x, grads[:1], **ADAM, lower=lambda t: 0.0, upper=lambda t: math.inf, largest=True)
    records.assert_same(first, papers.amsgrad(x, grads[:1], **ADAM), x)
    assert records.relative(free, papers.amsgrad(x, grads, **ADAM), x) > 0.1


@pytest.mark.parametrize("case", records.cases("schedulefree", rule="schedule-free-sgd"), ids=str)
def test_schedule_free_sgd(case):
    told = dict(case.settings)
    gamma = case.rate if case.rates else LR
    settings = {"beta": told.get("momentum", 0.9), "lam": told.get("weight_decay", 0.0)}
    settings |= {"warmup": told.get("warmup_steps", 0), "r": told.get("r", 0), "power": told.get("weight_lr_power", 2)}
    both_sequences(case, lambda x, grads: papers.schedule_free_sgd(x, grads, gamma=gamma, **settings))


@pytest.mark.parametrize("rule", ["schedule-free-adamw", "schedule-free-adamw-paper"])
def test_schedule_free_adamw(rule):
    reference = (
        papers.schedule_free_adamw_of_the_authors if rule == "schedule-free-adamw" else papers.schedule_free_adamw
    )
    for case in records.cases("schedulefree", rule=rule):
        told = case.settings
        beta1, beta2 = told.get("betas", [0.9, 0.999])
        settings = {"beta1": beta1, "beta2": beta2, "epsilon": told.get("eps", 1e-8)}
        settings |= {"lam": told.get("weight_decay", 0.0), "warmup": told.get("warmup_steps", 0)}
        settings |= {"gamma": case.rate if case.rates else LR}
        both_sequences(case, lambda x, grads, settings=settings: reference(x, grads, **settings))


def both_sequences(case, reference):
    for step in case.path:
        for name, begin in case.start().items():
            x, y, _ = reference(begin, case.grads(name, step))
            records.assert_same(y, case.path[step][name], begin, rtol=1e-10)
            records.assert_same(x, case.evaluated[step][name], begin, rtol=1e-10)


def test_the_schedule_free_average_weighs_by_squared_rates():
    """Constant rates: x is the plain mean of z_1 ... z_t. That is what the recursion means."""
    x1, grads = records.problem()["start"]["w"], records.problem()["gradients"]["w"]
    zs = [papers.schedule_free_sgd(x1, grads[:t], gamma=LR, beta=0.9)[2] for t in range(1, 11)]
    x, _, _ = papers.schedule_free_sgd(x1, grads[:10], gamma=LR, beta=0.9)
    records.assert_same(x, sum(zs) / 10, x1, rtol=1e-11)


@pytest.mark.parametrize("case", records.cases(rule="prodigy"), ids=lambda c: f"{c.library} {c.settings}")
def test_prodigy(case):
    told = {"d0": 1e-6, **case.settings}
    ours = {"lr": 1.0, "betas": (0.9, 0.999), "beta3": None, "eps": 1e-8, "lam": 0.0, "d_coef": 1.0}
    ours |= {"growth_rate": math.inf, "corrected": case.library == "optax", "safeguarded": False, "coupled": False}
    names = {"weight_decay": "lam", "use_bias_correction": "corrected", "safeguard_warmup": "safeguarded"}
    names |= {"estim_lr0": "d0", "estim_lr_coef": "d_coef"}
    for key, value in told.items():
        ours |= {"coupled": not value} if key == "decouple" else {names.get(key, key): value}
    start = vector(case.start())
    for step in case.path:
        got, _ = papers.prodigy_of_the_authors(start, bowl(case), step, **ours)
        records.assert_same(got, vector(case.path[step]), start, rtol=1e-9)


def test_prodigy_of_the_paper():
    """With almost no epsilon the paper and its package are one: the constants they drop cancel."""
    case = next(c for c in records.cases("prodigyopt") if c.settings == {"d0": 1e-2, "eps": 1e-30, "lr": 0.5})
    start = vector(case.start())
    for step in case.path:
        got, d = papers.prodigy(start, bowl(case), step, d0=1e-2, gamma=0.5, **BETAS, epsilon=1e-30)
        records.assert_same(got, vector(case.path[step]), start, rtol=1e-9)
    assert d > 10 * 1e-2


@pytest.mark.parametrize(("library", "rtol"), [("optax", 1e-11), ("kozistr", 1e-6)])  # the latter's norm is float32
def test_sam(library, rtol):
    for case in records.cases(library, rule="sam"):
        start = vector(case.start())
        for step in case.path:
            got = papers.sam(start, bowl(case), step, eta=LR, rho=case.settings["rho"])
            records.assert_same(got, vector(case.path[step]), start, rtol=rtol)


def test_clip_by_the_norm_of_everything():
    for case in records.cases(rule="clip-norm"):
        x = start = vector(case.start())
        for step in range(1, STEPS + 1):
            g = vector({name: case.gradient(name, None, step) for name in case.params})
            x = x - LR * papers.clip_by_norm(g, threshold=1.0)
        records.assert_same(x, vector(case.path[STEPS]), start, rtol=1e-11)


def test_averages_of_weights():
    case = golden("optax", "ema", decay=0.9, debias=True)
    for name, begin in case.start().items():
        path = [begin - LR * sum(case.grads(name, t)) for t in range(1, STEPS + 1)]
        for step in case.evaluated:
            got = papers.ema_corrected(path[:step], decay=0.9)
            torch.testing.assert_close(got, case.evaluated[step][name], rtol=1e-12, atol=1e-15)
        got = papers.swa(begin, path, c=5)
        torch.testing.assert_close(got, (begin + path[4] + path[9] + path[14] + path[19]) / 5, rtol=1e-12, atol=1e-15)


def test_noise_is_that_of_the_paper():
    assert papers.noise_variance(0, eta=0.3, gamma=0.55) == 0.3
    assert papers.noise_variance(1, eta=0.3, gamma=0.55) == pytest.approx(0.3 * 0.683020128377198, rel=1e-12)


def test_newton_schulz_bends_singular_values_only():
    for name in MATRIX:
        g = records.problem()["gradients"][name][0]
        got = papers.newton_schulz5(g)
        torch.testing.assert_close(got, papers.newton_schulz5_of_singular_values(g), rtol=0, atol=1e-11)
        polar = papers.polar_factor(g)
        gram = polar.T @ polar if g.shape[0] > g.shape[1] else polar @ polar.T
        torch.testing.assert_close(gram, torch.eye(min(g.shape), dtype=g.dtype), rtol=0, atol=1e-12)
        assert (g * polar).sum() == pytest.approx(float(torch.linalg.svdvals(g).sum()), rel=1e-12)
        assert (got * polar).sum() > 0.3 * min(g.shape)


def test_muon():
    """Keras (float32 in places) scales by the larger side, optax by the other side; torch rounds to bfloat16."""
    case = golden("keras", "muon", rms_rate=None, nesterov=False, weight_decay=None)
    reference = stepwise(papers.muon, eta=LR, mu=0.95, nesterov=False)
    for got, wanted, begin in ends(case, reference, ("wide",)):
        assert records.relative(got, wanted, begin) < 1e-7
    case = golden("keras", "muon")
    for step in case.path:
        begin = case.start()["wide"]
        scale = 0.2 * math.sqrt(6)
        got = papers.muon(begin, case.grads("wide", step), eta=LR * scale, mu=0.95, lam=0.004 / scale)
        assert records.relative(got, case.path[step]["wide"], begin) < 1e-7
    case = golden("optax", "muon", nesterov=False, beta=0.8)
    turned = lambda x, grads, step: papers.muon(x.T, [g.T for g in grads], eta=LR, mu=0.8, nesterov=False).T  # noqa: E731
    for got, wanted, begin in ends(case, turned, MATRIX):
        records.assert_same(got, wanted, begin, rtol=1e-6)
    for name in MATRIX:
        start, grads = records.problem()["start"][name], records.problem()["gradients"][name][:STEPS]
        wanted = torchs(torch.optim.Muon, name, lr=LR, weight_decay=0.1)
        got = papers.muon(start, grads, eta=LR, mu=0.95, lam=0.1)
        assert 1e-4 < records.relative(got, wanted, start) < 0.1


@pytest.mark.parametrize("case", records.cases("kozistr", rule="soap"), ids=lambda c: str(c.settings))
def test_soap(case):
    told = {
        "betas": [0.95, 0.95],
        "shampoo_beta": None,
        "eps": 1e-8,
        "weight_decay": 0.01,
        "precondition_frequency": 10,
    }
    told |= case.settings
    settings = {"lr": LR, "betas": told["betas"], "shampoo_beta": told["shampoo_beta"] or told["betas"][1]}
    settings |= {"eps": told["eps"], "lam": told["weight_decay"], "frequency": told["precondition_frequency"]}
    for got, wanted, begin in ends(
        case, stepwise(papers.soap_of_the_authors, **settings, qr=torch.float32), ("square",)
    ):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5 * float((wanted - begin).abs().max()))
    single = {key: settings[key] for key in ("lr", "betas", "eps", "lam")}
    for got, wanted, begin in ends(case, stepwise(papers.soap_vector_of_the_authors, **single), ("b",)):
        records.assert_same(got, wanted, begin, rtol=1e-11)


def test_soap_as_printed_is_adam_in_its_own_basis():
    """Diagonal gradients have the axes for eigenvectors: what is left is Adam without corrections, one step late."""
    w = records.problem()["start"]["w"][:4, :4]
    sizes = torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=w.dtype)
    grads = [(sizes * (1 + 0.1 * g[0, :4].sign())).diag() for g in records.problem()["gradients"]["w"][:STEPS]]
    got = papers.soap(w, grads, eta=LR, beta1=0.9, beta2=0.95, epsilon=1e-30, f=3)
    diagonals = [g.diag() for g in grads[1:]]
    wanted = papers.adam_as_on_the_slides(w.diag(), diagonals, alpha=LR, beta1=0.9, beta2=0.95, epsilon=0.0)
    torch.testing.assert_close(got.diag(), wanted, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(got - got.diag().diag(), w - w.diag().diag(), rtol=1e-10, atol=1e-12)
    w, grads = records.problem()["start"]["square"], records.problem()["gradients"]["square"]
    for count, turned in [(4, False), (5, True)]:  # the basis of the third step is the first to serve the fourth
        paths = [papers.soap(w, grads[:count], eta=LR, **BETAS, epsilon=1e-8, f=f) for f in (3, 100)]
        assert (records.relative(*paths, w) > 1e-3) is turned


def test_newton_ends_a_bowl_at_once_and_flees_no_saddle():
    matrix = torch.tensor([[2.0, 0.5], [0.5, -1.0]], dtype=torch.float64)
    theta = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def gradient(x):
        return matrix @ x

    def hessian(x):
        return matrix

    assert papers.newton(theta, gradient, hessian, 1).norm() < 1e-12
    eigenvalues, q = torch.linalg.eigh(matrix)
    away = q.T @ papers.saddle_free_newton(theta, gradient, hessian, 3)
    begin = q.T @ theta
    assert eigenvalues[0] < 0 < eigenvalues[1]
    torch.testing.assert_close(away, torch.stack([8 * begin[0], 0 * begin[1]]), rtol=1e-12, atol=1e-12)
    bowl_matrix = matrix @ matrix.T
    for damping in (0.0, 0.3):
        both = [
            kind(theta, lambda x: bowl_matrix @ x, lambda x: bowl_matrix, 2, eta=0.5, damping=damping)
            for kind in (papers.newton, papers.saddle_free_newton)
        ]
        torch.testing.assert_close(*both, rtol=1e-12, atol=1e-12)


T = torch.optim
DECAY = {"weight_decay": 0.1}
MUCH = {"momentum": 0.9, "nesterov": True, **DECAY}
APART = {
    "adam, keras": (("keras", "adam", {}), T.Adam, {}, 0.0008),
    "adam, keras, large eps": (("keras", "adam", {"epsilon": 1e-3, **DECAY}), T.AdamW, {"eps": 1e-3, **DECAY}, 0.5),
    "amsgrad, optax": (("optax", "amsgrad", {}), T.Adam, {"amsgrad": True}, 0.18),
    "rmsprop, optax": (("optax", "rmsprop", {}), T.RMSprop, {"alpha": 0.9}, 0.042),
    "rmsprop, optax, large eps": (("optax", "rmsprop", {"eps": 1e-3}), T.RMSprop, {"alpha": 0.9, "eps": 1e-3}, 0.6),
    "rmsprop, keras, defaults": (("keras", "rmsprop", {}), T.RMSprop, {}, 0.67),
    "adagrad, optax, defaults": (("optax", "adagrad", {}), T.Adagrad, {}, 0.87),
    "adagrad, keras, defaults": (("keras", "adagrad", {}), T.Adagrad, {}, 0.87),
    "nadam, optax": (("optax", "nadam", {}), T.NAdam, {}, 0.42),
    "nadam, keras": (("keras", "nadam", {}), T.NAdam, {}, 0.079),
    "sgd, keras, decay": (("keras", "sgd", MUCH), T.SGD, MUCH, 0.16),
    "adam, keras, decay": (("keras", "adam", {"epsilon": 1e-3, **DECAY}), T.Adam, {"eps": 1e-3, **DECAY}, 1.08),
    "adafactor, keras": (("keras", "adafactor", {}), T.Adafactor, {}, 1e-7),
    "adafactor, optax, not factored": (("optax", "adafactor", {}), T.Adafactor, {}, 0.37),
}
"""What to compare, and the largest deviation at step 20 over the largest way: our research's table, on this problem."""


@pytest.mark.parametrize("name", APART)
def test_where_names_agree_and_rules_do_not(name):
    """The known deviations stay about as large as they were measured: nobody's convention changed unnoticed."""
    (library, rule, settings), kind, torch_settings, known = APART[name]
    case = golden(library, rule, **settings)
    wanted = torchs(kind, lr=LR, **torch_settings)
    assert 0.5 * known < records.relative(case.path[STEPS]["w"], wanted, case.start()["w"]) < 2 * known


def test_optax_and_keras_multiply_the_rate_in_where_torch_does_not():
    """A falling rate shows it: keras' momentum holds rates, optax's trace of SGD does not, that of RMSprop does."""
    start = records.problem()["start"]["w"]
    polyak = papers.momentum_polyak(start, records.problem()["gradients"]["w"][:STEPS], epsilons=DROPPED, mu=0.9)
    records.assert_same(with_drop("keras", "sgd", momentum=0.9).path[STEPS]["w"], polyak, start, rtol=1e-11)
    assert records.relative(with_drop("optax", "sgd", momentum=0.9).path[STEPS]["w"], polyak, start) > 0.01
    for library, eps in [("optax", 1e-8), ("keras", 1e-7)]:
        theta, v, buf = start, 0, 0
        for g, rate in zip(records.problem()["gradients"]["w"], DROPPED, strict=False):
            v = 0.9 * v + 0.1 * g * g
            buf = 0.9 * buf + rate * g / (v + eps).sqrt()
            theta = theta - buf
        records.assert_same(with_drop(library, "rmsprop", momentum=0.9).path[STEPS]["w"], theta, start, rtol=1e-11)


def test_a_case_is_found_or_refused():
    assert len(records.cases()) > 160 and records.LIBRARIES == (
        "keras",
        "kozistr",
        "lion",
        "optax",
        "prodigyopt",
        "schedulefree",
    )
    with pytest.raises(AssertionError, match="no golden case"):
        records.cases("optax", rule="no such rule")
    with pytest.raises(AssertionError, match="cases"):
        records.one("optax", "adam", eps=77)
    assert all(torch.isfinite(v).all() for c in records.cases() for at in c.path.values() for v in at.values())


def test_the_problem_is_that_of_the_rule_tests():
    scales = torch.logspace(-3, 2, 35, dtype=torch.float64).reshape(7, 5)
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(7, 5, generator=generator, dtype=torch.float64) * scales for _ in range(40)]
    torch.testing.assert_close(records.problem()["gradients"]["w"], torch.stack(drawn), rtol=1e-14, atol=0)
    begin = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(records.problem()["start"]["w"], begin, rtol=1e-14, atol=0)
