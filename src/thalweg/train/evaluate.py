"""How good a network is on a part of the data."""

import torch
from torch import Tensor, nn

from thalweg.data import Part
from thalweg.model import Loss, metrics_for

CHUNK = 1024  # examples at a time


def evaluate(module: nn.Module, loss: Loss, part: Part, task: str, *, limit: int | None = None) -> dict[str, float]:
    """Return the mean loss and the task's metrics on the first `limit` examples of a part, in evaluation mode.

    Means are over examples, so the size of the chunks does not matter. The module's mode is as before afterwards.
    """
    metrics = metrics_for(task)
    total, mode = 0.0, module.training
    count = len(part) if limit is None else min(limit, len(part))
    module.eval()
    with torch.inference_mode():
        for start in range(0, count, CHUNK):
            x, y = part.batch(torch.arange(start, min(start + CHUNK, count), device=part.targets.device))
            outputs = module(x)
            total += float(loss.compute(outputs, y).double().sum())
            for metric in metrics.values():
                metric.update(outputs, y)
    module.train(mode)
    return {"loss": total / max(count, 1), **{name: metric.value() for name, metric in metrics.items()}}


def predict(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs for inputs, in evaluation mode, in chunks."""
    mode = module.training
    module.eval()
    device = next(iter(module.parameters())).device
    with torch.inference_mode():
        outputs = [module(part.to(device)).cpu() for part in inputs.split(CHUNK)]
    module.train(mode)
    return torch.cat(outputs)
