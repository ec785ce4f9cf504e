"""What every rule of the catalogue owes: pure, memory and precision kept, members and parameters apart."""

import dataclasses
import doctest
import importlib
import itertools
import pkgutil
import typing

import pytest
import torch

import thalweg.rules
from thalweg.core import UsageError, from_plain, knobs, read_component, to_plain
from thalweg.rules import RULES, SGD, Adam, AdamW, Around, Place, RMSProp, fit, layout_flat, take_step


def default(kind, **changes):
    """Return a rule with its defaults; one around another holds SGD with momentum."""
    held = {"rule": SGD(momentum=0.9)} if issubclass(kind, Around) else {}
    return kind(**held, **changes)


VARIANTS = {
    **{name: default(rule) for name, rule in RULES.items()},
    "sgd momentum": SGD(momentum=0.9),
    "sgd nesterov decay": SGD(momentum=0.9, nesterov=True, weight_decay=0.1),
    "sgd average": SGD(momentum=0.9, velocity="average"),
    "sgd average nesterov": SGD(momentum=0.9, velocity="average", nesterov=True),
    "sgd dampened": SGD(momentum=0.9, dampening=0.5),
    "rmsprop decay": RMSProp(weight_decay=0.1),
    "adam uncorrected decay": Adam(bias_correction=False, weight_decay=0.1),
    "adamw heavy": AdamW(weight_decay=0.5),
    **{
        text: read_component(RULES, text, "rule")
        for text in (
            "adabound(amsbound=true)", "sam(adaptive=true, rule=adam)",
            "adamw+clip-norm(clip_norm=0.5)+clip-value(clip_value=0.1)", "adam+sam+ema", "sgd+gradient-noise+lookahead",
            "lion+ema(start=first)", "muon+clip-norm", "adamw+swa(swa_start=1)", "newton+clip-norm",
            "sgd(momentum=0.9, nesterov=true, weight_decay=0.1, convention=keras)", "adam+clip-norm(each=true)",
            "rmsprop(momentum=0.9, centered=true, weight_decay=0.1, convention=keras)",
            "sgd(momentum=0.9, convention=paper)",
            "adagrad(lr_decay=0.1, initial_accumulator_value=0.5)", "nadam(momentum_decay=0.1, weight_decay=0.1)",
        )
    },
}  # fmt: skip
for kind in RULES.values():  # every convention of every rule that makes a chain of its own
    hint = next((f.type for f in dataclasses.fields(kind) if f.name == "convention"), "")
    for convention in typing.get_args(hint):
        again = default(kind, convention=convention)
        if all(again.chain() != known.chain() for known in VARIANTS.values() if type(known) is kind):
            VARIANTS[f"{kind.name} {convention}"] = again
GLOBAL = ("ClipNorm", "SAM", "Prodigy", "Newton", "SaddleFreeNewton")
"""Rules in which every parameter has a say in the steps of the others."""
SHAPES = {"w": (4, 3), "v": (3, 3), "b": (3,), "scalar": ()}
ROOT = torch.randn(30, 30, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
LAYOUT = {"w": Place("matrix"), "v": Place("head"), "b": Place("bias"), "scalar": Place("vector")}


def names_of(rule):
    """Yield the classes of a rule and of those that it holds."""
    while rule is not None:
        yield type(rule).__name__
        rule = getattr(rule, "rule", None)


def is_local(rule):
    return not set(names_of(rule)) & set(GLOBAL)


def hyper_names(rule):
    """Yield the knobs of a rule and of those that it holds, by name."""
    found = {}
    while rule is not None:
        found |= {name: knob for name, knob in knobs(type(rule)).items() if name in rule.hyper()}
        rule = getattr(rule, "rule", None)
    return found


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def rule(request):
    return request.param


def draw(seed, dtype=torch.float64, lead=()):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn((*lead, *s), generator=generator, dtype=dtype) for n, s in SHAPES.items()}


