"""Each norm against torch's module of the same name, or a plain reference in the paper's letters."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from thalweg.norms import (
    BatchNorm,
    BatchRenorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    SpectralNorm,
    WeightNorm,
)

W = 6
SHAPES = {0: (7, W), 1: (7, W, 4), 2: (7, W, 4, 3)}
Pair = tuple[nn.Module, nn.Module]
PAIRS: dict[str, tuple[int, Callable[[], Pair]]] = {
    "batch, dense": (0, lambda: (BatchNorm().build(W, 0), nn.BatchNorm1d(W))),
    "batch, images": (2, lambda: (BatchNorm().build(W, 2), nn.BatchNorm2d(W))),
    "batch, numbers": (2, lambda: (BatchNorm(momentum=0.3, eps=0.1).build(W, 2), nn.BatchNorm2d(W, 0.1, 0.3))),
    "renorm is batch norm while it holds": (2, lambda: (BatchRenorm().build(W, 2), nn.BatchNorm2d(W))),
    "layer, dense": (0, lambda: (LayerNorm(eps=0.01).build(W, 0), nn.LayerNorm(W, eps=0.01))),
    "layer, images": (2, lambda: (LayerNorm().build(W, 2), _by_channel(nn.LayerNorm((W, 4, 3))))),
    "instance, sequences": (1, lambda: (InstanceNorm().build(W, 1), nn.InstanceNorm1d(W, affine=True))),
    "instance, images": (2, lambda: (InstanceNorm().build(W, 2), nn.InstanceNorm2d(W, affine=True))),
    "as many groups as channels": (2, lambda: (GroupNorm(num_groups=W).build(W, 2), nn.InstanceNorm2d(W, affine=True))),
    "group, dense": (0, lambda: (GroupNorm(num_groups=2).build(W, 0), nn.GroupNorm(2, W))),
    "group, images": (2, lambda: (GroupNorm(num_groups=3, eps=0.1).build(W, 2), nn.GroupNorm(3, W, eps=0.1))),
    "one group, dense": (0, lambda: (GroupNorm(num_groups=1).build(W, 0), nn.LayerNorm(W))),
    "rms, dense": (0, lambda: (RMSNorm(eps=0.01).build(W, 0), nn.RMSNorm(W, eps=0.01))),
    "rms, images": (2, lambda: (RMSNorm().build(W, 2), _by_channel(nn.RMSNorm((W, 4, 3), eps=1e-6)))),
}


class _by_channel(nn.Module):
    """Let torch's module normalise and weigh the result by channel."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(W))
        if isinstance(inner, nn.LayerNorm):
            self.bias = nn.Parameter(torch.zeros(W))
        self.inner = inner.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.view(-1, 1, 1) if hasattr(self, "bias") else 0.0
        return self.inner(x) * self.weight.view(-1, 1, 1) + bias  # type: ignore[no-any-return]


def trained(module: nn.Module, batches: list[Tensor]) -> list[Tensor]:
    """Take steps of gradient descent; return every output and gradient on the way, and outputs of a test at the end."""
    found = []
    module = module.double()
    learnt = [param for param in module.parameters() if param.requires_grad]
    for x in batches:
        x = x.double().requires_grad_()
        outputs = module(x)
        weights = torch.linspace(0.1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
        grads = torch.autograd.grad((outputs.sin() * weights).sum(), [x, *learnt])
        found += [outputs.detach(), *grads]
        with torch.no_grad():
            for param, grad in zip(learnt, grads[1:], strict=True):
                param.sub_(grad, alpha=0.05)
    return [*found, module.eval()(batches[0].double()).detach()]


def batches_of(num_axes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SHAPES[num_axes], generator=generator) * (1 + k) - k for k in range(4)]


@pytest.mark.parametrize("name", PAIRS)
def test_they_are_torchs(name: str) -> None:
    num_axes, make = PAIRS[name]
    ours, theirs = make()
    found, wanted = (trained(module, batches_of(num_axes)) for module in (ours, theirs))
    if name.startswith("renorm"):  # its moving averages are others
        found, wanted = found[:-1], wanted[:-1]
    torch.testing.assert_close(found, wanted)
    for key, buffer in theirs.named_buffers():
        if hasattr(ours, key):
            torch.testing.assert_close(getattr(ours, key), buffer)


@pytest.mark.parametrize("num_axes", [0, 2])
def test_batch_norm_is_its_formula(num_axes: int) -> None:
    layer, (x, *_) = BatchNorm(momentum=0.2).build(W, num_axes), batches_of(num_axes)
    dims = [axis for axis in range(x.ndim) if axis != 1]
    mean, var = x.mean(dims, keepdim=True), ((x - x.mean(dims, keepdim=True)) ** 2).mean(dims, keepdim=True)
    torch.testing.assert_close(layer(x), (x - mean) / (var + 1e-5).sqrt())
    num = x.numel() / W
    torch.testing.assert_close(layer.running_mean, 0.2 * mean.flatten())
    torch.testing.assert_close(layer.running_var, 0.8 + 0.2 * var.flatten() * num / (num - 1))


