"""Each start against what we did not write: torch, scipy's distributions, closed forms, the papers' claims."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from thalweg.core import UnknownName, UsageError
from thalweg.core.random import generator
from thalweg.init import (
    LSUV,
    Constant,
    DepthScaled,
    FanIn,
    He,
    Init,
    LeCun,
    Normal,
    Orthogonal,
    Spot,
    TruncatedNormal,
    Uniform,
    Xavier,
    Zeros,
    gain_of,
    start,
)
from thalweg.init.nonlinear import _GAINS

OUT, IN = 300, 200
RELU = Spot(name="w", shape=(OUT, IN), fan_in=IN, fan_out=OUT, activation="relu")


def drawn(init, spot=RELU, seed=0):
    return init.draw(spot, generator(seed, "oracle"))


def torch_std(fill, *args, **options):
    torch.manual_seed(0)
    weight = torch.empty(OUT, IN)
    fill(weight, *args, **options)
    return float(weight.std())


@pytest.mark.parametrize(
    ("init", "reference"),
    [
        (Normal(std=0.01), torch_std(nn.init.normal_, std=0.01)),
        (TruncatedNormal(std=0.01), torch_std(nn.init.trunc_normal_, std=0.01, a=-0.02, b=0.02)),
        (Uniform(bound=0.1), torch_std(nn.init.uniform_, -0.1, 0.1)),
        (Uniform(), torch_std(nn.init.kaiming_uniform_, a=math.sqrt(5))),  # what nn.Linear does
        (FanIn(), torch_std(nn.init.kaiming_normal_, nonlinearity="linear")),
        (FanIn(gain="auto"), torch_std(nn.init.kaiming_normal_, nonlinearity="relu")),
        (LeCun(distribution="uniform"), torch_std(nn.init.kaiming_uniform_, nonlinearity="linear")),
        (Xavier(), torch_std(nn.init.xavier_uniform_)),
        (Xavier(distribution="normal", gain=2.0), torch_std(nn.init.xavier_normal_, gain=2.0)),
        (He(), torch_std(nn.init.kaiming_normal_)),
        (He(mode="fan_out", distribution="uniform"), torch_std(nn.init.kaiming_uniform_, mode="fan_out")),
        (He(slope=0.5), torch_std(nn.init.kaiming_normal_, a=0.5)),
        (Orthogonal(gain=3.0), torch_std(nn.init.orthogonal_, gain=3.0)),
    ],
    ids=str,
)
def test_the_deviation_is_torchs(init, reference):
    assert init.deviation(RELU) == pytest.approx(reference, rel=0.01)
    assert float(drawn(init).std()) == pytest.approx(reference, rel=0.01)


@pytest.mark.parametrize(
    ("init", "law"),
    [
        (Normal(std=0.3), stats.norm(0, 0.3)),
        (TruncatedNormal(std=0.3, cut=1.5), stats.truncnorm(-1.5, 1.5, 0, 0.3)),
        (Uniform(bound=0.3), stats.uniform(-0.3, 0.6)),
        (Xavier(), stats.uniform(-math.sqrt(6 / (IN + OUT)), 2 * math.sqrt(6 / (IN + OUT)))),  # equation 16
        (He(), stats.norm(0, math.sqrt(2 / IN))),
        (LeCun(distribution="truncated-normal"), stats.truncnorm(-2, 2, 0, 1 / math.sqrt(IN) / 0.87962566)),
    ],
    ids=lambda value: str(value) if isinstance(value, Init) else "",
)
def test_the_distribution_is_the_one_named(init, law):
    values = drawn(init).flatten().double().numpy()
    assert stats.kstest(values, law.cdf).pvalue > 0.01
    assert stats.kstest(values * 1.02, law.cdf).pvalue < 0.01  # a deviation 2 % off would be seen
    assert values.min() >= law.support()[0] - 1e-6 and values.max() <= law.support()[1] + 1e-6


@pytest.mark.parametrize(
    ("activation", "slope"),
    [("linear", 0.0), ("sigmoid", 0.0), ("tanh", 0.0), ("relu", 0.0), ("leaky_relu", 0.2), ("selu", 0.0)],
)
def test_gains_are_torchs(activation, slope):
    reference = nn.init.calculate_gain(activation, slope if activation == "leaky_relu" else None)
    assert gain_of(activation, slope) == pytest.approx(reference)


@pytest.mark.parametrize("name", sorted(set(_GAINS) - {"identity", "sigmoid", "tanh", "selu", "maxout"}))
def test_other_gains_keep_the_second_moment(name):
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    function = getattr(F, name)
    square = torch.trapezoid(function(z) ** 2 * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), z)
    assert gain_of(name) == pytest.approx(1 / math.sqrt(square), abs=1e-4)


def test_the_larger_of_two_has_second_moment_one():
    pairs = torch.randn(400_000, 2, generator=generator(0, "pairs"))
    assert float(pairs.amax(1).square().mean()) == pytest.approx(gain_of("maxout"), abs=0.01)


@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (50, 30), (12, 3, 2, 2), (6, 8, 3, 3), (1, 7)])
def test_orthogonal_rows_or_columns(shape):
    spot = Spot(name="w", shape=shape, fan_in=1, fan_out=1)
    w = drawn(Orthogonal(gain=2.0), spot).flatten(1).double()
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    torch.testing.assert_close(product, 4 * torch.eye(min(w.shape), dtype=torch.float64), atol=1e-5, rtol=0)


def test_orthogonal_matrices_are_spread_evenly():
    """Under Haar's measure half of the 2 x 2 matrices turn over, and each entry is the cosine of an even angle."""
    spot = Spot(name="w", shape=(2, 2), fan_in=2, fan_out=2)
    found = torch.stack([drawn(Orthogonal(), spot, seed=k) for k in range(600)])
    assert abs(float((torch.linalg.det(found) > 0).float().mean()) - 0.5) < 0.06
    assert stats.kstest(found[:, 0, 0].double().numpy(), stats.arcsine(-1, 2).cdf).pvalue > 0.01


