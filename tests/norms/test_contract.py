"""What every norm owes: it trains alone and in a population, traced and compiled, and goes on where it stopped."""

import copy
import dataclasses
import doctest
import importlib
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import thalweg.norms
from thalweg.core import UsageError, coerce, from_plain, to_plain
from thalweg.core.words import LANGUAGES, catalogue
from thalweg.norms import NORMS, BatchNorm, BatchRenorm, GroupNorm, Norm, SpectralNorm
from thalweg.norms.base import FeatureNorm, WeightParametrisation

WIDTH = 4
SHAPES = {"dense": (6, WIDTH), "images": (5, WIDTH, 3, 2)}
AT_WORK = "batch-renorm at work"
NUMBERS: dict[str, Norm] = {
    **{name: member() for name, member in NORMS.items() if name != "group"},
    "group": GroupNorm(num_groups=2),
    AT_WORK: BatchRenorm(hold=0, ramp=2, momentum=0.3, r_max=1.5, d_max=0.5),
    "spectral twice": SpectralNorm(num_iterations=2),
}
Case = tuple[str, str]
CASES = [(name, kind) for name in NUMBERS for kind in SHAPES if (name, kind) != ("instance", "dense")]


def make(case: Case, seed: int = 0) -> nn.Module:
    """Make the norm alone, or the layer whose weights it changes, in training, with parameters as after some steps."""
    name, kind = case
    norm = NUMBERS[name]
    torch.manual_seed(seed)
    if isinstance(norm, FeatureNorm):
        module = norm.build(WIDTH, len(SHAPES[kind]) - 2)
    else:
        assert isinstance(norm, WeightParametrisation)
        module = nn.Linear(WIDTH, 3) if kind == "dense" else nn.Conv2d(WIDTH, 3, 2)
        norm.wrap(module)
    with torch.no_grad():
        for param in module.parameters():
            param.add_(0.1 * torch.randn_like(param))
    return module.train()


def draw(case: Case, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPES[case[1]], generator=generator) * 2 + 1


