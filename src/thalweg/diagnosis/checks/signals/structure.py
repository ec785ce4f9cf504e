"""Units that are all one unit, and layers that are all one map."""

import dataclasses
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.dependence.asking import calm
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.signals.layers import passages
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, held, loss_of, play
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Severity

_SAME = 1e-3  # of a matrix's size: by how much its rows may differ and still be one row
_ROUNDING = 1e-3  # of the outputs' size: what float32 leaves of an exact sum
_GAIN = 0.1  # by which a curved model must beat a straight one in what it explains of held-out rows
_ROWS = 1500
_CLASSES = 20  # whole numbers of no more kinds than these are classes
_ONE_EXPLAINS = (
    "underfitting",
    "lr-too-low",
    "bad-init-scale",
    "stopped-too-early",
    "vanishing-gradients",
    "saddle-point",
    "dead-relu",
    "optimizer-settings",
)
_STRAIGHT_EXPLAINS = (
    "underfitting",
    "lr-too-low",
    "vanishing-gradients",
    "stopped-too-early",
    "optimizer-settings",
    "lr-too-high",
    "wrong-labels",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SymmetricInit(CaseCheck):
    """Find weights whose rows are all the same before training and whose gradients are, too: the units are one unit.

    Gates, scales and last layers that start at zero get a different gradient in each row.
    """

    name: ClassVar[str] = "symmetric-init"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if facts.learnt:
            return []
        alike = _alike(case, facts)
        trained = _trained(case)
        for tensor, copy in case.start:
            if id(tensor) not in trained or tensor.dim() < 2 or tensor.shape[0] < 2 or tensor[0].numel() < 2:
                continue
            if _one_row(copy) and id(tensor) in alike:
                return [self._says(case, tensor)]
        return []

    def _says(self, case: Case, tensor: Tensor) -> Finding:
        name = case.names.get(id(tensor), "")
        return found(
            self.name,
            Severity.CRITICAL,
            0.99,
            place=_place(case, tensor),
            evidence=[seen("different_rows", 1, f"{tensor.shape[0]}")],
            values={"units": tensor.shape[0], "parameter": name},
            where={"parameter": name, "layer": name.rpartition(".")[0] or None},
            explains=_ONE_EXPLAINS,
        )


def _trained(case: Case) -> set[int]:
    optimizers = [course.optimizer for course in case.courses if course.optimizer]
    return {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}


def _place(case: Case, parameter: Tensor) -> Place | None:
    """Return the line that set the first values of a parameter, else the one that made its module."""
    told = case.started.get(id(parameter))
    if told is not None:
        return told[1]
    owners = (m for _, m in case.modules() if any(p is parameter for p in m.parameters(recurse=False)))
    owner = next(owners, None)
    return case.made.get(id(owner)) if owner is not None else None


def _alike(case: Case, facts: Facts) -> set[int]:
    """Return the ids of parameters whose gradient before training is the same in every row, and not zero."""
    if not facts.playable or not case.start:
        return set()
    with held(case) as lent:
        lent.to_start()
        try:
            loss = loss_of(facts.playable[0])
        except CannotPlay:
            return set()
        wanted = [t for t, _ in case.start if t.requires_grad and t.dim() > 1 and t.shape[0] > 1]
        if not loss.requires_grad or not wanted:
            return set()
        grads = torch.autograd.grad(loss, wanted, allow_unused=True)
    return {id(t) for t, g in zip(wanted, grads, strict=True) if g is not None and bool(g.any()) and _one_row(g)}


def _one_row(matrix: Tensor) -> bool:
    size = float(matrix.double().pow(2).mean().sqrt())
    if size == 0:
        return True
    return float((matrix - matrix[0]).abs().max()) < _SAME * size


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LinearNetwork(CaseCheck):
    """Find layers with nothing between them on a task that a straight model does not solve and a curved one does.

    The map is straight if f(a + b) - f(a) - f(b) + f(0) = 0 for rows of the captured batches.
    """

    name: ClassVar[str] = "linear-network"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if facts.learnt or not facts.playable or facts.pairs is None:
            return []
        passage = next(iter(passages(case, facts, start=True)), None)
        if passage is None or len(passage.weighted) < 2 or passage.activations:
            return []
        with held(case):
            try:
                bend = _bend(case, facts)
            except CannotPlay:
                return []
        if bend is None or bend > _ROUNDING:
            return []
        straight, curved = _explained(*facts.pairs)
        if curved < straight + _GAIN:
            return []
        layers = passage.weighted
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.97,
                place=layers[0].op.place,
                evidence=[seen("straight_model", straight), seen("curved_model", curved)],
                values={"layers": len(layers)},
                where={"layer": layers[0].name},
                reckoned=message("causes.exact_and_compared"),
                explains=_STRAIGHT_EXPLAINS,
            )
        ]


def _bend(case: Case, facts: Facts) -> float | None:
    """Return by how much the network's outputs miss being an affine map of its inputs, as a share of their size."""
    look = facts.playable[-1]
    met = next((met for seen_look, met in facts.meets if seen_look is look), None)
    fed = facts.inputs(look)
    if met is None or len(fed) != 1 or not look.tensors[fed[0]].is_floating_point():
        return None
    if not any(met.prediction in op.outputs for op in look.program()):
        return None

    def outputs(rows: Tensor) -> Tensor:
        return play(calm(look), [met.prediction], swap={fed[0]: rows}, grad=False)[met.prediction].double()

    a = look.tensors[fed[0]]
    b, zero = a.flip(0), torch.zeros_like(a)
    modes = [(m, m.training) for r in case.roots for m in r.module.modules()]
    miss = outputs(a + b) - outputs(a) - outputs(b) + outputs(zero)
    size = float((outputs(a) - outputs(zero)).abs().max())
    for module, training in modes:
        module.training = training
    return float(miss.abs().max()) / size if size else None


def _explained(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return what a straight and a curved model explain of rows that they were not fitted on."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pick = np.random.default_rng(0).permutation(len(x))[:_ROWS]
    rows, targets = (t.reshape(len(t), -1).double().numpy()[pick] for t in (x, y))
    whole = targets.shape[1] == 1 and bool(np.all(targets == np.round(targets)))
    classes = whole and len(np.unique(targets)) <= _CLASSES
    flat = targets[:, 0] if targets.shape[1] == 1 else targets
    straight = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200) if classes else Ridge())
    forest = RandomForestClassifier if classes else RandomForestRegressor
    curved = forest(40, random_state=0, n_jobs=1)
    scores = [float(np.mean(cross_val_score(model, rows, flat, cv=3))) for model in (straight, curved)]
    return scores[0], scores[1]
