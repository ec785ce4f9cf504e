"""Training that never took a step: gradients were made, again and again, and nobody used them."""

import torch

from thalweg.diagnosis.checks.loop.telling import seen, tell
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_FEWEST = 10  # backward passes: fewer may be a look at gradients


def never_stepped(case: Case) -> Finding | None:
    """Find an optimizer whose parameters got gradients in ten backward passes or more, never took a step, and whose
    weights are what they were. A script that changes its weights by itself has moved them.
    """
    made = [note.data for note in case.notes if note.kind == "optimizer"]
    if case.steps or not made or not case.reached or case.backwards < _FEWEST:
        return None
    own = {id(p) for optimizer in made for group in optimizer.param_groups for p in group["params"]}
    copied = [(tensor, copy) for tensor, copy in case.start if id(tensor) in own]
    if not copied or not all(torch.equal(tensor.detach(), copy) for tensor, copy in copied):
        return None
    return tell(
        "parameters-not-optimized",
        Severity.CRITICAL,
        0.98,
        said="never-stepped",
        place=case.sent,
        values={"count": case.backwards, "name": type(made[0]).__name__},
        evidence=[seen("backward_passes", case.backwards), seen("steps_taken", 0, "> 0")],
    )
