"""From what was seen in one process to its answer; a fault of ours becomes a line in it."""

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from thalweg.core import Message, message
from thalweg.diagnosis.script.alone import alone
from thalweg.diagnosis.script.attaching import Eye, fault

if TYPE_CHECKING:
    from thalweg.diagnosis.answer import Diagnosis
    from thalweg.diagnosis.watching import Case


def answer(eye: Eye, *, budget: float, seconds: float, script: str | None = None, finished: bool = True) -> "Diagnosis":
    """Judge what an eye saw. `seconds` is the script's time; `budget` the time that experiments may take."""
    from thalweg.diagnosis.answer import Diagnosis

    eye.close()
    case = eye.case()
    if case is None:
        key = "no_torch" if eye.watch is None and not eye.faults else "not_watched"
        unseen = (message(f"diagnose.{key}"),)
        return Diagnosis(verdict="unsure", seconds=seconds, unseen=unseen, faults=tuple(eye.faults))
    case.seconds, case.script, case.finished = seconds, script, finished
    try:
        with _calm(), alone(case, grouped=eye.rank is not None) as possible:
            if possible:
                from thalweg.diagnosis.judging import judge

                found = judge(case, budget=budget)
            else:
                found = _unjudged(case, message("diagnose.shared_model"))
    except Exception as error:
        found = _unjudged(case)
        eye.faults.append(fault("judging", error))
    if not case.steps and not found.findings:
        found = dataclasses.replace(found, unseen=(*found.unseen, *_instead(case)))
    return dataclasses.replace(found, faults=(*found.faults, *eye.faults))


def _unjudged(case: "Case", *unseen: Message) -> "Diagnosis":
    from thalweg.diagnosis.answer import Diagnosis

    share = case.watched / case.seconds if case.seconds else 0.0
    losses = tuple(case.main.losses) if case.main else ()
    return Diagnosis(
        verdict="unsure", steps=len(losses), seconds=case.seconds, overhead=share, losses=losses,
        unseen=unseen, faults=tuple(case.faults),
    )  # fmt: skip


def _instead(case: "Case") -> Sequence[Message]:
    """Say what was seen of a script that trained nothing."""
    made = [note for note in case.notes if note.kind == "optimizer"]
    models = ", ".join(dict.fromkeys(type(root.module).__name__ for root in case.roots)) or ", ".join(
        dict.fromkeys(type(optimizer.data).__name__ for optimizer in made)
    )
    if made:
        place = made[0].place
        where = f"{place.file.rpartition('/')[2]}:{place.line}" if place is not None else "?"
        return [message("diagnose.seen_optimizer", name=type(made[0].data).__name__, where=where)]
    return [message("diagnose.seen_models", models=models) if models else message("diagnose.seen_nothing")]


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Take back for a while what a script may have left behind that would change or stop our own arithmetic."""
    import torch

    numpy = sys.modules.get("numpy")
    errors = numpy.errstate(all="ignore") if numpy is not None else contextlib.nullcontext()
    with warnings.catch_warnings(), errors, torch.enable_grad(), torch.inference_mode(False):
        warnings.simplefilter("ignore")
        yield
