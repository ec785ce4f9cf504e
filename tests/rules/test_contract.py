"""What every rule of the catalogue owes: pure, memory and precision kept, members and parameters apart."""

import dataclasses
import itertools

import pytest
import torch

from thalweg.core import UsageError, knobs
from thalweg.rules import RULES, SGD, Adam, AdamW, Around, RMSProp


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
    "rmsprop decay": RMSProp(weight_decay=0.1),
    "adam uncorrected decay": Adam(bias_correction=False, weight_decay=0.1),
    "adamw heavy": AdamW(weight_decay=0.5),
}
SHAPES = {"w": (4, 3), "b": (3,), "scalar": ()}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def rule(request):
    return request.param


def draw(seed, dtype=torch.float64, lead=()):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn((*lead, *s), generator=generator, dtype=dtype) for n, s in SHAPES.items()}


def walk(rule, params, grads, state=None, *, hyper=None, first=0):
    """Follow a list of gradients; return parameters and memory."""
    state = rule.init(params) if state is None else state
    hyper = hyper or rule.hyper()
    for step, grad in enumerate(grads, first):
        change, state = rule.update(grad, state, params, hyper, step)
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
    grads, hyper = draw(3), rule.hyper()
    before = copy(params), copy(state), copy(grads), dict(hyper)
    first = rule.update(grads, state, params, hyper, 2)
    same(before[0], params)
    same(before[1], state)
    same(before[2], grads)
    assert before[3] == hyper
    second = rule.update(grads, state, params, hyper, 2)
    same(first[0], second[0])
    same(first[1], second[1])


def test_memory_keeps_no_input(rule):
    params, grads = draw(0), draw(1)
    change, state = rule.update(grads, rule.init(params), params, rule.hyper(), 0)
    kept = copy(change), copy(state)
    for tensor in itertools.chain(grads.values(), params.values()):
        tensor.fill_(7.0)
    same(kept[0], change)
    same(kept[1], state)


def test_slots_stay_the_same(rule):
    params = draw(0)
    empty = rule.init(params)
    for content in empty.values():
        assert {n: t.shape for n, t in content.items()} == {n: t.shape for n, t in params.items()}
        assert not any(tensor.any() for tensor in content.values())
    _, state = walk(rule, params, [draw(1), draw(2), draw(3)])
    assert [list(content) for content in empty.values()] == [list(content) for content in state.values()]
    assert list(empty) == list(state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_kept(rule, dtype):
    params, state = walk(rule, draw(0, dtype), [draw(1, dtype), draw(2, dtype)])
    tensors = [*params.values(), *(t for content in state.values() for t in content.values())]
    assert {tensor.dtype for tensor in tensors} == {dtype}


def test_nan_stays_in_its_parameter(rule):
    params = draw(0)
    sick = draw(1)
    sick["b"] = torch.full_like(sick["b"], torch.nan)
    ended, state = walk(rule, params, [sick, draw(2)])
    healthy, memory = walk(rule, params, [draw(1), draw(2)])
    assert ended["b"].isnan().all()
    same({n: ended[n] for n in ("w", "scalar")}, {n: healthy[n] for n in ("w", "scalar")})
    for slot in state:
        same({"w": state[slot]["w"]}, {"w": memory[slot]["w"]})


def test_resumed_is_uninterrupted(rule):
    grads = [draw(k) for k in range(1, 9)]
    whole = walk(rule, draw(0), grads)
    half = walk(rule, draw(0), grads[:3])
    resumed = walk(rule, copy(half[0]), grads[3:], copy(half[1]), first=3)
    same(whole[0], resumed[0])
    same(whole[1], resumed[1])


def test_flat_is_per_parameter(rule):
    def flat(tree):
        return {"flat": torch.cat([tensor.reshape(-1) for tensor in tree.values()])}

    grads = [draw(k) for k in range(1, 6)]
    params, state = walk(rule, draw(0), grads)
    one, memory = walk(rule, flat(draw(0)), [flat(grad) for grad in grads])
    same(flat(params), one)
    same({slot: flat(content) for slot, content in state.items()}, memory)


def test_loss_falls_on_a_quadratic(rule):
    curvature = torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64)
    rule = dataclasses.replace(rule, lr=0.01, weight_decay=0.0)
    params, state = {"x": torch.ones(3, dtype=torch.float64)}, None
    state = rule.init(params)
    losses = []
    for step in range(60):
        losses.append(float((curvature * params["x"] ** 2).sum()) / 2)
        change, state = rule.update({"x": curvature * params["x"]}, state, params, rule.hyper(), step)
        params = {"x": params["x"] + change["x"]}
    assert losses[-1] < 0.7 * losses[0] and losses[1] < losses[0]


def test_hyper_are_the_knobs(rule):
    assert list(rule.hyper()) == list(knobs(type(rule)))
    assert all(type(value) is float for value in rule.hyper().values())


