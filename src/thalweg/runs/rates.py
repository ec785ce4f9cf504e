"""Range test: which learning rates a network bears, and why the answer is not to be trusted.

Axis letters: N seeds, S steps.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from thalweg.core import Message, UsageError, law, message
from thalweg.core.random import undisturbed
from thalweg.data import open_source
from thalweg.model import Built, Model
from thalweg.runs.rates_figure import draw_rates
from thalweg.runs.run import Run
from thalweg.train import Job, Recipe, calibrate, describe, fix_generators, make_job, read_recipe, start_epoch

SMOOTH = 7  # steps of the running median
LOST = 1.5  # times the loss at the start: from there on a rate counts as too large
FALL = 0.05  # of the loss at the start: a curve that falls less is flat
NOISE = 0.4  # of the fall: a curve that jumps by more is noisy
DISAGREE = 3.0  # times: seeds whose proposals lie further apart disagree
_LEFT_START = 0.1  # of the fall
_EARLY = 0.1  # of the steps: a seed lost that soon shows nothing but the end


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateTest:
    """Hold the curves of a range test, the rate it proposes, and why that is not to be trusted."""

    rates: np.ndarray
    """(S,)"""
    raw: np.ndarray
    """(N, S), the loss right after a step with that rate; NaN from where a seed was lost."""
    losses: np.ndarray
    """(N, S), the same smoothed by a running median."""
    seeds: tuple[int, ...]
    steepest: tuple[float, ...]
    """Rate at which each seed's loss falls fastest; NaN where it does not fall."""
    lost: tuple[float, ...]
    """Rate at which each seed's loss was lost; NaN where it never was."""
    proposed: float | None
    doubts: tuple[Message, ...]
    source: str
    model: str

    @property
    def trusted(self) -> bool:
        return not self.doubts

    def plot(self) -> Figure:
        """Draw the loss over the rate, with the band between seeds."""
        return draw_rates(self.rates, self.losses, proposed=self.proposed)

    def to_plain(self) -> dict[str, Any]:
        """Write everything as plain values."""
        return {
            "source": self.source, "model": self.model, "proposed": self.proposed, "trusted": self.trusted,
            "doubts": [str(doubt) for doubt in self.doubts], "seeds": list(self.seeds),
            "steepest": list(self.steepest), "lost": list(self.lost), "rates": self.rates.tolist(),
            "raw": self.raw.tolist(), "losses": self.losses.tolist(),
        }  # fmt: skip


def range_test(
    what: Any,
    model: Model | nn.Module | None = None,
    *,
    seeds: int = 3,
    steps: int = 100,
    low: float = 1e-6,
    high: float = 10.0,
) -> RateTest:
    """Let the rate grow exponentially, from a fresh start for each of several seeds.

    rate[s] = low * (high / low)^(s / (steps - 1))
    proposed = geometric mean over seeds of min(steepest, lost / 10)

    `steepest` is where the loss falls fastest over log rate, `lost` where it passes 1.5 times its start or
    is no number. `what` is a recipe, the path of one, a run (its recipe, from the start), or data; a model
    object is left bit for bit as it is, and so are all generators. A seed fixes weights, split and order,
    as in training.

    Source: Smith 2017, section 3.3, who reads rates off one curve; seeds, doubts and the tenth are ours.
    """
    _check(seeds, steps, low=low, high=high)
    recipe = _recipe(what, model)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    dataset = recipe.data.load()
    used = tuple(recipe.seed + k for k in range(seeds))
    raw = np.full((seeds, steps), np.nan)
    with undisturbed():
        for row, seed in enumerate(used):
            job = make_job(dataclasses.replace(recipe, seed=seed, compile=False, stop=None), dataset=dataset)
            if row == 0:
                torch.set_num_threads(recipe.threads or calibrate(job)[0])
            raw[row] = _sweep(job, rates)
    return _judge(raw, rates, seeds=used, source=recipe.data.name, model=describe(job.recipe.model))  # type: ignore[arg-type]


def _check(seeds: int, steps: int, *, low: float, high: float) -> None:
    if seeds < 1:
        raise law("range_test(seeds=...)", "must be 1 or more", seeds)
    if steps < 4 * SMOOTH:
        raise law("range_test(steps=...)", f"must be {4 * SMOOTH} or more", steps)
    if not 0 < low < high < math.inf:
        raise UsageError(f"`range_test(low=..., high=...)` must have 0 < low < high, got {low:g} and {high:g}.")


def _recipe(what: Any, model: Model | nn.Module | None) -> Recipe:
    if isinstance(what, Run):
        recipe = what.recipe
    elif isinstance(what, str | Path) and str(what).endswith(".toml"):
        recipe = read_recipe(Path(what))
    else:
        recipe = what if isinstance(what, Recipe) else Recipe(data=open_source(what))
    if model is None:
        return recipe
    return dataclasses.replace(recipe, model=Built(module=model) if isinstance(model, nn.Module) else model)


def _sweep(job: Job, rates: np.ndarray) -> np.ndarray:
    """Return the loss right after a step with each rate; NaN once it is lost."""
    found = np.full(len(rates), np.nan)
    blocks = _blocks(job)
    start = math.nan
    for step in range(len(rates) + 1):
        fix_generators(job.recipe.seed, step)
        loss = job.stepper.take(next(blocks), [{"lr": float(rates[min(step, len(rates) - 1)])}])[0][0]
        if not math.isfinite(loss) or loss > 1e3 * max(abs(start), 1e-6):
            break
        if step:
            found[step - 1] = loss
        start = loss if step == 0 else start
    return found


