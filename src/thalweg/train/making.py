"""From a recipe to a job: every open question answered, and said; what does not fit together refused."""

import dataclasses
import math

import torch
from torch import Tensor, nn

from thalweg.core import Message, UnknownName, UsageError, knobs, law, message, owner_of, to_text
from thalweg.core.random import generator
from thalweg.data import Dataset, Prepared, prepare
from thalweg.init import start as start_weights
from thalweg.model import Loss, Model, build_seeded, convnet, loss_for, metrics_for, mlp, transformer
from thalweg.optim import layout, matching
from thalweg.rules import Layout
from thalweg.schedules import must_fit, progress
from thalweg.train.compiled import Compiled, block_length
from thalweg.train.job import Epoch, Job, bounds, describe
from thalweg.train.recipe import Recipe, default_schedule
from thalweg.train.regularising import links
from thalweg.train.state import FLAT_LIMIT, State, begin
from thalweg.train.step import Direct, Played, Stepper, Task
from thalweg.train.transfer import take_over

TARGET_STEPS = 4000  # what a run of a small network is given by default; enough for the sets in benchmarks/defaults.py
TRAIN_SAMPLE = 512  # training examples, drawn once for the run, that an evaluation looks at beside the validation data
CHECKED_STEPS = 4096  # of a run, at most, at which the numbers that schedules give are looked at before it begins
EVALUATION_STEPS = 50  # at least so many steps lie between two evaluations by default


def make_job(recipe: Recipe, *, dataset: Dataset | None = None, fresh: bool = True) -> Job:
    """Make a recipe ready to run. The same recipe gives the same job, bit for bit.

    `fresh` False leaves out what a checkpoint will overwrite: another network's weights. Raises `DataError` for data
    that cannot be learnt from, `UsageError` for parts that do not fit each other.
    """
    dataset = recipe.data.load() if dataset is None else dataset
    data = prepare(dataset, split=recipe.split, scaler=recipe.scaler, seed=recipe.seed)
    device = choose_device(recipe.device)
    said = [*data.said, message("train.device", device=str(device))] if recipe.device == "auto" else list(data.said)
    data = dataclasses.replace(
        data, train=data.train.to(device), validation=data.validation.to(device), test=data.test.to(device)
    )
    model = _fill_vocabulary(recipe.model or default_model(data.preparation.kind), data)
    preparation = data.preparation
    module = build_seeded(model, preparation.input_shape, preparation.num_outputs, recipe.seed).to(device)
    loss = recipe.loss or loss_for(preparation.task, preparation.num_outputs)
    _check_fit(module, loss, data)
    schedule = recipe.schedule or default_schedule(recipe.rule)
    recipe = dataclasses.replace(recipe, model=model, loss=loss, scaler=preparation.scaler, schedule=schedule)
    recipe, more = _resolve_sizes(recipe, data)
    said += _start(module, recipe, data, fresh=fresh)
    bf16 = recipe.precision == "bfloat16" or (recipe.precision == "auto" and device.type == "cuda")
    recipe = dataclasses.replace(recipe, device=str(device), precision="bfloat16" if bf16 else "float32")
    places = layout(
        module, num_outputs=preparation.num_outputs, decay_on=recipe.decay_on, layer_decay=recipe.layer_decay
    )
    state = _lay_out(module, recipe, places, num_examples=len(data.train))
    task = Task(loss=loss, rule=recipe.rule, hyper=recipe.hyper(), windows=recipe.windows, bf16=bf16)
    playable = type(model).traceable and _is_small(state) and device.type == "cpu" and not bf16
    per_epoch = len(bounds(len(data.train), recipe.batch_size or 1)) - 1
    _check_compile(recipe, state, playable=playable)
    stepper = choose_stepper(state, task, playable=playable, compile=recipe.compile, num_batches=per_epoch)
    count = sum(parameter.numel() for parameter in module.parameters())
    said += [message("train.model", model=describe(model), parameters=f"{count:,}"), *more]
    said += [say_roles(state, places)] if recipe.hyper().get("weight_decay") or not state.fitted.flat else []
    said += [message("train.penalty", penalties=", ".join(map(to_text, recipe.penalties)))] if recipe.penalties else []
    order = torch.randperm(len(data.train), generator=generator(recipe.seed, "sample"))
    job = Job(recipe, data, loss, state, stepper, device, per_epoch, order[:TRAIN_SAMPLE], tuple(said), places)
    _check_moves(job)
    return job


def _start(module: nn.Module, recipe: Recipe, data: Prepared, *, fresh: bool) -> list[Message]:
    """Give the module its first weights and freeze what is not to train; return what is to be said of it."""
    said = []
    batch = data.train.batch(torch.arange(min(256, len(data.train)), device=data.train.targets.device))
    if recipe.init is not None and fresh:
        start_weights(module, recipe.init, seed=recipe.seed, batch=batch)
        said.append(message("train.init", init=describe(recipe.init)))
    if recipe.transfer is not None and fresh:
        said.append(take_over(module, recipe.transfer, num_outputs=data.preparation.num_outputs))
    still = matching(module, recipe.freeze)
    for name in still:
        module.get_parameter(name).requires_grad_(False)
    if still:
        count = sum(module.get_parameter(name).numel() for name in still)
        said.append(message("train.frozen", layers=", ".join(recipe.freeze), tensors=len(still), numbers=f"{count:,}"))
    return said


