"""How good each member is: the network's outputs, its loss and the metrics, by vmap over members.

Axis letters: P members, C examples of a chunk, K outputs.
"""

import torch
from torch import Tensor, nn

from thalweg.core.types import Params
from thalweg.model import Loss, metrics_for
from thalweg.tune.population.feed import Feed

CHUNK = 1 << 15  # examples of all members together that are computed at a time


def evaluate_many(
    module: nn.Module, weights: Params, *, loss: Loss, task: str, feed: Feed, index: Tensor, unit: Tensor | None
) -> dict[str, Tensor]:
    """Return the mean loss and the metrics of each member, (P,) each, on the examples that `index` names.

    `index` is (N,) for all members, or (P, N). Means are over examples, as in a single run.
    """
    count = len(next(iter(weights.values())))
    batch = None if feed.shares_data and index.ndim == 1 else 0
    metrics = metrics_for(task)
    total = torch.zeros(count, dtype=torch.float64)
    sums: dict[str, Tensor] = {}

    def one(weights: Params, x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        outputs = torch.func.functional_call(module, weights, (x,))
        lost = loss.compute(outputs, y).double().sum()
        if unit is not None:
            outputs, y = outputs.double() * unit, y.double() * unit
        return lost, {metric.name: metric.measure(outputs, y) for metric in metrics}

    mode = module.training
    module.eval()
    with torch.no_grad():
        for piece in index.split(max(1, CHUNK // count), dim=-1):
            lost, found = torch.func.vmap(one, in_dims=(0, batch, batch))(weights, *feed.batch(piece))
            total += lost
            for metric in metrics:
                old = sums.get(metric.name)
                new = found[metric.name]
                sums[metric.name] = new if old is None else torch.func.vmap(metric.merge)(old, new)
        values = {metric.name: torch.func.vmap(metric.finish)(sums[metric.name]) for metric in metrics}
    module.train(mode)
    return {"loss": total / max(index.shape[-1], 1), **values}
