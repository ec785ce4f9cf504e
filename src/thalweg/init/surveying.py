"""A survey: what each layer does with a batch before the first step, forward and backward, and what comes of it."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from thalweg.core.random import generator
from thalweg.init.following import stages
from thalweg.init.listening import Call
from thalweg.init.looking import LossFunction, numbers, run
from thalweg.init.weights import find_weights

Verdict: TypeAlias = Literal["vanish", "hold", "explode", "unknown"]
FACTOR = 10.0  # see Survey


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SurveyRow:
    """Tell what one layer with weights does, seen after the activation that follows it; NaN where nothing is known."""

    name: str
    activation: str
    """What follows the layer; "identity" if nothing does."""
    mean: float
    std: float
    dead: float
    """Share of units that are 0 for the whole batch."""
    saturated: float
    """Share of outputs within 1% of either end of a bounded activation's range."""
    grad_mean: float
    """Of the loss with respect to what is seen, as are the next two."""
    grad_std: float
    grad_norm: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """Judge from the first to the last hidden layer whether signals vanish, hold or explode.

    forward_ratio = std[last] / std[first];  backward_ratio = grad_std[first] / grad_std[last]
    vanish below 1/10, explode above 10, hold between

    Hidden are all layers but the last and the tables of embeddings; among them, layers are compared that play the same
    part, blocks.0.expand with blocks.5.expand, where at least two do. The factor of 10 is ours: over 10 to 30 layers,
    the starts of He et al. 2015 and Glorot and Bengio 2010 stay within it and N(0, 0.01²) and N(0, 1) do not
    (tests/init); from 10 on, one learning rate moves the first layer ten times as far as the last, or a tenth.
    """

    rows: tuple[SurveyRow, ...]
    forward_ratio: float
    backward_ratio: float

    @property
    def forward(self) -> Verdict:
        return _verdict(self.forward_ratio)

    @property
    def backward(self) -> Verdict:
        return _verdict(self.backward_ratio)

    def to_plain(self) -> dict[str, Any]:
        """Write everything as plain values."""
        plain = {name: getattr(self, name) for name in ("forward", "forward_ratio", "backward", "backward_ratio")}
        return {**plain, "layers": [dataclasses.asdict(row) for row in self.rows]}


def survey(module: nn.Module, batch: Tensor | tuple[Tensor, Tensor], *, loss_fn: LossFunction | None = None) -> Survey:
    """Look at every layer with weights, in the order of the calls, from one pass in the module's present mode.

    `batch` is x or (x, y), and `loss_fn(outputs, targets)` gives a scalar. Without it the way back starts from fixed
    draws of N(0, 1) at the outputs, which shows how gradients travel whatever the loss. Activations that are called as
    functions are seen too. The module, its gradients and all random generators are left as they were.

    >>> from torch import nn
    >>> survey(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.ones(3, 4)).rows[0].activation
    'relu'
    """
    x, y = batch if isinstance(batch, tuple | list) else (batch, None)
    params, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    weights = find_weights(module, frozen=True)
    calls, _ = run(module, params, buffers, x=x, y=y, loss=loss_fn or _any_loss, functions=True)
    table = dict(zip(calls, numbers(calls), strict=True))
    pairs = stages(calls, weights)
    rows = tuple(_row(first, last, table[last]) for first, last in pairs)
    tables = {weight.owner for weight in weights if weight.is_table}
    hidden = [row for row, (first, _) in zip(rows[:-1], pairs, strict=False) if first.layer not in tables]
    hidden = _comparable(hidden)
    forward = backward = math.nan
    if len(hidden) > 1:
        forward = _ratio(hidden[-1].std, hidden[0].std)
        backward = _ratio(hidden[0].grad_std, hidden[-1].grad_std)
    return Survey(rows=rows, forward_ratio=forward, backward_ratio=backward)


def _any_loss(outputs: Any, _: object) -> Tensor:
    while isinstance(outputs, tuple | list):
        outputs = outputs[0]
    draws = torch.randn(outputs.shape, generator=generator(0, "init/survey"))
    total: Tensor = (outputs * draws.to(outputs)).sum()
    return total


def _row(first: Call, last: Call, values: list[float]) -> SurveyRow:
    mean, std, _, dead, saturated, grad_mean, grad_std, grad_norm = values
    activation = "identity" if last.activation is None else last.activation.name
    return SurveyRow(
        name=first.name, activation=activation, mean=mean, std=std, dead=dead, saturated=saturated,
        grad_mean=grad_mean, grad_std=grad_std, grad_norm=grad_norm,
    )  # fmt: skip


def _comparable(rows: Sequence[SurveyRow]) -> list[SurveyRow]:
    """Keep the largest group of layers whose names differ in numbers alone, all if each stands alone."""
    groups: dict[str, list[SurveyRow]] = {}
    for row in rows:
        groups.setdefault(re.sub(r"\d+", "#", row.name), []).append(row)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) > 1 else list(rows)


def _ratio(above: float, below: float) -> float:
    """Divide so that nothing left counts as 0 and no number at all as infinite growth."""
    if math.isnan(above) or math.isnan(below) or math.isinf(above) or math.isinf(below):
        return math.inf
    return above / below if below > 0 else (0.0 if above == 0 else math.inf)


def _verdict(ratio: float) -> Verdict:
    if math.isnan(ratio):
        return "unknown"
    return "vanish" if ratio < 1 / FACTOR else "explode" if ratio > FACTOR else "hold"
