"""What can be known before training: some steps are taken on one batch and undone, and all that is exact is checked."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.diagnosis.judging import judge
from thalweg.diagnosis.replay import held
from thalweg.diagnosis.watching import Case, Watch
from thalweg.findings import Finding, Severity

_STEPS = 6
_UNTOLD = frozenset(  # what a handful of steps on one batch cannot say
    "stopped-too-early batch-size unshuffled-data overfitting underfitting lr-too-low schedule-misstepped wrong-labels "
    "class-imbalance label-noise over-regularized batchnorm-statistics optimizer-settings saddle-point".split()
)


def check(
    model: nn.Module,
    loss_fn: Callable[..., Tensor],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    *,
    budget: float = 10.0,
) -> list[Finding]:
    """Look for what is wrong before any training: a few steps on one batch, undone afterwards.

    `batch` is (inputs, targets), or a dict whose `labels` or `targets` go to the loss and whose rest goes to the model.
    `loss_fn(outputs, targets)` returns one number. Weights, buffers, gradients, modes, the optimizer's memory and
    random streams are afterwards what they were. What only a whole run can tell is left out. Raises `UsageError`.
    """
    inputs, targets = _parts(batch)
    watch = Watch()
    with _undone(model, optimizer):
        watch.attach()
        watch.optimizer_made(optimizer)
        try:
            _take_steps(model, loss_fn, inputs, targets, optimizer)
        finally:
            watch.detach()
        found = judge(watch.case(), budget=budget).findings
    return [finding for finding in found if finding.code not in _UNTOLD and finding.severity is not Severity.NOTE]


def _take_steps(
    model: nn.Module, loss_fn: Callable[..., Tensor], inputs: Any, targets: Any, optimizer: torch.optim.Optimizer
) -> None:
    for _ in range(_STEPS):
        optimizer.zero_grad()
        outputs = model(**inputs) if isinstance(inputs, Mapping) else model(*inputs)
        loss = loss_fn(outputs, targets)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise UsageError(f"`check(loss_fn=...)` must return one number, got {_said(loss)}; take its mean.")
        if not loss.requires_grad:
            break
        loss.backward()
        optimizer.step()


@contextlib.contextmanager
def _undone(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Lend model and optimizer for the block, however it ends; afterwards both are as they were."""
    memory = copy.deepcopy(optimizer.state_dict())
    own = [p for group in optimizer.param_groups for p in group["params"]]
    modes = [(m, m.training) for m in model.modules()]
    lent = Case(roots=[], courses=[])
    lent.start = [(t, t) for t in {*model.parameters(), *model.buffers(), *own}]
    try:
        with held(lent):
            yield
    finally:
        for module, training in modes:
            module.training = training
        optimizer.load_state_dict(memory)


def _parts(batch: Any) -> tuple[Any, Any]:
    if isinstance(batch, Mapping):
        name = next((key for key in ("labels", "targets", "target", "y") if key in batch), None)
        if name is None:
            raise UsageError(
                f"`check(batch=...)` must name its targets, got {sorted(map(str, batch))}; call them 'labels'."
            )
        return {key: value for key, value in batch.items() if key != name}, batch[name]
    if isinstance(batch, Sequence) and len(batch) >= 2:
        return tuple(batch[:-1]), batch[-1]
    raise UsageError(f"`check(batch=...)` must be (inputs, targets) or a dict, got {_said(batch)}; pass both.")


def _said(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