@pytest.mark.parametrize("name", RULES)
def test_each_number_has_a_knob_and_defaults_obey_it(name):
    numbers = {f.name for f in dataclasses.fields(RULES[name]) if f.type not in (bool, "bool")} - {"velocity"}
    assert numbers == set(knobs(RULES[name]))
    for knob in knobs(RULES[name]).values():
        assert knob.meaning and knob.low < knob.high and knob.allows(knob.low) and knob.allows(knob.high)


@pytest.mark.parametrize(("name", "lr"), list(itertools.product(RULES, [0, -1.0, float("nan"), float("inf")])))
def test_a_rate_that_is_none_is_refused(name, lr):
    with pytest.raises(UsageError) as error:
        RULES[name](lr=lr)
    assert str(error.value) == f"`{RULES[name].__name__}(lr=...)` must lie in (0, inf), got {lr!r}."


# Members: hyperparameters as tensors of shape (P,), the parameters stacked.

RANGES = {
    "lr": (1e-3, 1e-1),
    "momentum": (0.0, 0.9),
    "beta1": (0.0, 0.95),
    "beta2": (0.5, 0.999),
    "alpha": (0.5, 0.99),
    "eps": (1e-8, 1e-2),
    "weight_decay": (0.0, 0.3),
}
MEMBERS = 5


@pytest.mark.parametrize("tensor_step", [False, True])
@pytest.mark.parametrize("varied", ["all", "lr", "weight_decay"])
def test_population_is_the_loop_over_members(rule, varied, tensor_step):
    many = {n: torch.linspace(*RANGES[n], MEMBERS, dtype=torch.float64) for n in rule.hyper()}
    if varied != "all":
        many = {varied: many[varied]}
    if not getattr(rule, "momentum", 1.0):
        many.pop("momentum", None)
    fixed = {n: v for n, v in rule.hyper().items() if n not in many}
    params = draw(0, lead=(MEMBERS,))
    grads = [draw(k, lead=(MEMBERS,)) for k in range(1, 8)]
    state = torch.func.vmap(rule.init)(params)

    def one_step(grad, state, params, hyper, step):
        return rule.update(grad, state, params, {**fixed, **hyper}, step)

    stacked = params
    for k, grad in enumerate(grads):
        step = torch.tensor(k) if tensor_step else k
        change, state = torch.func.vmap(one_step, in_dims=(0, 0, 0, 0, None))(grad, state, stacked, many, step)
        stacked = {n: stacked[n] + change[n] for n in stacked}
    for m in range(MEMBERS):
        hyper = {**fixed, **{n: float(values[m]) for n, values in many.items()}}
        alone, memory = walk(
            rule,
            {n: t[m] for n, t in params.items()},
            [{n: t[m] for n, t in g.items()} for g in grads],
            hyper=hyper,
        )
        for n in alone:
            torch.testing.assert_close(stacked[n][m], alone[n], rtol=1e-13, atol=1e-14)
        for slot in memory:
            torch.testing.assert_close(state[slot]["w"][m], memory[slot]["w"], rtol=1e-13, atol=1e-14)


def test_a_population_in_float32_stays_in_float32(rule):
    many = {n: torch.full((MEMBERS,), v, dtype=torch.float64) for n, v in rule.hyper().items()}
    params, grads = draw(0, torch.float32, (MEMBERS,)), draw(1, torch.float32, (MEMBERS,))
    state = torch.func.vmap(rule.init)(params)
    change, state = torch.func.vmap(lambda g, s, p, h: rule.update(g, s, p, h, 0))(grads, state, params, many)
    assert {t.dtype for content in [change, *state.values()] for t in content.values()} == {torch.float32}
    grad, param = ({n: t[0] for n, t in named.items()} for named in (grads, params))
    alone, _ = rule.update(grad, rule.init(param), param, rule.hyper(), 0)
    torch.testing.assert_close(change["w"][0], alone["w"], rtol=1e-6, atol=1e-8)


def test_a_sick_member_leaves_the_others_alone(rule):
    params, grads = draw(0, lead=(MEMBERS,)), draw(1, lead=(MEMBERS,))
    sick = {n: t.clone() for n, t in grads.items()}
    for tensor in sick.values():
        tensor[2] = torch.nan
    state = torch.func.vmap(rule.init)(params)
    update = torch.func.vmap(lambda g, s, p: rule.update(g, s, p, rule.hyper(), 0))
    change, _ = update(sick, state, params)
    healthy, _ = update(grads, state, params)
    others = [0, 1, 3, 4]
    same({n: t[others] for n, t in change.items()}, {n: t[others] for n, t in healthy.items()})
    assert change["w"][2].isnan().all()


def test_a_contradiction_is_refused():
    with pytest.raises(UsageError, match=r"`SGD\(nesterov=True\)` needs a momentum above 0, got 0.0. Set momentum"):
        SGD(nesterov=True)
    with pytest.raises(UsageError, match=r"Unknown value of SGD\(velocity=...\) 'averag': did you mean 'average'\?"):
        SGD(velocity="averag")
