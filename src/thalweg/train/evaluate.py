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
    index: Tensor | None = None,
    unit: Tensor | None = None,
) -> dict[str, float]:
    """Return the mean loss and the task's metrics on a part, or the examples of it in `index`, in evaluation mode.

    Means are over examples, so the size of the chunks does not matter. `unit` is the targets' deviation, which turns
    errors into the unit of the data. The module's mode is as before afterwards.
    """
    metrics = metrics_for(task)
    total, mode = 0.0, module.training
    chosen = torch.arange(len(part)) if index is None else index
    module.eval()
    with torch.inference_mode():
        for piece in chosen.split(CHUNK):
            x, y = part.batch(piece)
            outputs = module(x)
            total += float(loss.compute(outputs, y).double().sum())
            if unit is not None:
                outputs, y = outputs.double() * unit.to(y.device), y.double() * unit.to(y.device)
            for metric in metrics:
                metric.update(outputs, y)
    module.train(mode)
    return {"loss": total / max(len(chosen), 1), **{metric.name: metric.value() for metric in metrics}}


def predict(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs for inputs, in evaluation mode, in chunks, on the CPU."""
    mode = module.training
    module.eval()
    device = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        outputs = [module(part.to(device)).cpu() for part in inputs.split(CHUNK)]
    module.train(mode)
    return torch.cat(outputs)