def curvature(params):
    """Return a symmetric positive matrix over all parameters end to end."""
    count = sum(tensor.numel() for tensor in params.values())
    dtype = next(iter(params.values())).dtype
    root = ROOT[:count, :count].to(dtype)
    return root @ root.T / count + torch.eye(count, dtype=dtype)


def update(fitted, grad, state, params, hyper, step):
    """Return what `Rule.update` does, with the Hessian put in where the rule asks for one and taken out again."""
    if fitted.needs_hessian:
        state = {**state, "hessian": {"all": curvature(params)}}
    change, state = fitted.update(grad, state, params, hyper, step)
    return change, {slot: content for slot, content in state.items() if slot != "hessian"}


def walk(rule, params, grads, state=None, *, hyper=None, first=0, layout=None):
    """Follow a list of gradients; return parameters and memory."""
    fitted = fit(rule, layout)
    state = fitted.init(params) if state is None else state
    hyper = hyper or rule.hyper()
    for step, grad in enumerate(grads, first):
        change, state = update(fitted, grad, state, params, hyper, step)
        params = {name: params[name] + change[name] for name in params}
    return params, state


def same(left, right):
    """Compare bit for bit, names and their order included."""
    assert list(left) == list(right)
    for name in left:
        if isinstance(left[name], dict):
            same(left[name], right[name])
        else:
            torch.testing.assert_close(left[name], right[name], rtol=0, atol=0, equal_nan=True)


def copy(tree):
    return {n: copy(v) if isinstance(v, dict) else v.clone() for n, v in tree.items()}


def test_update_is_pure_and_repeats(rule):
    params, state = walk(rule, draw(0), [draw(1), draw(2)])
    grads, hyper, fitted = draw(3), rule.hyper(), fit(rule)
    before = copy(params), copy(state), copy(grads), dict(hyper)
    first = update(fitted, grads, state, params, hyper, 2)
    same(before[0], params)
    same(before[1], state)
    same(before[2], grads)
    assert before[3] == hyper
    second = update(fitted, grads, state, params, hyper, 2)
    same(first[0], second[0])
    same(first[1], second[1])


def test_memory_keeps_no_input(rule):
    params, grads, fitted = draw(0), draw(1), fit(rule)
    change, state = update(fitted, grads, fitted.init(params), params, rule.hyper(), 0)
    kept = copy(change), copy(state)
    for tensor in itertools.chain(grads.values(), params.values()):
        tensor.fill_(7.0)
    same(kept[0], change)
    same(kept[1], state)


def test_slots_stay_the_same(rule):
    """Names, shapes and precision, over steps; a slot is of parameters by their names, or of numbers of the whole."""

    def form(state):
        return {slot: {n: (t.shape, t.dtype) for n, t in content.items()} for slot, content in state.items()}

    params = draw(0)
    empty = fit(rule).init(params)
    assert all(set(content) <= {*params, "all"} for content in empty.values())
    _, state = walk(rule, params, [draw(1), draw(2), draw(3)])
    assert form(empty) == form(state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_kept(rule, dtype):
    params, state = walk(rule, draw(0, dtype), [draw(1, dtype), draw(2, dtype)])
    tensors = [*params.values(), *(t for content in state.values() for t in content.values())]
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {dtype}


def test_precision_is_kept_with_a_tensor_step(rule):
    params, fitted = draw(0, torch.float32), fit(rule)
    step = torch.tensor(0)
    change, state = update(fitted, draw(1, torch.float32), fitted.init(params), params, rule.hyper(), step)
    tensors = [*change.values(), *(t for content in state.values() for t in content.values())]
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float32}


def test_nan_stays_in_its_parameter(rule):
    params = draw(0)
    sick = draw(1)
    sick["b"] = torch.full_like(sick["b"], torch.nan)
    ended, state = walk(rule, params, [sick, draw(2)])
    assert ended["b"].isnan().all()
    if not is_local(rule):
        return
    healthy, memory = walk(rule, params, [draw(1), draw(2)])
    others = ("w", "v", "scalar")
    same({n: ended[n] for n in others}, {n: healthy[n] for n in others})
    for slot in state:
        if "w" in state[slot]:
            same({"w": state[slot]["w"]}, {"w": memory[slot]["w"]})


