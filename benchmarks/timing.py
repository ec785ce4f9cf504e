"""Side-by-side timing: every contender runs a short window in turn, round after round, so that noise meets them all."""

import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds a step: median over rounds, and the middle half of them; and every round."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...]


def race(contenders: dict[str, Callable[[int], None]], *, steps: int, rounds: int) -> dict[str, Timing]:
    """Time `contender(steps)` for each, interleaved."""
    for run in contenders.values():
        run(max(steps // 4, 3))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(steps)
            seconds[name].append((time.perf_counter() - start) / steps)
    quarters = {name: statistics.quantiles(times, n=4) for name, times in seconds.items()}
    return {
        name: Timing(statistics.median(seconds[name]), q[0], q[2], tuple(seconds[name])) for name, q in quarters.items()
    }


def table(title: str, timings: dict[str, Timing], *, base: str, unit: float = 1e6, name: str = "µs") -> str:
    """Write the timings beside their ratio to `base`."""
    lines = [title, f"{'':44s}{name + ' a step':>12s}{'middle half':>18s}{'ratio':>8s}"]
    for contender, t in timings.items():
        spread = f"{t.low * unit:.1f} .. {t.high * unit:.1f}"
        # Within a round, contenders meet the same noise: the median of these ratios moves less than that of medians.
        ratio = statistics.median(a / b for a, b in zip(t.rounds, timings[base].rounds, strict=True))
        lines.append(f"{contender:44s}{t.median * unit:12.1f}{spread:>18s}{ratio:8.2f}")
    return "\n".join(lines)


def keep(file: str, content: dict[str, object]) -> None:
    """Write results with the conditions they were measured under."""
    RESULTS.mkdir(exist_ok=True)
    made = {"torch": torch.__version__, "python": platform.python_version(), "cores": torch.get_num_threads()}
    text = json.dumps({"conditions": made, **content}, indent=1, default=dataclasses.asdict)
    (RESULTS / file).write_text(text + "\n")
