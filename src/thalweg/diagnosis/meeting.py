"""How predictions and targets meet in a look: in a loss function of torch's, or in arithmetic of the script's own."""

import dataclasses

from thalweg.diagnosis.replay import learned_values
from thalweg.diagnosis.watching import Look, Op

LOSSES = {  # function: kind
    "cross_entropy": "cross_entropy", "nll_loss": "nll_loss", "mse_loss": "mse_loss", "l1_loss": "l1_loss",
    "smooth_l1_loss": "l1_loss", "huber_loss": "l1_loss", "binary_cross_entropy": "binary_cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits", "kl_div": "kl_div",
    "poisson_nll_loss": "poisson", "gaussian_nll_loss": "gaussian", "multi_margin_loss": "margin",
    "multilabel_margin_loss": "margin", "soft_margin_loss": "margin", "hinge_embedding_loss": "margin",
    "multilabel_soft_margin_loss": "binary_cross_entropy_with_logits",
}  # fmt: skip
_DIFFERENCES = ("sub", "rsub", "__rsub__", "__sub__", "sub_")
_SQUARES = ("pow", "square", "__pow__")


@dataclasses.dataclass(frozen=True, slots=True)
class Meeting:
    """One place where what was learned meets what was given. `kind` is the loss's, `squared` and `absolute` where the
    script writes it out, `other` for any other arithmetic.
    """

    kind: str
    op: Op
    prediction: int
    target: int
    reduction: str


def meetings(look: Look) -> tuple[Meeting, ...]:
    """Return the places where predictions and targets meet on the way to the losses, those of known kinds first."""
    if "meetings" not in look.plans:
        found = [met for number in look.losses() for met in _on_the_way(look, number)]
        kinds = {id(met.op): met for met in found}
        look.plans["meetings"] = tuple(sorted(kinds.values(), key=lambda met: met.kind == "other"))
    return look.plans["meetings"]  # type: ignore[no-any-return]


def learned(look: Look) -> set[int]:
    """Return the numbers, also of values inside modules, that a parameter had a part in."""
    if "all learned" not in look.plans:
        found = set(learned_values(look))
        found |= {k for k, value in enumerate(look.values) if value.requires_grad}
        look.plans["all learned"] = found
    return look.plans["all learned"]  # type: ignore[no-any-return]


def _on_the_way(look: Look, loss: int) -> list[Meeting]:
    known, trail = learned(look), look.trail(loss)
    found = []
    for op in trail:
        if len(op.inputs) < 2 or op.kind != "function":
            continue
        first, second = op.inputs[:2]
        if op.name in LOSSES and (first in known or second in known):
            prediction, target = (first, second) if first in known else (second, first)
            found.append(Meeting(LOSSES[op.name], op, prediction, target, _reduction(op)))
        elif op.name in _DIFFERENCES and (first in known) != (second in known):
            prediction, target = (first, second) if first in known else (second, first)
            kind = _kind(look, trail, op.outputs[0]) if _is_target(look, prediction, target) else None
            if kind is not None:
                found.append(Meeting(kind, op, prediction, target, "own"))
    return found or [met for op in trail if (met := _other(look, op, known)) is not None][:2]


def _is_target(look: Look, prediction: int, target: int) -> bool:
    value = look.values[target]
    return value.parameter is None and (bool(value.shape) or look.values[prediction].shape == ())


def _kind(look: Look, trail: list[Op], difference: int) -> str | None:
    """Return what a script makes of a difference of its own: its square or its size."""
    inner = look.inner(difference)
    for op in trail:
        if op.inputs and all(look.inner(number) == inner for number in op.inputs):
            if op.name in _SQUARES or (op.name in ("mul", "__mul__") and len(op.inputs) == 2):
                return "squared"
            if op.name in ("abs", "absolute", "__abs__"):
                return "absolute"
    return None


def _other(look: Look, op: Op, known: set[int]) -> Meeting | None:
    """Return a meeting of any kind: learned with given data, outside modules that hold parameters."""
    if op.kind != "function" or len(op.inputs) != 2 or op.name in ("linear", "matmul", "__getitem__", "embedding"):
        return None
    sides = [number in known for number in op.inputs]
    if sides.count(True) != 1 or op.depth > 1:
        return None
    prediction, target = op.inputs if sides[0] else op.inputs[::-1]
    if look.values[target].parameter is not None or not look.values[target].shape:
        return None
    return Meeting("other", op, prediction, target, "own")


def _reduction(op: Op) -> str:
    said = op.kwargs.get("reduction")
    if said is None:
        said = next((arg for arg in reversed(op.args) if arg in ("mean", "sum", "none", "batchmean")), "mean")
    return str(said)
