"""How a network is asked what its answers depend on."""

import copy
import dataclasses

import torch
from torch import Tensor

from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import play
from thalweg.diagnosis.watching import Look

MOVED = 1e-3  # of the outputs' spread: more than rounding
SPENT = (
    "lr-too-high",
    "lr-too-low",
    "underfitting",
    "wrong-labels",
    "overfitting",
    "stopped-too-early",
    "optimizer-settings",
    "vanishing-gradients",
    "dead-relu",
    "label-noise",
    "data-leak",
    "saddle-point",
)  # what a network shows that is told the wrong things


def calm(look: Look) -> Look:
    """Return a look whose modules are called as for evaluation."""
    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=False) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other


def network(look: Look, facts: Facts) -> tuple[int, int] | None:
    """Return the numbers of what one network is fed and of what it returns, both with the batch's rows."""
    made = {n for op in look.program() if op.kind == "module" for n in op.outputs}
    modules = [op for op in look.ancestors(look.losses()[0]) if op.kind == "module"]
    trained = [op for op in modules if next(op.func.parameters(), None) is not None]
    if not trained:
        return None
    last = trained[-1]
    out = next((n for n in last.outputs if n in made), None)
    fed = [n for n in facts.inputs(look) if n in look.tensors and look.tensors[n].dim()]
    if out is None or not fed or not look.values[out].shape:
        return None
    rows = look.values[out].shape[0]
    fitting = [n for n in fed if len(look.tensors[n]) == rows]
    if len(fitting) > 1:  # lengths or masks beside the rows themselves
        fitting = [n for n in fitting if look.tensors[n].dim() > 1 and look.tensors[n].dtype != torch.bool]
    return (fitting[0], out) if len(fitting) == 1 and rows > 3 else None


def answers(look: Look, number: int, fed: int, rows: Tensor) -> Tensor:
    """Return what a network answers to rows, with the same noise each time where it draws some."""
    torch.manual_seed(0)
    return play(look, [number], swap={fed: rows}, grad=False)[number].detach().double()
