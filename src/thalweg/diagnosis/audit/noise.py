"""Random flips among labels: confident learning, and a test that tells flips from classes that overlap.

Confident learning (Northcutt, Jiang and Chuang 2021): a row counts as mislabelled when a model that has not seen it
gives another class at least the probability that this class's own rows get on average. It counts overlap as noise. The
test: where classes overlap, disagreement fades towards the interior of each class; flips strike the interior like any
other place. So the rows of each predicted class are ranked by confidence, and flips show as a *plateau*: the surest
quarter disagrees as often as the next. Thresholds:

FLAT 0.7: the ratio of disagreement, surest quarter over next, has its one-sided 90 % limit above this. Logistic overlap
gives 0.3 to 0.6, flips 1 (a quick model that ranks imperfectly: 0.9).
RISE 2: by fewer standard errors the third quarter disagrees more than the first two; with overlap it does by far more.
RATE 0.03: the lower 95 % limit of the surest quarter's disagreement. Clean sets have 0 to 0.02 there.
DISCORD 0.4: the two best models, which err in different ways, differ on the surest half by less than this part of their
difference with the labels. Quick models that are too weak for the task differ from one another, too (0.6 and more);
flips leave them of one mind (0 to 0.3).
SKILL 0.25: the model's correlation with labels. Without it no interior is known, and a weak smooth dependence is flat,
too: a logistic slope of 0.7 per deviation has 0.2. Among 4 classes or more 0.15 is as far from chance, and much noise
leaves no more.
"""

import dataclasses
import math
from typing import final

import numpy as np

from thalweg.diagnosis.audit.held_out import folds, held_out
from thalweg.diagnosis.audit.rows import Array, Given, Index, chosen
from thalweg.diagnosis.audit.targets import labels_of

FLAT, RISE, RATE, DISCORD, SKILL = 0.7, 2.0, 0.03, 0.4, 0.25
MANY = 4
_CAP, _FOLDS, _ENOUGH = 2000, 3, 100
_RAREST = 5  # rows that a class needs to be learnt at all


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """Hold how many labels seem random, and how disagreement with a model changes from sure rows to unsure ones.

    `rate` is the disagreement of the surest half, an estimate of the share of wrong labels if they are flips; `low` and
    `high` its 95 % interval (Wilson 1927). `profile` is the disagreement by quarter, surest first.
    """

    num_rows: int
    num_classes: int
    rate: float
    low: float
    high: float
    confident: float  # share of mislabelled rows by confident learning, overlap included
    profile: tuple[float, float, float, float]
    flatness: float  # lower limit of the ratio of the first two quarters
    rise: float  # of the third quarter over the first two, in standard errors
    surest: float  # lower limit of the first quarter
    discord: float  # share of the surest half on which the two best models differ; 0 for given probabilities
    strength: float  # correlation of the model with the labels
    model: str

    @property
    def flipped(self) -> bool:
        """Say whether labels are wrong at random, as opposed to classes that overlap."""
        plateau = self.flatness > FLAT and self.rise < RISE
        agreed = self.discord < DISCORD * self.rate
        return (
            plateau
            and agreed
            and self.surest > RATE
            and self.strength > SKILL * (1.0 if self.num_classes < MANY else 0.6)
        )


def measure_label_noise(
    x: Given, y: Given, *, probabilities: Array | None = None, groups: Index | None = None
) -> Noise | None:
    """Estimate the noise of labels (N,) of inputs (N, ...); None for real targets, few rows or rare classes only.

    `probabilities` (N, K) of a better model are used instead of quick ones where given; it must not have seen the rows.
    """
    labels = labels_of(y)
    if labels is None:
        return None
    values, counts = np.unique(labels, return_counts=True)
    kept = np.flatnonzero(np.isin(labels, values[counts >= _RAREST]))
    if len(kept) < _ENOUGH or (counts >= _RAREST).sum() < 2:
        return None
    rows = kept[chosen(len(kept), _CAP)]
    classes, codes = np.unique(labels[rows], return_inverse=True)
    y_NK = np.eye(len(classes))[codes]
    if probabilities is None:
        fold = folds(len(rows), _FOLDS, labels=codes, groups=None if groups is None else np.asarray(groups)[rows])
        guess = held_out(np.asarray(x)[rows], y_NK, fold, classed=True)
        p_NK, model = _blend(guess.by_model, y_NK)
        others = guess.by_model
    else:
        model, others, p_NK = "given", {}, np.asarray(probabilities, dtype=np.float64)[rows][:, classes]
    found = _judge(p_NK, codes, y_NK, model)
    return dataclasses.replace(found, discord=_discord(others, y_NK, _quarters(p_NK) < 2))


