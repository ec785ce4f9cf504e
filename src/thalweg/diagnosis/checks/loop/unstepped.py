"""Training that took no step, or far too few: gradients were made, again and again, and nobody used them."""

import torch

from thalweg.diagnosis.checks.loop.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loop.threads import steps_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Course, Look
from thalweg.findings import Finding, Severity

_FEWEST = 10  # backward passes: fewer may be a look at gradients
_SHARE = 0.74  # of backward passes: with a second one for a disturbed input, half of them are thrown away


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


def rarely_stepped(case: Case, facts: Facts, course: Course) -> Finding | None:
    """Find steps most of whose gradients are cleared before they are used: the step stands outside of the loop.

    Attacks on inputs send gradients to them and clear those of the weights: then an input of the network is a leaf that
    asks for a gradient, and nothing is said.
    """
    used = sum(course.backwards)
    if course.discarded < _FEWEST or course.discarded < _SHARE * (course.discarded + used):
        return None
    if any(_asks_for_inputs(look) for look in steps_of(case, course)):
        return None
    passes = course.discarded + used
    return tell(
        "parameters-not-optimized",
        critical_unless_learnt(facts),
        0.95,
        said="rarely-stepped",
        place=course.stepped or course.place,
        values={"discarded": course.discarded, "count": passes, "steps": course.steps},
        evidence=[seen("backward_passes", passes), seen("steps_taken", course.steps, f"≈ {passes}")],
        explains=("stopped-too-early", "lr-too-low", "batch-size", "underfitting", "optimizer-settings"),
    )


def _asks_for_inputs(look: Look) -> bool:
    """Return whether something that is no parameter, and made of nothing that learns, asks for a gradient."""
    for value in look.values:
        if value.requires_grad and value.parameter is None:
            maker = None if value.maker is None else look.ops[value.maker]
            if maker is not None and maker.kind == "module":
                continue  # its weights are not among its inputs
            if maker is None or not any(look.values[number].requires_grad for number in maker.inputs):
                return True
    return False
