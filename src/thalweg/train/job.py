"""A run made ready: data on the device, weights laid out, every open question of the recipe answered and said."""

import dataclasses
import itertools
import math

import torch
from torch import Tensor

from thalweg.core import Message, UsageError, message
from thalweg.core.random import generator
from thalweg.data import Dataset, Part, Prepared, epoch_order, prepare
from thalweg.model import Built, Loss, Model, build_seeded, convnet, loss_for, mlp, transformer
from thalweg.schedules import progress
from thalweg.train.compiled import Compiled, block_length
from thalweg.train.recipe import Recipe
from thalweg.train.state import State, begin
from thalweg.train.step import Block, Direct, Played, Stepper, Task

TARGET_STEPS = 4000  # what a run of a small network is given by default; enough for the sets in benchmarks/defaults.py
TRAIN_SAMPLE = 512  # training examples, drawn once for the run, that an evaluation looks at beside the validation data
EVALUATION_STEPS = 50  # at least so many steps lie between two evaluations by default
_GATHER_LIMIT = 1 << 26  # bytes of training data up to which a whole epoch is put in order at once


@dataclasses.dataclass
class Job:
    """Hold a run ready to be stepped. `recipe` is resolved; `said` tells what was decided for the user."""

    recipe: Recipe
    data: Prepared
    loss: Loss
    state: State
    stepper: Stepper
    device: torch.device
    steps_per_epoch: int
    sample: Tensor  # of training examples: the fixed ones that evaluations look at
    said: tuple[Message, ...]

    @property
    def num_steps(self) -> int:
        return self.steps_per_epoch * (self.recipe.epochs or 0)

    @property
    def task(self) -> str:
        return self.data.preparation.task

    def rates(self, start: int, count: int) -> list[float]:
        """Return the learning rate of each of `count` steps from `start` on."""
        steps = torch.arange(start, start + count)
        at = progress(steps, steps_per_epoch=self.steps_per_epoch, num_steps=self.num_steps)
        factors: list[float] = self.recipe.schedule.factor(at).tolist()
        return [self.recipe.rule.lr * factor for factor in factors]


class Epoch:
    """Hold the batches of one epoch in blocks of `length`, in the order that seed and number of the epoch fix."""

    def __init__(self, part: Part, *, batch_size: int, seed: int, epoch: int, length: int = 1) -> None:
        self._part = part
        cuts = bounds(len(part), batch_size)
        sizes = [end - start for start, end in itertools.pairwise(cuts)]
        self._sizes = [tuple(sizes[k : k + length]) for k in range(0, len(sizes), length)]
        self._cuts = [*cuts[:-1:length], cuts[-1]]
        self._order = epoch_order(len(part), seed=seed, epoch=epoch)
        self._ready: list[tuple[Tensor, Tensor]] = []
        if part.resident and len(part) * math.prod(part.inputs.shape[1:]) * 4 <= _GATHER_LIMIT:
            lengths = [sum(block) for block in self._sizes]
            self._ready = list(zip(*(tensor.split(lengths) for tensor in part.batch(self._order)), strict=True))

    def __len__(self) -> int:
        return len(self._sizes)

    def block(self, k: int) -> Block:
        """Return block `k`: its batches one after the other, and how many examples each has."""
        x, y = self._ready[k] if self._ready else self._part.batch(self._order[self._cuts[k] : self._cuts[k + 1]])
        return Block(x, y, self._sizes[k])


def bounds(num_examples: int, batch_size: int) -> list[int]:
    """Return where batches begin and end. A last batch of one joins the one before: batch norm needs two examples."""
    cuts = list(range(0, num_examples, batch_size))
    if len(cuts) > 1 and num_examples - cuts[-1] == 1 and batch_size > 1:
        cuts.pop()
    return [*cuts, num_examples]


def make_job(recipe: Recipe, *, dataset: Dataset | None = None) -> Job:
    """Make a recipe ready to run. The same recipe gives the same job, bit for bit.

    Raises `DataError` for data that cannot be learnt from, `UsageError` for parts that do not fit each other.
    """
    dataset = recipe.data.load() if dataset is None else dataset
    data = prepare(dataset, split=recipe.split, scaler=recipe.scaler, seed=recipe.seed)
    device = choose_device(recipe.device)
    said = [*data.said, message("train.device", device=str(device))] if recipe.device == "auto" else list(data.said)
    data = dataclasses.replace(
        data, train=data.train.to(device), validation=data.validation.to(device), test=data.test.to(device)
    )
    model = _fill_vocabulary(recipe.model or default_model(data), data)
    preparation = data.preparation
    module = build_seeded(model, preparation.input_shape, preparation.num_outputs, recipe.seed).to(device)
    loss = recipe.loss or loss_for(preparation.task, preparation.num_outputs)
    _check_fit(module, loss, data)
    recipe = dataclasses.replace(recipe, model=model, loss=loss, scaler=preparation.scaler)
    recipe, more = _resolve_sizes(recipe, data)
    bf16 = recipe.precision == "bfloat16" or (recipe.precision == "auto" and device.type == "cuda")
    recipe = dataclasses.replace(recipe, device=str(device), precision="bfloat16" if bf16 else "float32")
    state = begin(module, recipe.rule)
    task = Task(loss=loss, rule=recipe.rule, windows=recipe.windows, bf16=bf16)
    playable = type(model).traceable and "flat" in state.params and device.type == "cpu" and not bf16
    per_epoch = len(bounds(len(data.train), recipe.batch_size or 1)) - 1
    stepper = choose_stepper(state, task, playable=playable, compile=recipe.compile, num_batches=per_epoch)
    count = sum(parameter.numel() for parameter in module.parameters())
    said += [message("train.model", model=describe(model), parameters=f"{count:,}"), *more]
    order = torch.randperm(len(data.train), generator=generator(recipe.seed, "sample"))
    return Job(recipe, data, loss, state, stepper, device, per_epoch, order[:TRAIN_SAMPLE], tuple(said))


