"""How a run, or a member of a population, ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """Say how training ended; each has its sentence in the word catalogue `outcome`."""

    RUNNING = "running"
    FINISHED = "finished"  # every planned step was taken
    STOPPED_EARLY = "stopped-early"  # the validation metric had stopped getting better
    DIVERGED = "diverged"  # the loss is no longer a number
    STALLED = "stalled"  # the loss has not moved since the start
    PRUNED = "pruned"  # a search found others more promising; it can go on
    INTERRUPTED = "interrupted"  # a signal or the user; it can go on
    BUDGET = "budget"  # the time or step budget was reached; the best is kept