def _blocks(job: Job) -> Iterator[Any]:
    """Give full batches for ever, in the order that training would take."""
    size, epoch = job.recipe.batch_size, 0
    while True:
        batches = start_epoch(job, epoch)
        blocks = (batches.block(k) for k in range(len(batches)))
        yield from (block for block in blocks if sum(block.sizes) == size)
        epoch += 1


def _judge(raw: np.ndarray, rates: np.ndarray, *, seeds: tuple[int, ...], source: str, model: str) -> RateTest:
    losses = np.stack([_smooth(row) for row in raw])
    curves = [_Curve(rates, rough, smooth=smooth) for rough, smooth in zip(raw, losses, strict=True)]
    for row, curve in zip(losses, curves, strict=True):
        row[curve.end + SMOOTH :] = np.nan  # what comes after the end tells nothing of rates
    proposals = [curve.proposed for curve in curves if math.isfinite(curve.proposed)]
    proposed = math.exp(float(np.mean(np.log(proposals)))) if proposals else None
    return RateTest(
        rates=rates, raw=raw, losses=losses, seeds=seeds, steepest=tuple(c.steepest for c in curves),
        lost=tuple(c.lost for c in curves), proposed=None if proposed is None else float(f"{proposed:.1e}"),
        doubts=tuple(_doubts(curves, rates, proposals=proposals)), source=source, model=model,
    )  # fmt: skip


class _Curve:
    """Read one seed's curve."""

    def __init__(self, rates: np.ndarray, raw: np.ndarray, *, smooth: np.ndarray) -> None:
        self.count = int(np.isfinite(raw).sum())
        known = smooth[: self.count]
        self.start = float(np.median(known[:SMOOTH])) if self.count else math.nan
        over = np.flatnonzero(known > LOST * abs(self.start))
        self.end = int(over[0]) if len(over) else self.count
        self.lost = float(rates[self.end]) if self.end < len(rates) else math.nan
        self.bottom = int(np.argmin(known[: self.end])) if self.end else 0
        self.fall = self.start - float(known[self.bottom]) if self.end else 0.0
        jumps = np.abs(np.diff(raw[: self.bottom + 1]))
        self.noise = float(np.median(jumps)) * 1.4826 / math.sqrt(2) if len(jumps) else 0.0
        self.flat = not self.fall > FALL * abs(self.start)
        self.steepest = math.nan if self.flat else self._steepest(rates, known)
        limit = self.lost / 10 if math.isfinite(self.lost) else math.inf
        self.proposed = min(self.steepest, limit) if math.isfinite(self.steepest) else math.nan

    def _steepest(self, rates: np.ndarray, known: np.ndarray) -> float:
        """Look between where the curve leaves its start for good and its bottom; before, all is noise."""
        above = np.flatnonzero(known[: self.bottom] > self.start - _LEFT_START * self.fall)
        first = int(above[-1]) if len(above) else 0
        down = known[first : self.bottom + 1]
        if len(down) < 3:
            return float(rates[self.bottom])
        width = min(SMOOTH, len(down))
        even = np.convolve(np.pad(down, width // 2, mode="edge"), np.ones(width) / width, mode="valid")[: len(down)]
        return float(rates[first + int(np.argmin(np.gradient(even)))])


def _smooth(row: np.ndarray) -> np.ndarray:
    """Take the running median of the known part; a median has no lag and is not moved by one wild loss."""
    count = int(np.isfinite(row).sum())
    smooth, half = np.full_like(row, np.nan), SMOOTH // 2
    for place in range(count):
        smooth[place] = np.median(row[max(0, place - half) : min(count, place + half + 1)])
    return smooth


def _doubts(curves: list[_Curve], rates: np.ndarray, *, proposals: list[float]) -> list[Message]:
    said: list[Message] = []
    early = max(int(_EARLY * len(rates)), SMOOTH)
    if soon := [curve for curve in curves if curve.end < early]:
        said.append(message("cli.doubt_few", lost=len(soon), seeds=len(curves), steps=early))
    if all(math.isnan(curve.lost) for curve in curves):
        said.append(message("cli.doubt_no_divergence", high=f"{rates[-1]:.2g}"))
    if flat := [curve for curve in curves if curve.flat]:
        if all(curve.flat and math.isfinite(curve.lost) for curve in curves):
            said.append(message("cli.doubt_converged"))
        else:
            most = max(100 * curve.fall / max(abs(curve.start), 1e-12) for curve in flat)
            said.append(message("cli.doubt_flat", percent=f"{max(most, 0):.1f}"))
    steep = [curve for curve in curves if not curve.flat]
    if edge := [curve for curve in steep if curve.bottom >= len(rates) - SMOOTH // 2 - 1 or curve.bottom < SMOOTH]:
        said.append(message("cli.doubt_edge", rate=f"{rates[edge[0].bottom]:.2g}"))
    noise = float(np.median([curve.noise / curve.fall for curve in steep])) if steep else 0.0
    if noise > NOISE:
        said.append(message("cli.doubt_noisy", percent=f"{100 * noise:.0f}"))
    if proposals and max(proposals) > DISAGREE * min(proposals):
        said.append(message("cli.doubt_seeds", low=f"{min(proposals):.1e}", high=f"{max(proposals):.1e}"))
    return said