def _lay_out(module: nn.Module, recipe: Recipe, places: Layout, *, num_examples: int) -> State:
    first, last = links(recipe.penalties, recipe.constraint, num_examples=num_examples)
    return begin(module, recipe.rule, layout=places, first=first, last=last)


def _is_small(state: State) -> bool:
    kinds = {(param.dtype, param.device) for param in state.trainable.values()}
    return len(kinds) == 1 and sum(param.numel() for param in state.trainable.values()) <= FLAT_LIMIT


def _check_compile(recipe: Recipe, state: State, *, playable: bool) -> None:
    """Raise `UsageError` where steps cannot be compiled."""
    if not recipe.compile:
        return
    if not playable:
        raise UsageError("compile=True is for our own models of up to 300,000 weights on the CPU; leave it out.")
    wish, found = "element-wise rules", recipe.rule.name
    if recipe.unfreeze_every or any(not param.requires_grad for param in state.module.parameters()):
        wish, found = "networks that train as a whole", "frozen layers"
    elif recipe.constraint is not None:
        wish, found = "steps without a constraint", recipe.constraint.name
    elif state.fitted.asks_twice:
        wish = "rules that need one gradient a step"
    elif state.is_flat:
        return
    raise UsageError(f"compile=True is for {wish}, got {found}; leave it out.")


def _check_moves(job: Job) -> None:
    """Raise `UsageError` for a schedule that is longer than the run, or that reads a metric that there is not."""
    recipe = job.recipe
    for schedule in job.schedules.values():
        must_fit(
            schedule, steps_per_epoch=job.steps_per_epoch, num_steps=job.num_steps, batch_size=recipe.batch_size or 1
        )
    _check_laws(job)
    known = {"loss", *(metric.name for metric in metrics_for(job.task))}
    for name in job.metrics_read:
        if name not in known:
            raise UnknownName("metric of a schedule", name, known)
        if not len(job.data.validation):
            raise UsageError(
                f"A schedule waits for the validation {name}, and there are no validation data; split some off."
            )
    if recipe.augment:
        job.loss.check_shapes(*_two_outputs(job))


def _check_laws(job: Job) -> None:
    """Raise `UsageError` where a schedule would take a number of the rule out of its law: a momentum to 1, say."""
    count = min(job.num_steps, CHECKED_STEPS)
    steps = torch.linspace(0, max(job.num_steps - 1, 0), count, dtype=torch.float64).round()
    at = progress(
        steps, steps_per_epoch=job.steps_per_epoch, num_steps=job.num_steps, batch_size=job.recipe.batch_size or 1
    )
    for name, schedule in job.recipe.schedules.items():
        owner = owner_of(job.recipe.rule, name)
        if owner is None:
            continue  # a penalty's strength, which may be anything from 0 on
        knob, start = knobs(type(owner))[name], job.recipe.hyper()[name]
        for step, factor in zip(steps.tolist(), schedule.factor(at).tolist(), strict=True):
            if not knob.allows(start * factor):
                call = f"schedules={{{name!r}: {describe(schedule)}}}"
                raise law(call, f"must keep {name} in {knob.law}", start * factor, f"That is at step {step:.0f}.")


def _two_outputs(job: Job) -> tuple[Tensor, Tensor]:
    block = job.augmented(Epoch(job.data.train, batch_size=2, seed=0, epoch=0).block(0))
    module, mode = job.state.module, job.state.module.training
    module.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        outputs = module(block.x)
    module.train(mode)
    return outputs, block.y


def say_roles(state: State, places: Layout) -> Message:
    """Return the roles of the parameters that train, in a sentence: how many tensors and numbers each has."""
    counts: dict[str, list[int]] = {}
    for name, param in state.trainable.items():
        counts.setdefault(places[name].role, []).append(param.numel())
    shown = [f"{role} {len(sizes)} ({sum(sizes):,})" for role, sizes in counts.items()]
    decays = sorted({place.role for name, place in places.items() if place.weight_decay})
    return message("train.roles", roles=", ".join(shown), decays=", ".join(decays) or "-")


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
    if compile:
        return Compiled(state, task, length=block_length(num_batches))
    return Played(state, task) if playable else Direct(state, task)


def default_model(kind: str) -> Model:
    """Return the network that a kind of data gets when none is asked for."""
    if kind == "image":
        return convnet(16, 32)
    return transformer() if kind == "tokens" else mlp(64, 64)


def _fill_vocabulary(model: Model, data: Prepared) -> Model:
    names = [field.name for field in dataclasses.fields(model)]  # type: ignore[arg-type]
    if data.preparation.kind == "tokens" and "vocabulary" in names:
        return dataclasses.replace(model, vocabulary=len(data.preparation.vocabulary))  # type: ignore[type-var]
    if data.preparation.kind == "tokens" and type(model).traceable:
        raise UsageError(f"{type(model).__name__} cannot read text; use transformer() or recurrent().")
    return model


def _check_fit(module: nn.Module, loss: Loss, data: Prepared) -> None:
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
