"""What a watch writes down: operations of a look, the curve of an optimizer, and the case that holds them all.

A look is one stretch of the script, from the end of one step to the end of the next (or one evaluation), of which every
operation was written down. Tensors are named by number: a number is one value of one tensor, so that a change in place
makes a new number. With its leaves at hand a look is a straight-line program that can be run again.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from thalweg.diagnosis.watching.places import Place


@dataclasses.dataclass(frozen=True, slots=True)
class Ref:
    """Stand for a tensor in the arguments of an operation."""

    number: int


@dataclasses.dataclass(slots=True)
class Op:
    """Hold one call of a torch function or of a module, or an event (`backward`, `step`, `zero_grad`).

    `args`, `kwargs` and `result` hold `Ref`s for tensors. `depth` counts the module calls around it: the operations of
    depth 0 alone are the whole program, the deeper ones are what happened inside their modules. `module` is the
    innermost module around it.
    """

    kind: Literal["function", "module", "event"]
    name: str
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: Place | None
    depth: int
    module: nn.Module | None
    grad: bool  # whether gradients were being recorded
    training: bool | None = None  # of a module called
    optimizer: torch.optim.Optimizer | None = None  # of a step


@dataclasses.dataclass(slots=True)
class Value:
    """Hold what is known of one tensor without keeping it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool
    is_leaf: bool
    node: str | None  # name of its autograd function
    parameter: nn.Parameter | None
    maker: int | None  # index of the operation that made it, None for what came from outside
    within: int | None = None  # for what a module returned: the number it had inside


@dataclasses.dataclass(slots=True)
class Sample:
    """Hold the sizes of one parameter at one step: root mean squares; `grad` is None where it got none."""

    grad: float | None
    weight: float
    update: float  # NaN where it was not taken by an optimizer


@dataclasses.dataclass(slots=True)
class Look:
    """Hold one stretch of which all was written down.

    `tensors` keeps leaves, and values outside modules while room lasts.
    `kind` is `train` where it holds a backward pass, `view` for an evaluation. `versions` are those of kept leaves when
    they were first met: a leaf whose version moved has been changed since.
    """

    kind: Literal["train", "view"]
    step: int
    ops: list[Op] = dataclasses.field(default_factory=list)
    values: list[Value] = dataclasses.field(default_factory=list)
    tensors: dict[int, Tensor] = dataclasses.field(default_factory=dict)
    versions: dict[int, int] = dataclasses.field(default_factory=dict)
    samples: dict[str, Sample] = dataclasses.field(default_factory=dict)
    loss: float = float("nan")
    whole: bool = True  # False where recording was cut off
    stale: dict[int, bool] = dataclasses.field(default_factory=dict)  # id of optimizer: gradients were never cleared
    plans: dict[Any, Any] = dataclasses.field(default_factory=dict)  # what replays have worked out

    def events(self, name: str) -> Iterator[Op]:
        return (op for op in self.ops if op.kind == "event" and op.name == name)

    def losses(self) -> list[int]:
        """Return the numbers of the tensors from which a backward pass began whose gradients were not thrown away."""
        events = [op for op in self.ops if op.kind == "event" and op.name in ("backward", "discard")]
        last = max((place for place, op in enumerate(events) if op.name == "discard"), default=-1)
        return [number for op in events[last + 1 :] for number in op.inputs]

    def program(self) -> list[Op]:
        return [op for op in self.ops if op.depth == 0 and op.kind != "event"]

    def maker(self, number: int) -> Op | None:
        index = self.values[number].maker
        return None if index is None else self.ops[index]

    def inner(self, number: int) -> int:
        """Return the number under which the function that made a value knew it."""
        while (within := self.values[number].within) is not None:
            number = within
        return number

    def source(self, number: int) -> Op | None:
        """Return the function, in whatever module, that made a value; None for what came from outside."""
        return self.maker(self.inner(number))

    def trail(self, number: int) -> list[Op]:
        """Return every function, in whatever module, that a value depends on, the last first."""
        waiting, seen, found = [self.inner(number)], set[int](), dict[int, Op]()
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            index = self.values[current].maker
            if index is not None and index not in found:
                op = found[index] = self.ops[index]
                waiting += [self.inner(number) for number in op.inputs]
        return [found[index] for index in sorted(found, reverse=True)]

    def ancestors(self, number: int) -> list[Op]:
        """Return the operations outside modules that a value depends on, in order."""
        wanted, found = {number}, []
        for op in reversed(self.program()):
            if wanted.intersection(op.outputs):
                found.append(op)
                wanted.update(op.inputs)
        return found[::-1]

    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


