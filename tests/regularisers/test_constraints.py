"""Max-norm, against torch.renorm."""

import pytest
import torch
from torch import nn

from thalweg.regularisers import MaxNorm, project_all

_draw = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 3, 3), (6, 2, 5)])
@pytest.mark.parametrize("bound", [0.5, 2.0, 4.0])
def test_each_unit_is_torchs_renorm(shape, bound):
    w = 2 * torch.randn(shape, generator=_draw, dtype=torch.float64)
    w[0] *= 0.01
    found = MaxNorm(max_norm=bound).project(w)
    torch.testing.assert_close(found, torch.renorm(w, 2, 0, bound), rtol=1e-6, atol=0)
    norms = found.flatten(1).norm(dim=1)
    assert (norms <= bound * (1 + 1e-12)).all() and torch.equal(found[0], w[0])


def test_units_are_the_rows_of_torchs_layers():
    torch.manual_seed(0)
    for layer, x in (
        (nn.Linear(5, 3, bias=False), torch.eye(5)),
        (nn.Conv2d(2, 3, 3, bias=False), torch.randn(4, 2, 3, 3)),
    ):
        w = layer.weight.detach() * 10
        found, whole = MaxNorm(max_norm=1.0).project(w), w.flatten(1).norm(dim=1)
        with torch.no_grad():
            layer.weight.copy_(w)
            before = layer(x)
            layer.weight.copy_(found)
            after = layer(x)
        factor = (1 / whole).clamp(max=1).reshape(1, 3, *[1] * (after.ndim - 2))
        torch.testing.assert_close(after, before * factor)


def test_nan_and_zero_stay_in_their_unit():
    w = torch.tensor([[3.0, 4.0], [torch.nan, 9.0], [0.0, 0.0]])
    found = MaxNorm(max_norm=1.0).project(w)
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.8]))
    assert found[1].isnan().all() and torch.equal(found[2], w[2])


def test_only_named_parameters_are_projected():
    params = {"weight": torch.full((2, 2), 5.0), "bias": torch.full((2,), 5.0)}
    found = project_all([MaxNorm(max_norm=1.0)], params, names=["weight"])
    assert found["bias"] is params["bias"] and params["weight"][0, 0] == 5
    torch.testing.assert_close(found["weight"].norm(dim=1), torch.ones(2))
