"""How good a network is on a part of the data."""

import torch
from torch import Tensor, nn

from thalweg.data import Part
from thalweg.model import Loss, metrics_for

CHUNK = 1024  # examples at a time


def evaluate(
    module: nn.Module,
    loss: Loss,
    part: Part,
    task: str,
    *,
    limit: int | None = None,
    unit: Tensor | None = None,
) -> dict[str, float]:
    """Return the mean loss and the task's metrics on the first `limit` examples of a part, in evaluation mode.

    Means are over examples, so the size of the chunks does not matter. `unit` is the targets' deviation, which turns
    errors into the unit of the data. The module's mode is as before afterwards.
    """
    metrics = metrics_for(task)
    total, mode = 0.0, module.training
    count = len(part) if limit is None else min(limit, len(part))
    module.eval()
    with torch.inference_mode():
        for start in range(0, count, CHUNK):
            x, y = part.batch(torch.arange(start, min(start + CHUNK, count)))
            outputs = module(x)
            total += float(loss.compute(outputs, y).double().sum())
            if unit is not None:
                outputs, y = outputs.double() * unit.to(y.device), y.double() * unit.to(y.device)
            for metric in metrics:
                metric.update(outputs, y)
    module.train(mode)
    return {"loss": total / max(count, 1), **{metric.name: metric.value() for metric in metrics}}


def predict(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs for inputs, in evaluation mode, in chunks, on the CPU."""
    mode = module.training
    module.eval()
    device = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        outputs = [module(part.to(device)).cpu() for part in inputs.split(CHUNK)]
    module.train(mode)
    return torch.cat(outputs)
