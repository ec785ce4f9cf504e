"""Units that are all one unit, and layers that are all one map."""

import dataclasses
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.checks.signals.layers import LINEAR, passages
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, held, loss_of, play
from thalweg.diagnosis.watching import Case, Look
from thalweg.findings import Finding, Severity

_SAME = 1e-3  # of a matrix's size: by how much its rows may differ and still be one row
_ROUNDING = 1e-3  # of the outputs' size: what float32 leaves of an exact sum
_GAIN = 0.1  # by which a curved model must beat a straight one in what it explains of held-out rows
_ROWS = 1500


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
        trained = {id(p) for course in case.courses if course.optimizer for g in course.optimizer.param_groups for p in g["params"]}
        for tensor, copy in case.start:
            if id(tensor) not in trained or tensor.dim() < 2 or tensor.shape[0] < 2 or tensor[0].numel() < 2:
                continue
            if not _one_row(copy) or id(tensor) not in alike:
                continue
            told = case.started.get(id(tensor))
            owner = next((m for _, m in case.modules() if any(p is tensor for p in m.parameters(recurse=False))), None)
            place = told[1] if told else (case.made.get(id(owner)) if owner is not None else None)
            name = case.names.get(id(tensor), "")
            evidence = [seen("different_rows", 1, f"{tensor.shape[0]}")]
            return [
                found(self.name, Severity.CRITICAL, 0.99, place=place, evidence=evidence,
                      values={"units": tensor.shape[0], "parameter": name}, where={"parameter": name, "layer": name.rpartition(".")[0] or None},
                      explains=("underfitting", "lr-too-low", "bad-init-scale", "stopped-too-early", "vanishing-gradients", "saddle-point", "dead-relu", "optimizer-settings"))
            ]  # fmt: skip
        return []


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
        if passage is None or len([layer for layer in passage.weighted if layer.op.name in LINEAR]) < 2 or passage.activations:
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
        evidence = [seen("straight_model", straight), seen("curved_model", curved)]
        layers = passage.weighted
        return [
            found(self.name, Severity.CRITICAL, 0.97, place=layers[0].op.place, evidence=evidence,
                  values={"layers": len(layers)}, where={"layer": layers[0].name}, reckoned=message("causes.exact_and_compared"),
                  explains=("underfitting", "lr-too-low", "vanishing-gradients", "stopped-too-early", "optimizer-settings", "lr-too-high", "wrong-labels"))
        ]  # fmt: skip


def _bend(case: Case, facts: Facts) -> float | None:
    """Return by how much the network's outputs miss being an affine map of its inputs, as a share of their size."""
    look = facts.playable[-1]
    met = next((met for seen_look, met in facts.meets if seen_look is look), None)
    fed = facts.inputs(look)
    if met is None or len(fed) != 1 or not look.tensors[fed[0]].is_floating_point():
        return None
    root = next((op for op in look.program() if met.prediction in op.outputs), None)
    number = met.prediction if root is not None else None
    if number is None:
        return None
    modes = [(m, m.training) for r in case.roots for m in r.module.modules()]

    def outputs(rows: Tensor) -> Tensor:
        return play(_evaluating(look), [number], swap={fed[0]: rows}, grad=False)[number].double()

    a = look.tensors[fed[0]]
    b = a.flip(0)
    zero = torch.zeros_like(a)
    miss = outputs(a + b) - outputs(a) - outputs(b) + outputs(zero)
    size = float((outputs(a) - outputs(zero)).abs().max())
    for module, training in modes:
        module.training = training
    return float(miss.abs().max()) / size if size else None


def _evaluating(look: Look) -> Look:
    """Return a look whose modules are called in eval mode."""
    import copy

    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=False) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other


def _explained(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return what a straight and a curved model explain of rows that they were not fitted on."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pick = np.random.default_rng(0).permutation(len(x))[:_ROWS]
    rows, targets = x.reshape(len(x), -1).double().numpy()[pick], y.reshape(len(y), -1).double().numpy()[pick]
    classes = len(np.unique(targets)) <= 20 and bool(np.all(targets == np.round(targets))) and targets.shape[1] == 1
    flat = targets[:, 0] if targets.shape[1] == 1 else targets
    straight = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200) if classes else Ridge())
    forest = RandomForestClassifier if classes else RandomForestRegressor
    curved = forest(40, random_state=0, n_jobs=1)
    return tuple(float(np.mean(cross_val_score(model, rows, flat, cv=3))) for model in (straight, curved))  # type: ignore[return-value]
