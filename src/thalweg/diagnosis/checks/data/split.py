"""Training and evaluation that do not see the same kind of rows, or see the same rows."""

import dataclasses
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.audit import count_duplicates
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.data.seen import columns, fed_in_views, share_found
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Array, Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_SHIFT = 1.0  # training standard deviations by which the middle feature is off
_WIDTH = 2.0  # times: ratio of standard deviations of the middle feature
_ALONE = 0.95  # accuracy of one column alone
_MOST = 0.9  # of an evaluation's rows: where more are training rows it is meant to be on training data
_LEAK = 0.1  # share of an evaluation's rows that are training rows
_MOST_CLASSES = 20

Views = list[tuple[Look, Op, Tensor]]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainTestMismatch(CaseCheck):
    """Find evaluations fed with rows on another scale, or with columns in another order, than in training.

    The middle feature must be off by a whole standard deviation, or twice as wide or narrow: chance moves it by a
    hundredth of that with some hundred rows, and drift moves some features, not most.
    """

    name: ClassVar[str] = "train-test-mismatch"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        views = fed_in_views(case, facts)
        if not views or facts.pairs is None or not facts.pairs[0].is_floating_point():
            return []
        train = columns(facts.pairs[0])
        spread = train.std(0)
        alive = spread > 1e-9
        if alive.sum() < 3:
            return []
        measured = []
        for look, op, rows in views[-3:]:
            other = columns(rows)
            shift = np.abs(other.mean(0) - train.mean(0))[alive] / spread[alive]
            width = np.abs(np.log((other.std(0)[alive] + 1e-12) / spread[alive]))
            measured.append((float(np.exp(np.median(width))) + float(np.median(shift)), look, op, other, shift, width))
        _, look, op, other, shift, width = max(measured, key=lambda entry: entry[0])
        middle, wide = float(np.median(shift)), float(np.exp(np.median(width)))
        far = float(np.mean(shift > 2 * _SHIFT))
        if middle < _SHIFT and wide < _WIDTH and far < 0.3:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.95,
                place=op.place,
                evidence=[
                    seen("feature_shift", middle, f"< {_SHIFT:g}"),
                    seen("feature_width", wide, "≈ 1"),
                    seen("train_spread", float(np.median(spread[alive]))),
                    seen("view_spread", float(np.median(other.std(0)[alive]))),
                ],
                values={"shift": f"{middle:.2g}", "times": f"{wide:.2g}"},
                reckoned=message("causes.from_rows"),
                explains=("overfitting", "data-leak", "batchnorm-statistics"),
                where={"step": look.step},
            )
        ]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DataLeak(CaseCheck):
    """Find a column that gives the target away in training and says nothing in an evaluation; rows on both sides."""

    name: ClassVar[str] = "data-leak"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        views = fed_in_views(case, facts)
        if not views or facts.pairs is None:
            return []
        return self._column(facts, views) or self._rows(facts, views)

    def _column(self, facts: Facts, views: Views) -> list[Finding]:
        """Look for a column that tells the target in training and stands still in an evaluation."""
        assert facts.pairs is not None
        x, y = facts.pairs
        labels = y.reshape(len(y), -1).numpy()
        if not x.is_floating_point() or x.dim() != 2 or labels.shape[1] != 1 or len(np.unique(labels)) > _MOST_CLASSES:
            return []
        train = columns(x)
        prior = np.unique(labels, return_counts=True)[1].max() / len(labels)
        for _, op, rows in reversed(views):
            other = columns(rows)
            gone = np.flatnonzero((train.std(0) > 1e-9) & (other.std(0) < 1e-3 * train.std(0)))
            for column in gone:
                score = _alone(train[:, column], labels[:, 0])
                if score > _ALONE and score > prior + 0.15:
                    still, moving = float(other[:, column].std()), float(train[:, column].std())
                    return [
                        found(
                            self.name,
                            Severity.CRITICAL,
                            0.95,
                            place=op.place,
                            evidence=[
                                seen("column_alone", score, f"≈ {prior:.2f}"),
                                seen("column_spread", still, f"{moving:.3g}"),
                            ],
                            values={"column": int(column), "percent": f"{100 * score:.0f}"},
                            reckoned=message("causes.from_rows"),
                            explains=("train-test-mismatch", "overfitting"),
                        )
                    ]
        return []

    def _rows(self, facts: Facts, views: Views) -> list[Finding]:
        """Look for evaluation rows that are training rows."""
        assert facts.pairs is not None
        x = facts.pairs[0]
        _, op, rows = views[-1]
        share = share_found(rows, x)
        if share > _MOST or share < _LEAK or share_found(x, rows) > _MOST:
            return []  # nothing is shared, or the training rows are what is evaluated
        told = count_duplicates(x.numpy(), rows.numpy(), once=True)
        if not told.leaked:
            return []
        return [
            found(
                self.name,
                Severity.WARNING,
                0.85,
                place=op.place,
                evidence=[seen("rows_on_both_sides", share, "0")],
                said="rows-on-both-sides",
                values={"percent": f"{100 * share:.0f}"},
            )
        ]


def _alone(column: Array, labels: NDArray[Any]) -> float:
    """Return the accuracy with which one column tells labels of rows that were kept aside."""
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    return float(np.mean(cross_val_score(tree, column[:, None], labels, cv=3)))
