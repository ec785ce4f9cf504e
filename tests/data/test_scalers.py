"""Each scaler against its oracle, and the family's contract: pure, in pieces as at once, float32, finite."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from thalweg.core import DataError, UsageError, from_plain, to_plain
from thalweg.data import SCALERS, Centre, MinMax, NoScale, Standardise, WhitenPCA, WhitenZCA


@pytest.fixture
def x() -> torch.Tensor:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    return torch.from_numpy(mixed * np.array([1, 1e-3, 1e3, 1, 10]) + np.array([0, 1, 1e6, -5, 3]))


def fit_apply(scaler, x):
    return scaler.apply(x, scaler.fit([x]))


def test_standardise_is_sklearns(x):
    expected = StandardScaler().fit_transform(x.numpy())
    np.testing.assert_allclose(fit_apply(Standardise(), x).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_min_max_is_sklearns(x):
    expected = MinMaxScaler((-1, 2)).fit_transform(x.numpy())
    np.testing.assert_allclose(fit_apply(MinMax(low=-1.0, high=2.0), x).numpy(), expected, atol=1e-5)


def test_centre_subtracts_the_mean(x):
    expected = x - x.mean(dim=0)
    torch.testing.assert_close(fit_apply(Centre(), x), expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [None, 2])
def test_pca_is_sklearns_up_to_sign(x, count):
    x = x * torch.tensor([1, 1e2, 1e-2, 1, 1])
    expected = PCA(n_components=count, whiten=True, svd_solver="full").fit_transform(x.numpy())
    found = fit_apply(WhitenPCA(num_components=count, eps=0.0), x).numpy()
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=1e-3, atol=1e-3)


def test_zca_gives_the_identity_and_is_symmetric(x):
    scaler = WhitenZCA(eps=0.0)
    x = x * torch.tensor([1, 1e2, 1e-2, 1, 1])
    fitted = scaler.fit([x])
    covariance = np.cov(scaler.apply(x, fitted).numpy().T)
    np.testing.assert_allclose(covariance, np.eye(5), atol=1e-3)
    torch.testing.assert_close(fitted["matrix"], fitted["matrix"].T)


def test_pca_leaves_out_directions_without_variance(x):
    x = x * torch.tensor([1, 1e2, 1e-2, 1, 1])
    doubled = torch.cat([x, x[:, :2], torch.ones(len(x), 1)], dim=1)
    assert fit_apply(WhitenPCA(), doubled).shape == (60, 5)
    with pytest.raises(UsageError, match="at most 5"):
        WhitenPCA(num_components=7).fit([doubled])


def test_whitening_refuses_what_does_not_vary():
    with pytest.raises(DataError, match="inputs that vary"):
        WhitenZCA().fit([torch.ones(4, 3)])
    with pytest.raises(DataError, match="at least two"):
        WhitenPCA().fit([torch.ones(1, 3)])
    with pytest.raises(DataError, match="at most 8192"):
        WhitenPCA().fit([torch.ones(2, 9000)])


@pytest.mark.parametrize("per", ["feature", "channel"])
@pytest.mark.parametrize("kind", [Centre, Standardise, MinMax])
def test_images_share_constants_per_channel(kind, per):
    x = torch.rand(20, 3, 4, 5) * torch.tensor([1.0, 10.0, 100.0])[:, None, None]
    fitted = kind(per=per).fit([x])
    assert {tuple(value.shape) for value in fitted.values()} == {(3, 1, 1) if per == "channel" else (3, 4, 5)}
    if kind is Standardise and per == "channel":
        y = kind(per=per).apply(x, fitted)
        torch.testing.assert_close(y.std(dim=(0, 2, 3), correction=0), torch.ones(3))


def test_sequences_share_constants_over_positions():
    x = torch.randn(10, 7, 2)
    fitted = Standardise().fit([x])
    assert fitted["mean"].shape == (2,) or fitted["mean"].shape == (1, 2)
    y = Standardise().apply(x, fitted)
    torch.testing.assert_close(y.mean(dim=(0, 1)), torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_contract(name, x):
    scaler = SCALERS[name]()
    whole, pieces = scaler.fit([x]), scaler.fit(x.split(7))
    for key, value in whole.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(pieces[key], value, rtol=1e-6, atol=1e-9)
    before = x.clone()
    y = scaler.apply(x, whole)
    assert y.dtype == torch.float32
    assert torch.equal(x, before)
    torch.testing.assert_close(torch.cat([scaler.apply(b, whole) for b in x.split(9)]), y, atol=1e-5, rtol=1e-5)
    assert from_plain(SCALERS, to_plain(scaler), "scaler") == scaler
    assert torch.isfinite(scaler.apply(x.to(torch.int64), whole)).all()


@pytest.mark.parametrize("name", sorted(set(SCALERS) - {"none"}))
def test_a_constant_feature_becomes_finite(name):
    x = torch.cat([torch.full((9, 1), 0.1), torch.randn(9, 2)], dim=1)
    assert torch.isfinite(fit_apply(SCALERS[name](), x)).all()
    if name == "standardise":
        assert fit_apply(Standardise(), x)[:, 0].abs().max() < 1e-6


def test_large_offsets_do_not_cancel():
    x = torch.randn(1000, 1, dtype=torch.float64) + 1e9
    y = fit_apply(Standardise(), torch.cat([x]))
    assert abs(float(y.std()) - 1) < 1e-2


def test_laws():
    with pytest.raises(UsageError, match="low < high"):
        MinMax(low=1.0, high=0.0)
    with pytest.raises(UsageError, match="eps"):
        WhitenPCA(eps=-1.0)
    assert NoScale().fit([]) == {}