def deviations(module, x):
    found = []
    for layer in module[:-1]:
        x = layer(x)
        if not isinstance(layer, nn.Linear):
            found.append(float(x.std()))
    return found


@pytest.mark.parametrize(
    ("init", "act", "factor"),
    [
        (He(), nn.ReLU, 1.0),
        (Xavier(gain="auto"), nn.ReLU, 1.0),
        (Orthogonal(gain="auto"), nn.ReLU, 1.0),
        (FanIn(gain="auto"), nn.GELU, None),
        (LeCun(), nn.SELU, 1.0),
        (Normal(std=0.01), nn.ReLU, math.sqrt(256 * 0.01**2 / 2)),
        (Normal(std=1.0), nn.ReLU, math.sqrt(256 / 2)),
        (Uniform(), nn.ReLU, math.sqrt(1 / 6)),
        (Normal(std=0.01), nn.Identity, math.sqrt(256 * 0.01**2)),
    ],
    ids=str,
)
def test_variance_over_twenty_layers(init, act, factor, plain):
    """A layer changes the deviation by sqrt(n var(W) / 2) under ReLU, by sqrt(n var(W)) without."""
    module, x = plain(20, 256, act), torch.randn(256, 256, generator=generator(1, "x"))
    start(module, init, seed=0, batch=x)
    with torch.no_grad():
        found = deviations(module, x)
    if factor is None:
        assert 0.1 < found[-1] / found[0] < 10
    else:
        assert (found[-1] / found[0]) ** (1 / 19) == pytest.approx(factor, rel=0.04)


def test_xavier_and_tanh_follow_their_recursion(plain):
    """The variance q goes to E[tanh(sqrt(q) z)²] for z from N(0, 1), layer after layer."""
    module, x = plain(20, 512, nn.Tanh), torch.randn(256, 512, generator=generator(1, "x"))
    start(module, Xavier(), seed=0, batch=x)
    with torch.no_grad():
        found = deviations(module, x)
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    q = 1.0
    for measured in found:
        q = float(torch.trapezoid(torch.tanh(math.sqrt(q) * z) ** 2 * density, z))
        assert measured == pytest.approx(math.sqrt(q), rel=0.05)


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh])
def test_lsuv_gives_each_layer_unit_variance(act, plain):
    module, x = plain(12, 64, act), 7 + 3 * torch.randn(256, 64, generator=generator(1, "x"))
    rows = start(module, LSUV(tolerance=0.01), seed=0, batch=x)
    with torch.no_grad():
        for layer in module:
            x = layer(x)
            if isinstance(layer, nn.Linear):
                assert abs(float(x.var(correction=0)) - 1) < 0.01
    assert all(math.isnan(row.std_asked) and row.std_got > 0 for row in rows)
    w = module[2].weight.double()
    torch.testing.assert_close(w @ w.T, (w @ w.T)[0, 0] * torch.eye(64, dtype=torch.float64), atol=1e-5, rtol=1e-5)


def test_lsuv_in_convolutions_under_dropout_and_a_dead_input():
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 4)]
    module, x = nn.Sequential(*body), 5 * torch.randn(64, 3, 8, 8)
    start(module, LSUV(), seed=0, batch=(x, torch.zeros(64)))
    with torch.no_grad():
        assert abs(float(module[:4](x).var(correction=0)) - 1) < 0.2
    start(module, LSUV(), seed=0, batch=torch.zeros(4, 3, 8, 8))
    assert all(param.isfinite().all() for param in module.parameters())