@dataclasses.dataclass(slots=True)
class Course:
    """Hold the curve of one optimizer; None as its optimizer stands for weights that the script changes by hand."""

    optimizer: torch.optim.Optimizer | None
    place: Place | None = None
    losses: list[float] = dataclasses.field(default_factory=list)  # one a step: the sum of what was sent backward
    backwards: list[int] = dataclasses.field(default_factory=list)  # backward passes in each step
    discarded: int = 0  # backward passes whose gradients were cleared before any step
    stepped: Place | None = None  # where the first step was taken
    remade: int = 0  # how often its optimizer was made anew, for the same parameters
    rates: list[tuple[int, tuple[float, ...]]] = dataclasses.field(default_factory=list)  # (step, lr of groups)
    times: list[float] = dataclasses.field(default_factory=list)
    first_settings: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # of groups, at the first step

    @property
    def steps(self) -> int:
        return len(self.losses)

    def rate(self) -> list[float]:
        """Return the rate of the first group at each step."""
        found: list[float] = []
        for place, (step, rates) in enumerate(self.rates):
            until = self.rates[place + 1][0] if place + 1 < len(self.rates) else self.steps
            found += [rates[0] if rates else float("nan")] * (until - step)
        return found


@dataclasses.dataclass(slots=True)
class Root:
    """Hold a module that was called from outside any module."""

    module: nn.Module
    name: str
    place: Place | None  # where it was first called
    trained: int = 0  # looks in which it was called with gradients
    viewed: int = 0  # looks in which it was called without
    compiled: bool = False


@dataclasses.dataclass(slots=True)
class Load:
    """Hold a call of `load_state_dict` of a module."""

    module: nn.Module
    place: Place | None
    step: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    strict: bool
    origins: frozenset[int] = frozenset()  # addresses of the tensors that were given


@dataclasses.dataclass(slots=True)
class Note:
    """Hold something that happened at a step: a change of mode, a scheduler made, a clip, a file saved."""

    kind: str
    step: int
    place: Place | None
    data: Any = None


@dataclasses.dataclass(slots=True)
class Loader:
    """Hold a DataLoader that was run through."""

    loader: Any
    place: Place | None
    epochs: int = 0
    batches: int = 0
    marks: list[list[float]] = dataclasses.field(default_factory=list)  # fingerprints of first batches, by epoch
    training: bool = False


@dataclasses.dataclass(slots=True)
class Case:
    """Hold all that was seen of one script or loop."""

    looks: list[Look] = dataclasses.field(default_factory=list)
    views: list[Look] = dataclasses.field(default_factory=list)
    courses: list[Course] = dataclasses.field(default_factory=list)
    roots: list[Root] = dataclasses.field(default_factory=list)
    loads: list[Load] = dataclasses.field(default_factory=list)
    notes: list[Note] = dataclasses.field(default_factory=list)
    loaders: list[Loader] = dataclasses.field(default_factory=list)
    made: dict[int, Place] = dataclasses.field(default_factory=dict)  # id of module: where it was made
    started: dict[int, tuple[str, Place, tuple[Any, ...]]] = dataclasses.field(default_factory=dict)  # id of parameter
    start: list[tuple[Tensor, Tensor]] = dataclasses.field(default_factory=list)  # tensors and their copies at step 0
    names: dict[int, str] = dataclasses.field(default_factory=dict)  # id of parameter: its name
    seconds: float = 0.0
    watched: float = 0.0  # seconds that watching took
    unseen: list[str] = dataclasses.field(default_factory=list)  # keys of sentences
    faults: list[str] = dataclasses.field(default_factory=list)
    broken: tuple[int, dict[str, Any]] | None = None  # step at which the loss was no number, and what the graph says
    script: str | None = None
    finished: bool = True
    backwards: int = 0  # how often something was sent backward
    sent: Place | None = None  # where the first was, if an optimizer had been made
    reached: bool = False  # whether a parameter of an optimizer had a gradient after one of the first

    @property
    def steps(self) -> int:
        return sum(course.steps for course in self.courses)

    @property
    def main(self) -> Course | None:
        """Return the curve with the most steps; among equals the one that came first."""
        return max(self.courses, key=lambda course: course.steps, default=None)

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Return every module under a root, once, with its path."""
        seen: set[int] = set()
        for root in self.roots:
            for path, module in root.module.named_modules():
                if id(module) not in seen:
                    seen.add(id(module))
                    yield path or root.name, module

    def path(self, module: nn.Module | None) -> str:
        """Return the path of a module, its class where it is under no root."""
        if module is None:
            return ""
        return next((path for path, found in self.modules() if found is module), type(module).__name__)
