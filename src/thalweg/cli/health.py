"""One word for how the training loss is doing, from the losses of the last steps alone.

    starting   fewer than 40 steps: too few to say anything
    lost       the last loss is not a number
    diverging  the level rises, is more than twice the lowest so far, and gave back a tenth of the gain
    rising     the level rises by more than a tenth of itself, and that is not chance
    ok         the level falls, and that is not chance; or it is under 2 % of where it started
    noisy      no direction can be seen, since the losses jump by more than half their level
    flat       no direction can be seen, and the losses hardly jump: nothing is being learnt just now

The window is the last 200 steps (all, while there are fewer), in two halves. A level is the mean of a half.
"Not chance" is a difference of the two means of more than three standard errors, reckoned from the spread
of the halves.
"""

import math
import statistics
from collections.abc import Sequence

WINDOW = 200
FEWEST = 40


def health(losses: Sequence[float], *, start: float, lowest: float) -> str:
    """Return the word for these losses, the last being the newest.

    `start` is the level at the start of the run, `lowest` the lowest level so far (NaN where it is not
    known).

    >>> health([1.0] * 100, start=1.0, lowest=1.0)
    'flat'
    """
    if losses and not math.isfinite(losses[-1]):
        return "lost"
    recent = losses[-WINDOW:]
    if len(recent) < FEWEST or not all(map(math.isfinite, recent)):
        return "starting"
    half = len(recent) // 2
    before, now = recent[:half], recent[half:]
    level, change = statistics.fmean(now), statistics.fmean(now) - statistics.fmean(before)
    error = math.sqrt(statistics.variance(before) / len(before) + statistics.variance(now) / len(now))
    rises, falls = change > 3 * error, change < -3 * error
    if rises and level > 2 * abs(lowest) and level - lowest > 0.1 * abs(start - lowest):
        return "diverging"
    if rises and change > 0.1 * abs(level):
        return "rising"
    if falls or abs(level) < 0.02 * abs(start):
        return "ok"
    return "noisy" if statistics.stdev(now) > 0.5 * abs(level) else "flat"
