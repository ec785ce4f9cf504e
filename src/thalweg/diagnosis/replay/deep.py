"""Runs a look again and keeps every value, also those inside modules, with their gradients within reach."""

import dataclasses

import torch
from torch import Tensor

from thalweg.diagnosis.replay.play import play
from thalweg.diagnosis.watching import Look
from thalweg.diagnosis.watching.recorder import Recorder


@dataclasses.dataclass(frozen=True)
class Deep:
    """One look run again: its operations with fresh numbers, and the tensor of each number."""

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
    """Run a look again with today's weights and keep all. Raises `CannotPlay`."""
    again = Look(look.kind, look.step)
    recorder = Recorder(again, lambda module: None)
    recorder.start()
    kept: list[Tensor] = []
    try:
        numbers = look.losses()
        values = play(look, numbers, data=data)
        recorder.paused += 1
        loss = sum((values[number].sum() for number in numbers), torch.zeros(()))
        for number in numbers:
            recorder.number(values[number])
        again.ops.append(dataclasses.replace(next(look.events("backward")), inputs=tuple(recorder.number(values[n]) for n in numbers)))  # fmt: skip
        kept = list(recorder.kept)
    finally:
        recorder.stop()
    return Deep(again, kept, loss)