def test_resumed_is_uninterrupted(rule):
    grads = [draw(k) for k in range(1, 9)]
    whole = walk(rule, draw(0), grads)
    half = walk(rule, draw(0), grads[:3])
    resumed = walk(rule, copy(half[0]), grads[3:], copy(half[1]), first=3)
    same(whole[0], resumed[0])
    same(whole[1], resumed[1])


def test_flat_is_per_parameter(rule):
    if not fit(rule).flat:
        assert any(not link.flat for link in rule.chain()) or fit(rule).needs_hessian
        return

    def flat(tree):
        return {"flat": torch.cat([tensor.reshape(-1) for tensor in tree.values()])} if set(tree) != {"all"} else tree

    grads = [draw(k) for k in range(1, 6)]
    params, state = walk(rule, draw(0), grads)
    one, memory = walk(rule, flat(draw(0)), [flat(grad) for grad in grads])
    exact = {"rtol": 0, "atol": 0} if is_local(rule) else {"rtol": 1e-12, "atol": 1e-13}
    torch.testing.assert_close(flat(params), one, **exact)
    torch.testing.assert_close({slot: flat(content) for slot, content in state.items()}, memory, **exact)


@pytest.mark.parametrize("shares", [{"lr": 0.5}, {"weight_decay": 0.0}, {"lr": 0.0}])
def test_shares_of_rate_and_decay(rule, shares):
    """A share of the rate is a smaller rate for that parameter, flat or not; a share of zero leaves it where it is."""
    layout = {**LAYOUT, "w": dataclasses.replace(LAYOUT["w"], **shares)}
    params, grads = draw(0), [draw(1), draw(2), draw(3)]
    ended, _ = walk(rule, params, grads, layout=layout)
    usual, _ = walk(rule, params, grads, layout=LAYOUT)
    if shares == {"lr": 0.0}:
        torch.testing.assert_close(ended["w"], params["w"], rtol=1e-14, atol=1e-15)
    elif "lr" in shares:
        assert not torch.equal(ended["w"], usual["w"])
    if is_local(rule):
        same({"b": ended["b"], "v": ended["v"]}, {"b": usual["b"], "v": usual["v"]})
    if fit(rule).flat:
        flat = {"flat": torch.cat([t.reshape(-1) for t in params.values()])}
        steps = [{"flat": torch.cat([t.reshape(-1) for t in grad.values()])} for grad in grads]
        one, _ = walk(rule, flat, steps, layout=layout_flat(layout, params))
        each = torch.cat([t.reshape(-1) for t in ended.values()])
        torch.testing.assert_close(one["flat"], each, rtol=1e-12, atol=1e-13)


def test_judged_weights_are_finite_and_pure(rule):
    params, state = walk(rule, draw(0), [draw(1), draw(2), draw(3)])
    before, fitted = (copy(params), copy(state)), fit(rule)
    judged = fitted.evaluation(params, state, rule.hyper())
    same(before[0], params)
    same(before[1], state)
    assert list(judged) == list(params) and all(tensor.isfinite().all() for tensor in judged.values())
    assert {n: t.shape for n, t in judged.items()} == {n: t.shape for n, t in params.items()}
    moved = any(not torch.equal(judged[n], params[n]) for n in params)
    assert moved == fitted.is_judged_elsewhere
    fresh = fitted.evaluation(draw(0), fitted.init(draw(0)), rule.hyper())
    torch.testing.assert_close(fresh, draw(0), rtol=1e-12, atol=1e-14)  # before any step there is only the start