@pytest.mark.parametrize("images", [False, True], ids=["dense", "images"])
def test_weight_norm_is_torchs(images: bool) -> None:
    ours, theirs = (_layer(images) for _ in range(2))
    WeightNorm().wrap(ours)
    theirs = nn.utils.parametrizations.weight_norm(theirs)
    found, wanted = (trained(module, batches_of(2 if images else 0)) for module in (ours, theirs))
    for k in range(0, 20, 5):  # output, input, then ours: weight, bias, magnitude; torch's: bias, length, direction
        torch.testing.assert_close(found[k : k + 5], [wanted[k + place] for place in (0, 1, 4, 2, 3)])
    torch.testing.assert_close(found[-1], wanted[-1])
    torch.testing.assert_close(ours.normed_weight(), theirs.weight)


@pytest.mark.parametrize("images", [False, True], ids=["dense", "images"])
@pytest.mark.parametrize("num_iterations", [1, 3])
def test_spectral_norm_is_torchs(images: bool, num_iterations: int) -> None:
    ours, theirs = (_layer(images) for _ in range(2))
    SpectralNorm(num_iterations=num_iterations).wrap(ours)
    theirs = nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=num_iterations)
    inner = theirs.parametrizations.weight[0]
    inner._u.copy_(ours.left)
    inner._v.copy_(ours.right)
    found, wanted = (trained(module, batches_of(2 if images else 0)) for module in (ours, theirs))
    for k in range(0, 16, 4):  # output, input, then ours: weight, bias; torch's: bias, weight
        torch.testing.assert_close(found[k : k + 4], [wanted[k + place] for place in (0, 1, 3, 2)])
    torch.testing.assert_close(found[-1], wanted[-1])
    torch.testing.assert_close((ours.left, ours.right), (inner._u, inner._v))


def _layer(images: bool) -> nn.Module:
    torch.manual_seed(5)
    return nn.Conv2d(W, 4, 2) if images else nn.Linear(W, 4)


def test_the_spectral_norm_of_a_layer_is_one() -> None:
    layer = _layer(False)
    SpectralNorm(num_iterations=5).wrap(layer)
    for _ in range(100):
        layer(torch.zeros(1, W))
    singular = torch.linalg.svdvals(layer.normed_weight().detach())
    assert singular[0] == pytest.approx(1, abs=1e-5) and singular[1] < 0.999


def test_weight_norm_starts_where_the_layer_was_and_its_gradient_is_orthogonal() -> None:
    plain, normed = _layer(True), _layer(True)
    WeightNorm().wrap(normed)
    (x, *_) = batches_of(2)
    torch.testing.assert_close(normed(x), plain(x))
    (grad,) = torch.autograd.grad(normed(x).sin().sum(), [normed.weight])
    along = (grad * normed.weight).flatten(1).sum(1)
    assert along.abs().max() < 1e-4 * grad.flatten(1).norm(dim=1).min() * normed.weight.flatten(1).norm(dim=1).min()


def _renormed(x_MD: Tensor, mu: Tensor, sigma: Tensor, alpha: float, eps: float, r_max: float, d_max: float):  # type: ignore[no-untyped-def]
    """Follow algorithm 1 of Ioffe 2017 in its letters."""
    mu_B = x_MD.sum(0) / len(x_MD)
    sigma_B = torch.sqrt(eps + ((x_MD - mu_B) ** 2).sum(0) / len(x_MD))
    r = torch.clip(sigma_B.detach() / sigma, 1 / r_max, r_max)
    d = torch.clip((mu_B.detach() - mu) / sigma, -d_max, d_max)
    x_hat = (x_MD - mu_B) / sigma_B * r + d
    return x_hat, mu + alpha * (mu_B.detach() - mu), sigma + alpha * (sigma_B.detach() - sigma)


def test_batch_renorm_is_the_papers_algorithm() -> None:
    spec = BatchRenorm(momentum=0.3, eps=1e-3, r_max=1.5, d_max=0.5, hold=2, ramp=4)
    layer = spec.build(W, 0).double()
    mu, sigma = torch.zeros(W, dtype=torch.float64), torch.ones(W, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    clipped = 0
    for count in range(9):
        x = (torch.randn(5, W, generator=generator) * (1 + count) + count).double().requires_grad_()
        share = min(max((count - 2) / 4, 0), 1)
        r_max, d_max = 1 + 0.5 * share, 0.5 * share
        wanted, mu, sigma = _renormed(x, mu, sigma, 0.3, 1e-3, r_max, d_max)
        found = layer(x)
        torch.testing.assert_close(found, wanted)
        grads = [torch.autograd.grad(y.pow(3).sum(), x)[0] for y in (found, wanted)]
        torch.testing.assert_close(*grads)
        torch.testing.assert_close((layer.running_mean, layer.running_std), (mu, sigma))
        clipped += int(count > 2)
    x = torch.randn(3, W, generator=generator).double()
    torch.testing.assert_close(layer.eval()(x), (x - mu) / sigma)
    assert layer.num_batches_tracked == 9 and clipped == 6


def test_batch_renorm_without_bounds_trains_on_what_a_test_sees() -> None:
    layer = BatchRenorm(r_max=1e6, d_max=1e6, hold=0, ramp=1).build(W, 2)
    first, second, *_ = batches_of(2)
    layer(first)
    tested = layer.eval()(second)
    torch.testing.assert_close(layer.train()(second), tested, rtol=1e-4, atol=1e-4)
