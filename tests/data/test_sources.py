"""The contract of sources that load without arguments, and of their catalogue."""

import dataclasses

import numpy as np
import pytest
import torch

from thalweg.core import UsageError, from_plain, to_plain
from thalweg.core.knobs import knobs
from thalweg.data import SOURCES, Split, open_source, prepare
from thalweg.data.base import KINDS, TASKS

BUILT_IN = sorted(name for name, source in SOURCES.items() if not source.content)
POINTS = ["circle", "gauss", "moons", "multi_gauss", "plane", "spiral", "xor"]


def test_the_catalogue():
    own = {"table", "frame", "arrays", "array_file", "idx", "image_folder", "text"}
    named = {"digits", "iris", "wine", "breast_cancer", "diabetes"}
    assert set(SOURCES) == own | named | set(POINTS)
    assert set(BUILT_IN) == named | set(POINTS)


@pytest.mark.parametrize("name", BUILT_IN)
def test_contract(name):
    source = open_source(name)
    first, again = source.load(), source.load()
    assert first.task in TASKS and first.kind in KINDS
    assert np.array_equal(first.inputs, again.inputs) and np.array_equal(first.targets, again.targets)
    assert from_plain(SOURCES, to_plain(source), "data") == source
    assert source.fingerprint() == ""
    prepared = prepare(first, split=Split(), scaler=None, seed=0)
    x, y = prepared.train.batch(torch.arange(3))
    assert x.shape == (3, *prepared.preparation.input_shape)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()
    if first.task == "classification":
        assert y.dtype == torch.int64
        assert prepared.preparation.num_outputs == len(first.class_names)
        assert set(range(len(first.class_names))) == set(prepared.train.targets.tolist())
    else:
        assert y.shape == (3, prepared.preparation.num_outputs)
        assert y.dtype == torch.float32


@pytest.mark.parametrize("name", POINTS)
def test_points_depend_on_seed_noise_and_size(name):
    kind = SOURCES[name]
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields == {"noise", "size", "seed"} == set(knobs(kind))
    base = kind(noise=0.1, size=100).load()
    assert base.inputs.shape == (100, 2)
    assert not np.array_equal(base.inputs, kind(noise=0.1, size=100, seed=1).load().inputs)
    other = kind(noise=0.3, size=100).load()
    assert not np.array_equal(base.inputs, other.inputs) or not np.array_equal(base.targets, other.targets)
    with pytest.raises(UsageError, match="size"):
        kind(size=0)


def test_points_without_noise_follow_their_law():
    xor = SOURCES["xor"](noise=0.0).load()
    assert np.array_equal(xor.targets, xor.inputs[:, 0] * xor.inputs[:, 1] >= 0)
    circle = SOURCES["circle"](noise=0.0).load()
    assert np.array_equal(circle.targets, np.hypot(*circle.inputs.T) < 2.5)
    plane = SOURCES["plane"](noise=0.0).load()
    np.testing.assert_allclose(plane.targets, plane.inputs.sum(axis=1) / 10)
    hills = SOURCES["multi_gauss"](noise=0.0, size=2000).load()
    assert hills.targets.min() < -0.8 and hills.targets.max() > 0.8
