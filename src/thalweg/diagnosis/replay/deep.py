"""Runs a look again and keeps every value, also those inside modules, with their gradients within reach."""

import dataclasses

import torch
from torch import Tensor

from thalweg.diagnosis.replay.play import CannotPlay, needed, play
from thalweg.diagnosis.watching import Look, Op
from thalweg.diagnosis.watching.recorder import Recorder


@dataclasses.dataclass(frozen=True)
class Deep:
    """Hold one look run again: its operations with fresh numbers, and the tensor of each number."""

    look: Look
    tensors: list[Tensor]
    loss: Tensor

    def gradients(self, numbers: list[int]) -> list[Tensor | None]:
        """Return the gradient of the loss at values."""
        wanted = [self.tensors[number] for number in numbers]
        if not self.loss.requires_grad:
            return [None] * len(wanted)
        able = [tensor for tensor in wanted if tensor.requires_grad]
        grads = iter(torch.autograd.grad(self.loss, able, retain_graph=True, allow_unused=True) if able else ())
        return [next(grads) if tensor.requires_grad else None for tensor in wanted]


def deeply(look: Look, *, data: bool = False) -> Deep:
    """Run a look again with today's weights and keep all. Raises `CannotPlay`.

    Where a value was changed in place afterwards, its tensor is what it was changed to.
    """
    again = Look(look.kind, look.step)
    faults = list[Exception]()
    recorder = Recorder(again, lambda module: None, faults.append, strong=True)
    recorder.start()
    kept: list[Tensor] = []
    try:
        numbers = look.losses()
        values = play(look, numbers, data=data)
        recorder.paused += 1
        if faults or not again.whole:
            raise CannotPlay(str(*faults[:1]))
        loss = sum((values[number].sum() for number in numbers), torch.zeros(()))
        ends = tuple(recorder.number(values[number]) for number in numbers)
        again.ops.append(dataclasses.replace(next(look.events("backward")), inputs=ends))
        kept = list(recorder.kept)
        _place(again, look, needed(look, numbers, data=data))
    finally:
        recorder.stop()
    return Deep(again, kept, loss)


def _place(again: Look, look: Look, ops: list[Op]) -> None:
    """Give operations the places of the script; what torch itself called stands where its module was called."""
    files = {op.place.file for op in look.ops if op.place is not None}
    outer = iter(reversed(ops))
    place = None
    for op in reversed(again.ops):
        if op.kind != "event" and op.depth == 0:
            original = next(outer, None)
            place = original.place if original is not None else None
            op.place = place
        elif op.place is None or op.place.file not in files:
            op.place = place
