"""What a network was fed in training and in evaluation, as arrays."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op

_FEWEST = 20  # rows
WEAK = (  # what a network that learns little of such data may look like
    "lr-too-low",
    "underfitting",
    "stopped-too-early",
    "optimizer-settings",
    "overfitting",
    "over-regularized",
    "lr-too-high",
    "saddle-point",
)


def fed_in_views(case: Case, facts: Facts) -> list[tuple[Look, Op, Tensor]]:
    """Return what the trained network was fed without gradients, of the shape of its training rows, in order."""
    pairs = facts.pairs
    if pairs is None:
        return []
    trained = {id(op.func) for look, _ in facts.meets for op in look.program() if op.kind == "module" and op.grad}
    found, known = list[tuple[Look, Op, Tensor]](), set[tuple[int, int]]()
    for look in sorted([*case.views, *case.looks], key=lambda look: look.step):
        for op in look.ops:
            if op.kind != "module" or op.depth or (op.grad and look.kind != "view") or id(op.func) not in trained:
                continue
            for number in op.inputs:
                rows = look.tensors.get(number)
                if rows is None or not _like(rows, pairs[0]) or (rows.data_ptr(), len(rows)) in known:
                    continue
                known.add((rows.data_ptr(), len(rows)))
                found.append((look, op, rows.detach().cpu()))
    return found


def _like(rows: Tensor, others: Tensor) -> bool:
    return rows.shape[1:] == others.shape[1:] and rows.dtype == others.dtype and len(rows) >= _FEWEST


def columns(rows: Tensor) -> NDArray[np.float64]:
    """Return rows as a table (N, D)."""
    return rows.reshape(len(rows), -1).double().numpy()


def share_found(rows: Tensor, among: Tensor) -> float:
    """Return the share of rows that occur among others, bit for bit."""
    known = {row.tobytes() for row in among.reshape(len(among), -1).numpy()}
    return float(np.mean([row.tobytes() in known for row in rows.reshape(len(rows), -1).numpy()]))


def median_repaired(rows: Tensor, column: int, values: tuple[float, ...]) -> Tensor:
    """Return rows with some values of a column set to the median of its others."""
    other = rows.clone()
    flat = other.reshape(len(other), -1)
    bad = torch.zeros(len(flat), dtype=torch.bool)
    for value in values:
        bad |= torch.isclose(flat[:, column].double(), torch.tensor(value, dtype=torch.float64), rtol=1e-5, atol=1e-6)
    if bool((~bad).any()):
        flat[bad, column] = flat[~bad, column].median()
    return other