def gradients(module, x):
    loss = F.cross_entropy(module(x), torch.arange(len(x)) % 10)
    module.zero_grad()
    loss.backward()
    return [layer.weight.grad for layer in module if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh])
def test_zeros_let_no_gradient_through(act, plain):
    module, x = plain(3, 16, act), torch.randn(32, 16, generator=generator(1, "x"))
    start(module, Zeros(), seed=0)
    assert not any(grad.any() for grad in gradients(module, x))


def test_a_constant_keeps_units_alike(plain):
    """After three steps the units of a hidden layer are still copies of one another; from He they are not."""
    for init, alike in ((Constant(value=0.05), True), (He(), False)):
        module, x = plain(2, 16, nn.Tanh), torch.randn(32, 16, generator=generator(1, "x"))
        start(module, init, seed=0)
        for _ in range(3):
            for layer, grad in zip([module[0], module[2], module[4]], gradients(module, x), strict=True):
                layer.weight.data.sub_(grad)
        rows = module[0].weight.detach()
        assert torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-6) == alike


class Residual(nn.Module):
    """Add `depth` branches of two layers each to one signal."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        for inner, last in zip(self.inner, self.last, strict=True):
            x = x + last(F.relu(inner(F.layer_norm(x, x.shape[1:]))))
        return x


@pytest.mark.parametrize("depth", [4, 16])
def test_depth_scaled_branches_sum_to_the_variance_of_one(depth):
    x = torch.randn(128, 64, generator=generator(1, "x"))
    grown = {}
    for init in (He(), DepthScaled(around="he"), DepthScaled(around="he", last="zero")):
        module = Residual(depth, 64)
        start(module, init, seed=0, batch=x)
        with torch.no_grad():
            grown[str(init)] = float(module(x).var() / x.var())
    plain, scaled, still = grown.values()
    assert plain == pytest.approx(1 + 2 * depth, rel=0.35)  # He's last layer doubles the second moment of its input
    assert scaled == pytest.approx(3, rel=0.35)
    assert still == 1


def test_depth_scaled_divides_the_ends_and_nothing_else():
    x = torch.randn(16, 8, generator=generator(1, "x"))
    one, two = Residual(4, 8), Residual(4, 8)
    start(one, He(), seed=0, batch=x)
    start(two, DepthScaled(around=He()), seed=0, batch=x)
    for k in range(4):
        assert torch.equal(one.inner[k].weight, two.inner[k].weight)
        torch.testing.assert_close(one.last[k].weight / 2, two.last[k].weight)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Normal(std=0), r"`Normal\(std=...\)` must lie in \(0, inf\), got 0"),
        (lambda: Normal(std="0.1"), r"`Normal\(std=...\)` must be a number, got '0.1'"),
        (lambda: Xavier(gain=-1.0), r"`Xavier\(gain=...\)` must lie in \(0, inf\) or be 'auto', got -1.0"),
        (lambda: Xavier(gain="relu"), r"`Xavier\(gain=...\)` must be a number or 'auto', got 'relu'"),
        (lambda: Xavier(gain=True), r"`Xavier\(gain=...\)` must be a number or 'auto', got True"),
        (lambda: Uniform(bound=float("nan")), r"`Uniform\(bound=...\)` must lie in \(0, inf\) or be 'auto', got nan"),
        (lambda: He(slope=-0.1), r"`He\(slope=...\)` must lie in \[0, inf\) or be 'auto', got -0.1"),
        (lambda: LSUV(max_passes=0), r"`LSUV\(max_passes=...\)` must lie in \[1, inf\), got 0"),
        (lambda: DepthScaled(around=LSUV()), r"`DepthScaled\(around=...\)` must not look at data itself, got 'lsuv'"),
        (lambda: DepthScaled(around=DepthScaled()), r"must not look at data itself, got 'depth-scaled'"),
        (lambda: start(nn.Linear(2, 2), "he", seed=0), r"`start\(init=...\)` must be an Init, got 'he'"),
        (lambda: start(nn.Linear(2, 2), LSUV(), seed=0), r"`LSUV` looks at data; give `start` a batch"),
        (lambda: start(nn.Linear(2, 2), DepthScaled(), seed=0), r"`DepthScaled` looks at data; give `start` a batch"),
    ],
)
def test_bad_input_gets_one_sentence(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownName, match=r"Unknown value of He\(mode=...\) 'fan-in': did you mean 'fan_in'\?"):
        He(mode="fan-in")
    with pytest.raises(UnknownName, match=r"did you mean 'xavier'\?"):
        DepthScaled(around="xaver")
