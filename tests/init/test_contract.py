"""What every start of the catalogue owes, on networks of every kind."""

import copy
import doctest
import importlib
import math
import random
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import thalweg.init
from thalweg.core import from_plain, read_component, to_plain
from thalweg.core.random import generator
from thalweg.init import INITS, LSUV, Constant, DepthScaled, He, LeCun, Normal, Orthogonal, Spot, Uniform, Xavier, start
from thalweg.init.weights import find_weights

VARIANTS = {
    **{name: init() for name, init in INITS.items()},
    "xavier normal auto": Xavier(distribution="normal", gain="auto"),
    "he fan_out uniform": He(mode="fan_out", distribution="uniform", slope=0.1),
    "lecun truncated": LeCun(distribution="truncated-normal"),
    "orthogonal auto": Orthogonal(gain="auto"),
    "uniform 0.2": Uniform(bound=0.2),
    "depth-scaled orthogonal zero": DepthScaled(around=Orthogonal(), last="zero"),
}
LARGE = Spot(name="w", shape=(300, 200), fan_in=200, fan_out=300, activation="relu")


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def init(request):
    return request.param


@pytest.fixture(params=INITS)
def member(request):
    return INITS[request.param]()


def weights(module):
    return {weight.name: weight.read().clone() for weight in find_weights(module)}


def test_a_start_fills_all_weights_and_leaves_the_rest_alone(member, network):
    module, x = network
    before = copy.deepcopy(module)
    places = {name: (id(p), p.data_ptr(), p.shape, p.dtype, p.device) for name, p in module.named_parameters()}
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    rows = start(module, member, seed=0, batch=x)
    assert (torch.rand(1).item(), random.random(), np.random.rand()) == expected
    names = {row.name for row in rows}
    for name, old in before.named_parameters():
        new = module.get_parameter(name)
        assert places[name] == (id(new), new.data_ptr(), new.shape, new.dtype, new.device)
        norm = "norm" in name or name in ("1.weight", "1.bias")
        if name in names:
            assert not torch.equal(new, old) and new.isfinite().all(), name
        elif norm or name in ("positions", "other"):
            assert torch.equal(new, old), name
        else:
            assert "bias" in name
    for one, two in zip(module.buffers(), before.buffers(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(module.modules(), before.modules(), strict=True):
        assert one.training == two.training and not one._forward_hooks and not one._forward_pre_hooks
    assert all(param.grad is None for param in module.parameters())


def test_biases_are_zero_and_forget_gates_as_they_were(network):
    module, x = network
    before = copy.deepcopy(module)
    start(module, Normal(), seed=0, batch=x)
    for name, bias in module.named_parameters():
        if "bias" not in name or "norm" in name or name == "1.bias":
            continue
        old = before.get_parameter(name)
        if len(bias) in (20, 32):  # an LSTM's: four gates, the second forgets
            forget = slice(len(bias) // 4, len(bias) // 2)
            assert torch.equal(bias[forget], old[forget])
            bias = torch.cat([bias[: forget.start], bias[forget.stop :]])
        assert not bias.any(), name


def test_the_seed_decides(member, network):
    module, x = network
    other = copy.deepcopy(module)
    start(module, member, seed=5, batch=x)
    first = weights(module)
    start(module, member, seed=5, batch=x)  # once more, from where it is now
    assert all(torch.equal(first[name], value) for name, value in weights(module).items())
    start(other, member, seed=6, batch=x)
    same = [name for name, value in weights(other).items() if torch.equal(first[name], value)]
    assert (same == list(first)) == (member.name in ("zeros", "constant"))


def test_one_layer_does_not_depend_on_the_others(init):
    """The same names in the midst of other layers; LSUV is exempt, which fits each layer to what comes before."""
    alone = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    more = [nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)]
    longer = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), *more)
    if isinstance(init, LSUV):
        init = Orthogonal()
    x = torch.randn(16, 8)
    start(alone, init, seed=0, batch=x)
    start(longer, init, seed=0, batch=x)
    assert torch.equal(alone[0].weight, longer[0].weight)
    if getattr(init, "gain", None) != "auto":  # which sees what follows
        assert torch.equal(alone[2].weight, longer[2].weight)
    if init.name not in ("zeros", "constant"):
        assert not torch.equal(longer[4].weight, longer[6].weight)


def test_what_is_asked_is_got(init):
    values = init.draw(LARGE, generator(0, "test"))
    assert values.shape == LARGE.shape and values.dtype == torch.float32
    asked = init.deviation(LARGE)
    if math.isnan(asked):
        assert isinstance(init, LSUV)
    else:
        assert float(values.std()) == pytest.approx(asked, rel=0.02, abs=1e-7)
        assert abs(float(values.mean())) < (1e-2 if not isinstance(init, Constant) else math.inf)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_precision_stays(init, dtype):
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)).to(dtype)
    start(module, init, seed=0, batch=torch.randn(4, 8, dtype=dtype))
    single = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    start(single, init, seed=0, batch=torch.randn(4, 8))
    assert all(param.dtype == dtype for param in module.parameters())
    if not isinstance(init, LSUV):
        torch.testing.assert_close(module[0].weight, single[0].weight.to(dtype))


def test_plain_values_and_texts_give_it_back(init):
    assert from_plain(INITS, to_plain(init), "init") == init
    assert read_component(INITS, init.name, "init") == INITS[init.name]()


def test_one_is_put_around_another_in_a_text():
    init = read_component(INITS, "orthogonal(gain=auto)+depth-scaled(last=zero)", "init")
    assert init == DepthScaled(around=Orthogonal(gain="auto"), last="zero")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_has_its_line_in_both_languages(lang):
    words = Path(thalweg.core.__file__).parent / "words" / lang / "init.toml"
    lines = tomllib.loads(words.read_text(encoding="utf-8"))
    assert set(lines) == set(INITS)
    assert all(line.strip() and not {"{", "}", "\n"} & set(line) for line in lines.values())


@pytest.mark.parametrize("path", sorted(Path(thalweg.init.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_doctests_are_true(path):
    name = "thalweg.init" if path.stem == "__init__" else f"thalweg.init.{path.stem}"
    assert doctest.testmod(importlib.import_module(name)).failed == 0