def test_loss_falls_on_a_quadratic(rule):
    sharpness = torch.tensor([[1.0, 3.0], [10.0, 2.0]], dtype=torch.float64)

    def find(params):
        return (sharpness * params["x"] ** 2).sum() / 2, {"x": sharpness * params["x"]}

    for lr in (0.01, 0.001, 0.1, 1.0):  # rates differ by what the step is made of
        fitted, params = fit(rule), {"x": torch.ones(2, 2, dtype=torch.float64)}
        state, hyper, losses = fitted.init(params), {**rule.hyper(), "lr": lr}, []
        hyper |= {name: 0.0 for name in ("weight_decay",) if name in hyper}
        for step in range(60):
            params, state, loss, _ = take_step(fitted, find, params, state, hyper=hyper, step=step)
            losses.append(float(loss))
        if losses[-1] < 0.7 * losses[0]:
            return
    raise AssertionError(f"{rule} does not get down: {losses[0]} to {losses[-1]}")


def test_hyper_are_the_knobs(rule):
    assert set(rule.hyper()) == set(hyper_names(rule))
    assert all(type(value) is float for value in rule.hyper().values())


def test_plain_and_back(rule):
    assert from_plain(RULES, to_plain(rule), "rule") == rule


@pytest.mark.parametrize("name", RULES)
def test_each_number_has_a_knob_and_defaults_obey_it(name):
    for field, knob in knobs(RULES[name]).items():
        assert knob.meaning and knob.low < knob.high and knob.allows(knob.low) and knob.allows(knob.high), field
    unbounded = [
        f.name for f in dataclasses.fields(RULES[name])
        if str(f.type) in ("float", "int", "float | None", "int | None", "<class 'float'>", "<class 'int'>")
    ]  # fmt: skip
    assert unbounded == []


@pytest.mark.parametrize("name", RULES)
def test_a_rate_that_is_none_is_refused(name):
    if issubclass(RULES[name], Around):
        return  # its rate is that of the rule inside
    for lr in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError) as error:
            RULES[name](lr=lr)
        assert str(error.value) == f"`{RULES[name].__name__}(lr=...)` must lie in (0, inf), got {lr!r}."


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(thalweg.rules.__path__)])
def test_doctests(module):
    found = doctest.testmod(importlib.import_module(f"thalweg.rules.{module}"))
    assert found.failed == 0


# Members: hyperparameters as tensors of shape (P,), the parameters stacked.

MEMBERS = 4


def spread(rule):
    """Return P values of each hyperparameter, inside of its useful range; whole numbers from 1 to 4."""
    found = {}
    for name, knob in hyper_names(rule).items():
        whole = "int" in str(next(f.type for k in kinds_of(rule) for f in dataclasses.fields(k) if f.name == name))
        low = 1 if whole else max(knob.low, 1e-6 if knob.log else knob.low)
        high = MEMBERS if whole else min(knob.high, 0.1 if name == "lr" else knob.high)
        found[name] = torch.linspace(low, high, MEMBERS, dtype=torch.float64)
    return found


def kinds_of(rule):
    while rule is not None:
        yield type(rule)
        rule = getattr(rule, "rule", None)


def varied_numbers(rule):
    """Return what a population of this rule may vary: numbers whose slot or link its chain has."""
    many = spread(rule)
    for name in ("momentum", "dampening"):
        if not rule.hyper().get(name):
            many.pop(name, None)
    return many


def assert_population_is_the_loop(rule, many, *, steps=7, tensor_step=False, layout=None):
    fixed = {n: v for n, v in rule.hyper().items() if n not in many}
    params = draw(0, lead=(MEMBERS,))
    grads = [draw(k, lead=(MEMBERS,)) for k in range(1, steps + 1)]
    fitted = fit(rule, layout)
    state = torch.func.vmap(fitted.init)(params)

    def one_step(grad, state, params, hyper, step):
        return update(fitted, grad, state, params, {**fixed, **hyper}, step)

    stacked = params
    for k, grad in enumerate(grads):
        step = torch.tensor(k) if tensor_step else k
        change, state = torch.func.vmap(one_step, in_dims=(0, 0, 0, 0, None))(grad, state, stacked, many, step)
        stacked = {n: stacked[n] + change[n] for n in stacked}
    for m in range(MEMBERS):
        hyper = {**fixed, **{n: float(values[m]) for n, values in many.items()}}
        own = [{n: t[m] for n, t in g.items()} for g in grads]
        alone, memory = walk(rule, {n: t[m] for n, t in params.items()}, own, hyper=hyper, layout=layout)
        near = {"rtol": 1e-9, "atol": 1e-11}  # eigenvectors and their kind round differently in a batch
        for n in alone:
            torch.testing.assert_close(stacked[n][m], alone[n], **near)
        for slot, content in memory.items():
            for n, tensor in content.items():
                if slot not in ("basis", "left", "right"):
                    torch.testing.assert_close(state[slot][n][m], tensor, **near)


