"""Counter-based draws: golden values, the same bits everywhere, no pattern that could be seen."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from thalweg.core.random import generator, key, mix, numpy_generator, uniform

_spec = importlib.util.spec_from_file_location(
    "oracles_references", Path(__file__).parents[1] / "oracles" / "references.py"
)
oracles = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracles)


def test_mix_is_splitmix64():
    """The first numbers of the reference implementation from the state 1234567, as published with it."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    stream = list(itertools.islice(oracles.splitmix64(1234567), 5))
    assert stream == published
    assert mix(1234567) == published[0]
    assert [mix(1234567 + k * 0x9E3779B97F4A7C15 & (2**64 - 1)) for k in range(5)] == published


def test_keys_never_change():
    """A run of last year must draw what it drew: these numbers are part of the format."""
    assert key(0, "order") == GOLDEN[0]
    assert key(0, "order", 0) == GOLDEN[1]
    assert key(0, "order", 1) == GOLDEN[2]
    assert key(1, "order", 1) == GOLDEN[3]
    assert key(-1, "dropout", 3, 5) == GOLDEN[4]
    assert generator(7, "x").initial_seed() == key(7, "x")


def test_keys_differ():
    streams = ["init", "order", "dropout", "split", "module", ""]
    counters = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2**40,)]
    keys = {key(seed, s, *c) for seed in (0, 1, 2, 2**32, 2**64 - 2) for s in streams for c in counters}
    assert len(keys) == 5 * len(streams) * len(counters)
    assert all(0 <= k < 2**63 for k in keys)


def test_generators_repeat_and_differ():
    assert torch.equal(torch.rand(4, generator=generator(1, "a", 2)), torch.rand(4, generator=generator(1, "a", 2)))
    assert not torch.equal(torch.rand(4, generator=generator(1, "a", 2)), torch.rand(4, generator=generator(1, "b", 2)))
    assert numpy_generator(1, "a").random() == numpy_generator(1, "a").random() != numpy_generator(2, "a").random()


KEYS = torch.tensor(
    [key(seed, "test", step) for seed in range(4) for step in range(4)] + [0, 1, -1, 2**63 - 1, -(2**63)]
)


def test_uniform_is_the_reference_stream():
    for number in KEYS.tolist():
        drawn = (uniform(torch.tensor(number), 50) * 2**24).to(torch.int64).tolist()
        assert drawn == list(oracles.draws(number & (2**64 - 1), 50))


def test_uniform_under_vmap_is_each_alone():
    together = torch.func.vmap(lambda k: uniform(k, 33))(KEYS)
    assert torch.equal(together, torch.stack([uniform(k, 33) for k in KEYS]))


def test_draw_depends_on_its_index_alone():
    assert torch.equal(uniform(KEYS[0], 1000)[:10], uniform(KEYS[0], 10))
    assert uniform(KEYS[0], 0).shape == (0,)


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 7, 16, 257, 4099])
def test_uniform_compiled_has_the_same_bits(count):
    """In a process of its own: a kernel made wrongly writes past its memory and would take pytest along."""
    code = f"""
import torch
from thalweg.core.random import uniform
compiled = torch.compile(lambda k: uniform(k, {count}), fullgraph=True)
for number in {KEYS.tolist()}:
    k = torch.tensor(number)
    assert torch.equal(compiled(k), uniform(k, {count})), number
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-1000:]


def test_range_mean_and_spread():
    drawn = uniform(KEYS[1], 1_000_000).double()
    assert drawn.dtype == torch.float64 and uniform(KEYS[1], 1).dtype == torch.float32
    assert 0 <= drawn.min() < 1e-5 and 1 - 1e-5 < drawn.max() < 1
    assert abs(drawn.mean() - 1 / 2) < 4 * (1 / 12) ** 0.5 / 1000
    assert abs(drawn.var() - 1 / 12) < 4 * (1 / 180) ** 0.5 / 1000
    counts = torch.histc(drawn, 256, 0, 1)
    chi2 = float(((counts - 1e6 / 256) ** 2 / (1e6 / 256)).sum())
    assert abs(chi2 - 255) < 4 * (2 * 255) ** 0.5


def correlation(a, b):
    return abs(float(np.corrcoef(a.numpy(), b.numpy())[0, 1]))


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 256])
def test_no_correlation_between_indices(lag):
    drawn = uniform(KEYS[2], 200_000)
    assert correlation(drawn[lag:], drawn[:-lag]) < 4 / 200_000**0.5


@pytest.mark.parametrize("gap", [1, 2, 256, 1 << 32])
def test_no_correlation_between_neighbouring_keys(gap):
    first, second = (uniform(torch.tensor(number), 200_000) for number in (12345, 12345 + gap))
    assert correlation(first, second) < 4 / 200_000**0.5
    assert correlation(first[1:], second[:-1]) < 4 / 200_000**0.5


def test_no_correlation_between_steps_of_a_run():
    """One draw a step, as a mask of one unit would take it."""
    drawn = torch.stack([uniform(torch.tensor(key(0, "dropout", step)), 2) for step in range(20_000)])
    assert correlation(drawn[1:, 0], drawn[:-1, 0]) < 4 / 20_000**0.5
    assert correlation(drawn[:, 0], drawn[:, 1]) < 4 / 20_000**0.5
    assert abs(drawn.mean() - 0.5) < 4 * (1 / 12 / 40_000) ** 0.5


GOLDEN = [
    4327213753151435858,
    5086235469817083493,
    8973795375456348722,
    2118601974751181504,
    8322427186451079559,
]
