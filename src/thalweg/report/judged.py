"""What the trained network says of examples it was not trained on: confusions, residuals, its worst mistakes.

Axis letters: N examples, K classes.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from thalweg.data import Dataset, Part, Preparation, Prepared
from thalweg.model import Loss
from thalweg.report.examples import Example, show_example

MOST_EXAMPLES = 20_000  # of a part that are looked at
MOST_WORST = 12
_CHUNK = 512


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """Count examples by true class (rows) and predicted class (columns); `counts` (K, K)."""

    split: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    def pairs(self, most: int) -> list[tuple[str, str, int, int]]:
        """Return (true, predicted, count, examples of the true class) of the commonest confusions."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        places = [tuple(map(int, np.unravel_index(place, wrong.shape))) for place in order]
        total = self.counts.sum(axis=1)
        return [(self.classes[i], self.classes[j], int(wrong[i, j]), int(total[i])) for i, j in places if wrong[i, j]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """Hold truth and prediction of one target, (N,) each, in the unit of the data."""

    split: str
    target: str
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Hold what the final weights make of the validation and test data."""

    confusion: Confusion | None = None
    residuals: tuple[Residuals, ...] = ()
    worst: tuple[Example, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """Outputs, targets and losses of a part, one row an example."""

    split: str
    part: Part
    outputs: Tensor
    targets: Tensor
    losses: NDArray[np.float64]


class LostWeights(Exception):
    """Say that a network gives no finite numbers."""


def judge(module: nn.Module, loss: Loss, data: Prepared, dataset: Dataset) -> Judged:
    """Let a network predict validation and test examples. Raises `LostWeights` for NaN and infinity."""
    seen = [_look(module, loss, part, split) for split, part in _parts(data) if len(part)]
    if not seen:
        return Judged()
    preparation, final = data.preparation, seen[-1]
    return Judged(
        confusion=_confusion(final, preparation) if preparation.task == "classification" else None,
        residuals=_residuals(final, preparation) if preparation.task == "regression" else (),
        worst=_worst(seen, dataset, preparation),
    )


def _parts(data: Prepared) -> Iterator[tuple[str, Part]]:
    yield "validation", data.validation
    yield "test", data.test


def _look(module: nn.Module, loss: Loss, part: Part, split: str) -> _Seen:
    count = min(len(part), MOST_EXAMPLES)
    outputs, targets, losses = [], [], []
    with torch.inference_mode():
        for start in range(0, count, _CHUNK):
            x, y = part.batch(torch.arange(start, min(start + _CHUNK, count)))
            found = module(x)
            if not bool(torch.isfinite(found).all()):
                raise LostWeights
            losses.append(loss.compute(found, y).double())
            outputs.append(
                found if found.ndim == 2 else found.amax(dim=-1)
            )  # text: a row of logits is too much to keep
            targets.append(y)
    return _Seen(
        split=split,
        part=part,
        outputs=torch.cat(outputs),
        targets=torch.cat(targets),
        losses=torch.cat(losses).numpy(),
    )


def _confusion(seen: _Seen, preparation: Preparation) -> Confusion:
    size = len(preparation.class_names)
    flat = seen.targets * size + seen.outputs.argmax(dim=-1)
    counts = torch.bincount(flat, minlength=size * size).reshape(size, size).numpy()
    return Confusion(split=seen.split, classes=preparation.class_names, counts=counts)


def _residuals(seen: _Seen, preparation: Preparation) -> tuple[Residuals, ...]:
    truth = preparation.decode_targets(seen.targets).reshape(len(seen.targets), -1)
    predicted = preparation.decode(seen.outputs).reshape(truth.shape)
    names = preparation.target_names
    return tuple(
        Residuals(
            split=seen.split,
            target=names[k] if k < len(names) else f"y{k}",
            truth=truth[:, k],
            predicted=predicted[:, k],
        )
        for k in range(truth.shape[1])
    )


def _worst(seen: list[_Seen], dataset: Dataset, preparation: Preparation) -> tuple[Example, ...]:
    """Return the examples of the highest loss; for classes only those that were taken for another."""
    found: list[tuple[float, Example]] = []
    for part in seen:
        for place in np.argsort(-part.losses, kind="stable")[:MOST_WORST].tolist():
            truth, predicted, probability = _said(part, place, preparation)
            if preparation.task == "classification" and truth == predicted:
                continue
            example = show_example(
                dataset, preparation, part.part, place,
                split=part.split, judged=(truth, predicted, probability, float(part.losses[place])),
            )  # fmt: skip
            found.append((example.loss, example))
    return tuple(example for _, example in sorted(found, key=lambda pair: -pair[0])[:MOST_WORST])


def _said(seen: _Seen, place: int, preparation: Preparation) -> tuple[str, str, tuple[float, float] | None]:
    """Return truth, prediction, and for classes the probabilities that the network gave to both."""
    if preparation.task == "language":
        return "", "", None
    outputs, target = seen.outputs[place : place + 1], seen.targets[place : place + 1]
    truth, predicted = preparation.decode_targets(target)[0], preparation.decode(outputs)[0]
    if preparation.task == "regression":
        return _values(truth), _values(predicted), None
    share = preparation.probabilities(outputs)[0]
    return str(truth), str(predicted), (float(share[int(target)]), float(share.max()))


def _values(value: object) -> str:
    return ", ".join(f"{number:.4g}" for number in np.atleast_1d(np.asarray(value, dtype=np.float64)))