@pytest.mark.parametrize("tensor_step", [False, True])
@pytest.mark.parametrize("varied", ["all", "lr"])
def test_population_is_the_loop_over_members(rule, varied, tensor_step):
    many = varied_numbers(rule)
    many = {"lr": many["lr"]} if varied == "lr" else many
    assert_population_is_the_loop(rule, many, tensor_step=tensor_step)


def test_population_keeps_the_shares_of_a_layout(rule):
    layout = {**LAYOUT, "w": Place("matrix", lr=0.5), "b": Place("bias", weight_decay=0.0)}
    assert_population_is_the_loop(rule, varied_numbers(rule), steps=3, layout=layout)


def test_a_population_in_float32_stays_in_float32(rule):
    many = {n: torch.full((MEMBERS,), v, dtype=torch.float64) for n, v in rule.hyper().items()}
    params, grads, fitted = draw(0, torch.float32, (MEMBERS,)), draw(1, torch.float32, (MEMBERS,)), fit(rule)
    state = torch.func.vmap(fitted.init)(params)
    change, state = torch.func.vmap(lambda g, s, p, h: update(fitted, g, s, p, h, 0))(grads, state, params, many)
    kinds = {t.dtype for content in [change, *state.values()] for t in content.values() if t.is_floating_point()}
    assert kinds == {torch.float32}
    grad, param = ({n: t[0] for n, t in named.items()} for named in (grads, params))
    alone, _ = update(fitted, grad, fitted.init(param), param, rule.hyper(), 0)
    torch.testing.assert_close(change["w"][0], alone["w"], rtol=2e-5, atol=1e-7)


def test_a_sick_member_leaves_the_others_alone(rule):
    params, grads, fitted = draw(0, lead=(MEMBERS,)), draw(1, lead=(MEMBERS,)), fit(rule)
    sick = {n: t.clone() for n, t in grads.items()}
    for tensor in sick.values():
        tensor[2] = torch.nan
    state = torch.func.vmap(fitted.init)(params)
    step = torch.func.vmap(lambda g, s, p: update(fitted, g, s, p, rule.hyper(), 0))
    change, _ = step(sick, state, params)
    healthy, _ = step(grads, state, params)
    others = [0, 1, 3]
    torch.testing.assert_close(
        {n: t[others] for n, t in change.items()}, {n: t[others] for n, t in healthy.items()}, rtol=1e-12, atol=1e-14
    )
    assert change["w"][2].isnan().all()


def test_a_contradiction_is_refused():
    with pytest.raises(UsageError, match=r"`SGD\(nesterov=True\)` needs a momentum above 0, got 0.0. Set momentum"):
        SGD(nesterov=True)
    with pytest.raises(UsageError, match=r"Unknown value of SGD\(velocity=...\) 'averag': did you mean 'average'\?"):
        SGD(velocity="averag")
    with pytest.raises(
        UsageError, match=r"must hold a rule without judged weights, got 'schedule-free-sgd'\. Leave one"
    ):
        read_component(RULES, "schedule-free-sgd+ema", "rule")
    with pytest.raises(UsageError, match=r"`Lookahead\(rule=...\)` must hold a rule without judged weights, got 'ema'"):
        read_component(RULES, "sgd+ema+lookahead", "rule")
    with pytest.raises(UsageError, match=r"`ClipNorm\(clip_norm=...\)` is set in the rule that it holds too"):
        read_component(RULES, "sgd+clip-norm+clip-norm", "rule").hyper()
