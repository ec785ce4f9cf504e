"""Torch's one-kernel updates against the chain of the same rule."""

from types import SimpleNamespace

import pytest
import torch

from thalweg.rules import SGD, Adagrad, Adam, AdamW, AMSGrad, RMSProp, fused

RULES = [
    SGD(lr=0.05), SGD(lr=0.05, weight_decay=0.1), SGD(lr=0.05, momentum=0.9),
    SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    Adam(lr=0.01), Adam(lr=0.01, beta1=0.8, beta2=0.97, eps=1e-4, weight_decay=0.1),
    AdamW(lr=0.01), AdamW(lr=0.01, beta1=0.8, beta2=0.97, eps=1e-4, weight_decay=0.3),
    SGD(lr=0.05, momentum=0.9, dampening=0.5, weight_decay=0.1), AMSGrad(lr=0.01),
    AMSGrad(lr=0.01, beta1=0.8, beta2=0.97, eps=1e-4, weight_decay=0.1),
    AMSGrad(lr=0.01, beta2=0.9, weight_decay=0.3, decoupled_weight_decay=True),
    SGD(lr=0.05, momentum=0.9, convention="optax"), AdamW(lr=0.01, convention="optax"),
    Adagrad(lr=0.05), Adagrad(lr=0.05, lr_decay=0.1, eps=1e-3, weight_decay=0.1),
]  # fmt: skip
SHAPES = {"a": (13, 7), "b": (7,), "c": (2, 3, 5), "d": ()}


def draw(generator):
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_kernel_is_the_chain(rule):
    generator = torch.Generator().manual_seed(0)
    begin = draw(generator)
    params, state = {n: t.double() for n, t in begin.items()}, None
    state = rule.init(params)
    fast, memory = {n: t.clone() for n, t in begin.items()}, None
    memory = rule.init(fast)
    kernel = fused(rule, fast)
    assert kernel is not None
    for step in range(20):
        grads = draw(generator)
        hyper = {**rule.hyper(), "lr": rule.lr * (1 - step / 40)}
        change, state = rule.update({n: g.double() for n, g in grads.items()}, state, params, hyper, step)
        params = {n: params[n] + change[n] for n in params}
        kernel(list(fast.values()), list(grads.values()), memory, hyper, step)
    for n in SHAPES:
        torch.testing.assert_close(fast[n].double(), params[n], rtol=1e-6, atol=1e-6)
        moved = (params[n] - begin[n]).abs().max()
        assert (fast[n].double() - params[n]).abs().max() <= 1e-5 * moved
        for slot in state:
            torch.testing.assert_close(memory[slot][n].double(), state[slot][n], rtol=1e-5, atol=1e-6)


FLOATS = {"w": torch.zeros(3)}


@pytest.mark.parametrize(
    ("rule", "params"),
    [
        (RMSProp(), FLOATS),
        (Adagrad(initial_accumulator_value=0.1), FLOATS),
        (SGD(momentum=0.9, velocity="average"), FLOATS),
        (Adam(bias_correction=False), FLOATS),
        (Adam(), {"w": torch.zeros(3, dtype=torch.float64)}),
        (Adam(), {"w": torch.zeros(3), "v": torch.zeros(3, dtype=torch.bfloat16)}),
        (Adam(), {"w": torch.zeros(3, device="meta")}),
        (Adam(), {"w": torch.zeros(3), "v": torch.zeros(3, device="meta")}),
        (
            Adam(),
            {"w": torch.zeros(3), "v": SimpleNamespace(device=torch.device("cuda:0"), dtype=torch.float32)},
        ),
    ],
    ids=[
        "rmsprop",
        "adagrad from above zero",
        "average",
        "uncorrected",
        "float64",
        "mixed types",
        "meta",
        "meta beside cpu",
        "two devices",
    ],
)
def test_where_there_is_no_kernel(rule, params):
    assert fused(rule, params) is None


@pytest.mark.parametrize(
    "rule",
    [
        SGD(convention="keras"), SGD(momentum=0.9, convention="paper"), Adam(convention="keras"),
        AdamW(convention="keras"), AMSGrad(convention="optax"), AMSGrad(convention="paper"),
        Adagrad(convention="optax"),
    ],
    ids=str,
)  # fmt: skip
def test_other_conventions_have_no_kernel(rule):
    assert fused(rule, FLOATS) is None