def _judge(p_NK: Array, codes: Index, y_NK: Array, model: str) -> Noise:
    wrong = p_NK.argmax(1) != codes
    quarter = _quarters(p_NK)
    first, second = wrong[quarter == 0], wrong[quarter == 1]
    low, high = wilson(int(wrong[quarter < 2].sum()), int((quarter < 2).sum()))
    mine, theirs = p_NK - p_NK.mean(0), y_NK - y_NK.mean(0)
    size = float(np.sqrt((mine**2).sum() * (theirs**2).sum()))
    return Noise(
        num_rows=len(codes),
        num_classes=y_NK.shape[1],
        rate=float(wrong[quarter < 2].mean()),
        low=low,
        high=high,
        confident=_confident(p_NK, codes),
        profile=tuple(float(wrong[quarter == k].mean()) for k in range(4)),  # type: ignore[arg-type]
        flatness=_ratio_limit(first, second),
        rise=_rise(wrong[quarter < 2], wrong[quarter == 2]),
        surest=wilson(int(first.sum()), len(first))[0],
        discord=0.0,
        strength=float((mine * theirs).sum() / size) if size > 0 else 0.0,
        model=model,
    )


def _blend(by_model: dict[str, Array], y_NK: Array) -> tuple[Array, str]:
    """Return the mean of the models that are nearly as good as the best: it has no ties, which would feign a
    plateau.
    """
    errors = {name: float(((p_NK - y_NK) ** 2).mean()) for name, p_NK in by_model.items()}
    good = [name for name, error in errors.items() if error <= 1.2 * min(errors.values())]
    return np.mean([by_model[name] for name in good], axis=0), " + ".join(good)


def _discord(by_model: dict[str, Array], y_NK: Array, sure: np.ndarray) -> float:
    """Return the share of sure rows to which the two models of least error give different classes."""
    if len(by_model) < 2:
        return 0.0
    first, second, *_ = sorted(by_model.values(), key=lambda p_NK: float(((p_NK - y_NK) ** 2).mean()))
    return float((first.argmax(1) != second.argmax(1))[sure].mean())


def _quarters(p_NK: Array) -> Index:
    """Return 0 for rows in the surest quarter of their predicted class, to 3 for the least sure."""
    guess, sure = p_NK.argmax(1), p_NK.max(1)
    order = np.lexsort((-sure, guess))
    counts = np.bincount(guess, minlength=p_NK.shape[1])
    place = np.empty(len(guess))
    place[order] = np.arange(len(guess)) - (np.cumsum(counts) - counts)[guess[order]]
    return np.asarray(np.minimum(3, 4 * (place + 0.5) / counts[guess]), dtype=np.int64)


def _confident(p_NK: Array, codes: Index) -> float:
    """Return the share of rows off the diagonal of the confident joint, calibrated to the class counts."""
    num = p_NK.shape[1]
    limit = np.array([p_NK[codes == k, k].mean() for k in range(num)])
    enough = np.where(p_NK >= limit, p_NK, -1.0)
    counted = enough.max(1) >= 0
    joint = np.zeros((num, num))
    np.add.at(joint, (codes[counted], enough[counted].argmax(1)), 1.0)
    share = np.diag(joint) / np.maximum(1.0, joint.sum(1))
    share[joint.sum(1) == 0] = 1.0
    return float(1 - share @ np.bincount(codes, minlength=num) / len(codes))


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of Wilson (1927) for a share."""
    if count == 0:
        return 0.0, 1.0
    share, weight = hits / count, z * z / count
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


def _ratio_limit(first: np.ndarray, second: np.ndarray) -> float:
    """Return the one-sided 90 % lower limit of the ratio of two shares, on the logarithm (Katz et al. 1978)."""
    a, b = first.sum() + 0.5, second.sum() + 0.5
    error = math.sqrt(max(0.0, 1 / a - 1 / (len(first) + 0.5) + 1 / b - 1 / (len(second) + 0.5)))
    return float((a / (len(first) + 0.5)) / (b / (len(second) + 0.5)) * math.exp(-1.28 * error))


def _rise(sure: np.ndarray, less: np.ndarray) -> float:
    """Return how much more often less sure rows disagree, in standard errors of the pooled share."""
    pooled = (sure.sum() + less.sum()) / (len(sure) + len(less))
    error = math.sqrt(max(1e-12, pooled * (1 - pooled) * (1 / len(sure) + 1 / max(1, len(less)))))
    return float((less.mean() - sure.mean()) / error) if len(less) else 0.0