def choose_device(name: str) -> torch.device:
    """Return the device asked for; "auto" takes CUDA, then Apple's MPS, then the CPU. Raises `UsageError` if it is
    not there.
    """
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device={name!r} cannot be used here ({reason}); use 'cpu' or 'auto'.") from None
    return device


def choose_stepper(state: State, task: Task, *, playable: bool, compile: bool, num_batches: int) -> Stepper:
    """Choose how steps are taken, by the network and the recipe alone."""
    if compile and not playable:
        raise UsageError("compile=True is for our own models of up to 300,000 weights on the CPU; leave it out.")
    if compile:
        return Compiled(state, task, length=block_length(num_batches))
    return Played(state, task) if playable else Direct(state, task)


def default_model(data: Prepared) -> Model:
    """Return the network that a kind of data gets when none is asked for."""
    preparation = data.preparation
    if preparation.kind == "image":
        return convnet(16, 32)
    if preparation.kind == "tokens":
        return transformer()
    return mlp(64, 64)


def describe(model: Model) -> str:
    """Write a model in a few words: its name and the fields that differ from their defaults."""
    if isinstance(model, Built):
        return type(model.module).__name__
    fields = [f for f in dataclasses.fields(model) if f.name != "vocabulary"]  # type: ignore[arg-type]
    shown = [f"{f.name}={getattr(model, f.name)}" for f in fields if getattr(model, f.name) != f.default]
    return f"{model.name}({', '.join(shown)})"


def _fill_vocabulary(model: Model, data: Prepared) -> Model:
    names = [field.name for field in dataclasses.fields(model)]  # type: ignore[arg-type]
    if data.preparation.kind == "tokens" and "vocabulary" in names:
        return dataclasses.replace(model, vocabulary=len(data.preparation.vocabulary))  # type: ignore[type-var]
    if data.preparation.kind == "tokens" and type(model).traceable:
        raise UsageError(f"{type(model).__name__} cannot read text; use transformer() or recurrent().")
    return model


def _check_fit(module: torch.nn.Module, loss: Loss, data: Prepared) -> None:
    """Run two examples through, so that shapes that do not fit are met before training, in one sentence."""
    x, y = data.train.batch(torch.arange(min(2, len(data.train)), device=data.train.targets.device))
    mode = module.training
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs = module(x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, UsageError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"The model does not take inputs of shape {tuple(x.shape)}: {reason}") from error
    finally:
        module.train(mode)
    if not isinstance(outputs, Tensor):
        raise UsageError(f"The model must return a tensor, got {type(outputs).__name__}; return the outputs alone.")
    loss.check_shapes(outputs, y, data.preparation.num_outputs)


def _resolve_sizes(recipe: Recipe, data: Prepared) -> tuple[Recipe, list[Message]]:
    """Fill in batch size, epochs and the cadence of evaluations."""
    examples, said = len(data.train), []
    size = recipe.batch_size or (16 if examples < 400 else 32 if examples < 4000 else 64)
    if size > examples:
        if recipe.batch_size:
            said.append(message("train.full_batch", asked=size, examples=examples))
        size = examples
    per_epoch = len(bounds(examples, size)) - 1
    epochs = recipe.epochs or min(max(math.ceil(TARGET_STEPS / per_epoch), 5), 400)
    if recipe.epochs is None:
        said.append(message("train.epochs", epochs=epochs, steps=f"{epochs * per_epoch:,}"))
    every = recipe.evaluate_every or max(1, math.ceil(EVALUATION_STEPS / per_epoch))
    if recipe.windows > size:
        raise UsageError(f"`windows` must lie in [1, batch size {size}], got {recipe.windows}.")
    if recipe.compile:
        said.append(message("train.compiled", steps=block_length(per_epoch)))
    if recipe.windows > 1:
        said.append(message("train.steps_in_window", windows=recipe.windows))
    if not len(data.validation):
        recipe = dataclasses.replace(recipe, stop=None)
        said.append(message("train.no_validation"))
    return dataclasses.replace(recipe, batch_size=size, epochs=epochs, evaluate_every=min(every, epochs)), said