def loss_of(outputs: Tensor) -> Tensor:
    """Weigh every output differently, so that what normalises does not make the gradient vanish."""
    weights = torch.linspace(0.1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return (outputs.sin() * weights).sum()


@pytest.fixture(params=CASES, ids=[", ".join(case) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


def step(module: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    loss = loss_of(module(x))
    return loss.detach(), list(torch.autograd.grad(loss, list(module.parameters())))


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_members_of_a_population_agree_with_the_loop(case: Case, mode: bool) -> None:
    modules = [make(case, seed).train(mode) for seed in range(3)]
    params, buffers = torch.func.stack_module_state(modules)
    params = {name: param.detach() for name, param in params.items()}

    def loss(params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return loss_of(functional_call(modules[0], params | buffers, (x,)))

    for time in range(3):
        batches = torch.stack([draw(case, 10 * time + member) for member in range(3)])
        before = {name: buffer.clone() for name, buffer in modules[0].named_buffers()}
        grads, losses = vmap(grad_and_value(loss))(params, buffers, batches)
        assert same(dict(modules[0].named_buffers()), before)  # statistics belong to the members
        for member, module in enumerate(modules):
            expected, expected_grads = step(module, batches[member])
            torch.testing.assert_close(losses[member], expected, rtol=1e-5, atol=1e-5)
            for grad, wanted in zip(grads.values(), expected_grads, strict=True):
                torch.testing.assert_close(grad[member], wanted, rtol=1e-4, atol=1e-5)
            for name, wanted in module.named_buffers():
                torch.testing.assert_close(buffers[name][member], wanted, rtol=1e-5, atol=1e-6)


def test_a_recording_plays_bit_for_bit(case: Case) -> None:
    module = make(case)
    names = [name for name, _ in module.named_parameters()]
    buffer_names = [name for name, _ in module.named_buffers()]

    def pure(*tensors: Tensor) -> tuple[Tensor, ...]:
        weights = [w.detach().requires_grad_() for w in tensors[: len(names)]]
        values = dict(zip(names, weights, strict=True)) | dict(zip(buffer_names, tensors[len(names) : -1], strict=True))
        loss = loss_of(functional_call(module, values, (tensors[-1],)))
        return (loss.detach(), *torch.autograd.grad(loss, weights))

    def state() -> list[Tensor]:
        return [tensor.detach().clone() for tensor in (*module.parameters(), *module.buffers())]

    recorded = make_fx(pure)(*state(), draw(case))
    ours, theirs = state(), state()
    for seed in (1, 2, 3):
        played, taken = recorded(*ours, draw(case, seed)), pure(*theirs, draw(case, seed))
        assert all(torch.equal(one, two) for one, two in zip(played, taken, strict=True))
        assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))
    changed = any(not torch.equal(one, two) for one, two in zip(ours, state(), strict=True))
    assert changed == bool(buffer_names)


@pytest.mark.parametrize("case", [case for case in CASES if case[1] == "dense" or case[0] == "instance"], ids=", ".join)
def test_a_compiled_step_is_that_of_autograd(case: Case) -> None:
    torch.compiler.reset()
    module, plain = make(case), make(case)
    whole = not case[0].startswith("batch-renorm")  # its correction stays outside, see there
    compiled = torch.compile(module, backend="aot_eager", fullgraph=whole)
    for seed in (1, 2, 3):
        (loss, grads), (expected, expected_grads) = step(compiled, draw(case, seed)), step(plain, draw(case, seed))
        torch.testing.assert_close([loss, *grads], [expected, *expected_grads], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dict(module.named_buffers()), dict(plain.named_buffers()))


def test_what_was_saved_goes_on_as_if_uninterrupted(case: Case) -> None:
    module, resumed = make(case), make(case, seed=1)
    for seed in (1, 2):
        module(draw(case, seed))
    resumed.load_state_dict(copy.deepcopy(module.state_dict()))
    for seed in (3, 4):
        assert torch.equal(module(draw(case, seed)), resumed(draw(case, seed)))
    assert same(module.state_dict(), resumed.state_dict())
    assert torch.equal(module.eval()(draw(case)), resumed.eval()(draw(case)))


def test_copies_and_pickles_are_the_module(case: Case) -> None:
    module = make(case)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(again) is type(module)
        assert torch.equal(again(draw(case)), make(case)(draw(case)))


def test_nan_stays_in_its_member(case: Case) -> None:
    modules = [make(case, seed) for seed in range(3)]
    params, buffers = torch.func.stack_module_state(modules)
    batches = torch.stack([draw(case, member) for member in range(3)])
    batches[1, 0] = torch.nan

    def outputs(params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(modules[0], params | buffers, (x,))

    found = vmap(outputs)(params, buffers, batches)
    assert found[1].isnan().any()
    for tensor in (found, *buffers.values()):
        assert tensor[[0, 2]].isfinite().all()


def test_testing_changes_nothing(case: Case) -> None:
    module = make(case)
    module(draw(case))
    before = copy.deepcopy(module.state_dict())
    first = module.eval()(draw(case, 1))
    assert torch.equal(module(draw(case, 1)), first)
    assert same(module.state_dict(), before)
    assert torch.allclose(module(draw(case, 1)[:2]), first[:2], atol=1e-6)  # whatever the company


DERIVED = [case for case in CASES if case[1] == "images" or case[0] in ("layer", "rms")]
MODES = [
    *((case, True) for case in DERIVED if not case[0].startswith("spectral") and case[0] != AT_WORK),
    *((case, False) for case in DERIVED if case[0] in ("batch", "spectral", AT_WORK)),
]


@pytest.mark.parametrize(("case", "mode"), MODES, ids=[f"{', '.join(case)}, {mode}" for case, mode in MODES])
def test_derivatives_are_those_of_the_function(case: Case, mode: bool) -> None:
    """In training where the definition keeps nothing out of the gradient, as it does r and d and singular vectors."""
    module = make(case)
    module(draw(case))
    module.double().train(mode)
    names = [name for name, _ in module.named_parameters()]

    def outputs(x: Tensor, *weights: Tensor) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        return functional_call(module, dict(zip(names, weights, strict=True)) | buffers, (x,))

    point = [draw(case).double(), *(param.detach().clone() for param in module.parameters())]
    point = [tensor.requires_grad_() for tensor in point]
    assert torch.autograd.gradcheck(outputs, point, fast_mode=True)
    assert torch.autograd.gradgradcheck(outputs, point, fast_mode=True)


def test_half_precision_gives_nearly_the_same(case: Case) -> None:
    module, exact = make(case), make(case)
    for x in (draw(case), draw(case).bfloat16()):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = module(x)
        assert all(tensor.dtype != torch.bfloat16 for tensor in module.state_dict().values())
        torch.testing.assert_close(outputs.float(), exact(draw(case)), rtol=0.05, atol=0.05)
        (grad,) = torch.autograd.grad(loss_of(outputs), [module.weight])
        assert grad.isfinite().all()


def test_scale_goes_away(case: Case) -> None:
    """The input's for what follows a layer, the weights' for what changes them."""
    name, _ = case
    if name == AT_WORK:  # its moving averages remember the scale
        return
    module, x = make(case).double(), draw(case).double()
    if isinstance(NUMBERS[name], FeatureNorm):
        torch.testing.assert_close(module(3000 * x), make(case).double()(1000 * x))
    else:
        outputs = module(x)
        again = make(case).double()
        with torch.no_grad():
            again.weight.mul_(1000)
        torch.testing.assert_close(again(x), outputs)


def test_the_bias_that_is_taken_away_is_the_one_that_is_said(case: Case) -> None:
    norm = NUMBERS[case[0]]
    if not isinstance(norm, FeatureNorm) or case[0] == AT_WORK:  # at work it remembers the mean without it for a while
        return
    x = draw(case)
    bias = torch.tensor([1.0, -2.0, 0.5, 3.0]).view(-1, *[1] * (x.ndim - 2))
    assert torch.allclose(make(case)(x + bias), make(case)(x), atol=1e-4) == norm.takes_bias


@pytest.mark.parametrize("name", [name for name, member in NORMS.items() if getattr(member, "reads_positions", False)])
def test_positions_are_read_one_by_one(name: str) -> None:
    module, x = make((name, "dense")), torch.randn(3, 5, WIDTH)
    expected = torch.stack([torch.stack([module(x[b, t][None])[0] for t in range(5)]) for b in range(3)])
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("name", NORMS)
def test_a_batch_of_one_is_normalised_or_refused_in_one_sentence(name: str) -> None:
    if name not in ("instance",):
        case = (name, "dense")
        module, x = make(case), draw(case)[:1]
        if name.startswith("batch"):
            before = copy.deepcopy(module.state_dict())
            with pytest.raises(UsageError, match=r"Batch norm needs a batch of two examples or more while training"):
                module(x)
            assert same(module.state_dict(), before)
        else:
            assert module(x).isfinite().all()
        assert module.eval()(x).shape[0] == 1
    case = (name, "images")
    assert make(case)(draw(case)[:1]).isfinite().all()  # places are enough


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_drawn_by_spectral_norm_alone(name: str) -> None:
    norm = NUMBERS[name]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    if isinstance(norm, FeatureNorm):
        norm.build(WIDTH, 2)
    else:
        norm.wrap(nn.utils.skip_init(nn.Linear, 2, 2))  # type: ignore[attr-defined]
    assert torch.equal(torch.get_rng_state(), before) == (not name.startswith("spectral"))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_plain_description_gives_the_norm_back(name: str) -> None:
    norm = NUMBERS[name]
    assert from_plain(NORMS, to_plain(norm), "norm") == norm
    assert coerce(Norm, to_plain(norm), "norm") == norm
    assert coerce(Norm | None, type(norm).name, "norm") == type(norm)()
    assert coerce(Norm | None, "none", "norm") is None


def test_the_catalogue_is_lists_and_words() -> None:
    assert Norm.catalogue() == NORMS
    assert set(NORMS) == {"batch", "batch-renorm", "group", "instance", "layer", "rms", "spectral", "weight"}
    for lang in LANGUAGES:
        words = catalogue(lang, "norms")
        assert set(words) == set(NORMS)
        assert all("{" not in line and len(line) > 8 for line in words.values())
    for member in NORMS.values():
        assert re.search(r"\n    Source: \w", member.__doc__ or ""), member


def test_the_examples_in_the_files_are_true() -> None:
    found = 0
    for file in sorted(Path(thalweg.norms.__file__).parent.glob("*.py")):
        name = "thalweg.norms" + ("" if file.stem == "__init__" else f".{file.stem}")
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name
        found += result.attempted
    assert found > 15


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: GroupNorm(num_groups=3).build(4, 2), r"`GroupNorm\(num_groups=...\)` must divide the 4 .*groups=2"),
        (lambda: GroupNorm(num_groups=4).build(4, 0), r"into groups of two or more, got 4. Use num_groups=2"),
        (lambda: GroupNorm(num_groups=2).build(1, 0), r"got 2. Use another norm"),
        (lambda: GroupNorm(num_groups=0), r"must lie in \[1, inf\), got 0"),
        (lambda: GroupNorm(num_groups=2.5), r"must be a whole number, got 2.5"),
        (lambda: NORMS["instance"]().build(4, 0), r"needs images.*Use norm='layer'"),  # type: ignore[attr-defined]
        (lambda: BatchNorm(momentum=0.0), r"`BatchNorm\(momentum=...\)` must lie in \(0, 1\], got 0.0"),
        (lambda: BatchNorm(eps=float("nan")), r"`BatchNorm\(eps=...\)` must lie in \(0, inf\), got nan"),
        (lambda: BatchRenorm(r_max=0.5), r"must lie in \[1, inf\), got 0.5"),
        (lambda: SpectralNorm(num_iterations=0), r"must lie in \[1, inf\), got 0"),
        (lambda: coerce(Norm, "bach", "MLP.norm"), r"did you mean 'batch'"),
        (lambda: coerce(Norm, {"kind": "group", "groups": 2}, "norm"), r"did you mean 'num_groups'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        call()  # type: ignore[operator]


def test_a_norm_is_a_value() -> None:
    assert BatchNorm() == BatchNorm() and hash(BatchNorm()) == hash(BatchNorm()) and BatchNorm() != BatchNorm(eps=1e-3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        BatchNorm().eps = 1.0  # type: ignore[misc]
