"""Showing a run while it goes: moving on a terminal, in plain lines without one, not at all if quiet.

Nothing runs beside the training: `see` reads the clock, and draws when it is time. A draw on a terminal
takes about 1 ms; there are at most 8 a second, and they never take more than 1 % of the time.
"""

import math
import resource
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from rich.console import Console
from rich.live import Live
from rich.text import Text

from thalweg.cli.output import is_live, note
from thalweg.cli.pages import pad
from thalweg.cli.pulse import Pulse, Reading
from thalweg.core import say
from thalweg.core.columns import width_of
from thalweg.report import sparkline
from thalweg.train import Snapshot

DRAWS_PER_SECOND = 8
DRAW_SHARE = 0.01  # of the time
LINE_EVERY = 5.0  # seconds between plain lines
_COLOURS = {
    "ok": "green",
    "starting": "bright_black",
    "flat": "yellow",
    "noisy": "yellow",
    "rising": "yellow",
}


class Display(ABC):
    """Show snapshots; `note` says a sentence without disturbing what is shown."""

    @abstractmethod
    def see(self, snapshot: Snapshot) -> None: ...

    @abstractmethod
    def note(self, text: str) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Show the last state and leave."""


def display(pulse: Pulse, *, quiet: bool) -> Display:
    """Return the display that fits: see the head of this file."""
    return Silent() if quiet else Moving(pulse) if is_live() else Lines(pulse)


class Silent(Display):
    """Show nothing."""

    def see(self, snapshot: Snapshot) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class Lines(Display):
    """Write one plain line now and then, and one at the end: for logs, pipes and schedulers."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._next = time.perf_counter() + LINE_EVERY

    def see(self, snapshot: Snapshot) -> None:
        self._pulse.see(snapshot)
        if time.perf_counter() >= self._next:
            self.draw()

    def draw(self) -> None:
        self._next = time.perf_counter() + LINE_EVERY
        if (reading := self._pulse.read()) is not None:
            self.note(plain_line(reading))

    def note(self, text: str) -> None:
        note(text)
        sys.stderr.flush()

    def close(self) -> None:
        self.draw()


class Moving(Display):
    """Draw three lines in place."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            Text(),
            console=self._console,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
        )
        self._next = 0.0
        self._live.start()

    def see(self, snapshot: Snapshot) -> None:
        self._pulse.see(snapshot)
        if time.perf_counter() >= self._next:
            self.draw()

    def draw(self) -> None:
        start = time.perf_counter()
        if (reading := self._pulse.read()) is not None:
            self._live.update(picture(reading, self._console.width), refresh=True)
        spent = time.perf_counter() - start
        self._next = start + max(1 / DRAWS_PER_SECOND, spent / DRAW_SHARE)

    def note(self, text: str) -> None:
        self._console.print(Text(text))

    def close(self) -> None:
        self.draw()
        self._live.stop()


def picture(reading: Reading, width: int) -> Text:
    """Draw a reading as three lines of at most `width` columns."""
    text = Text(no_wrap=True, overflow="crop")
    for style, part in (
        *_progress(reading, width),
        ("", "\n"),
        *_losses(reading, width),
        ("", "\n"),
        *_speed(reading),
    ):
        text.append(part, style)
    return text


def _progress(r: Reading, width: int) -> list[tuple[str, str]]:
    share = min(r.step / max(r.steps, 1), 1.0)
    head = f"  {say('cli.epoch')} {int(r.epoch)}/{r.epochs}  "
    tail = f"  {share * 100:3.0f} %  {clock(r.seconds)}" + say("cli.left", time=clock(r.left))
    room = max(min(width - width_of(head) - width_of(tail) - 2, 60), 4)
    full = int(share * room)
    return [("", head), ("cyan", "━" * full), ("bright_black", "─" * (room - full)), ("", tail)]


def _losses(r: Reading, width: int) -> list[tuple[str, str]]:
    head = f"  {say('cli.loss')} "
    value, metric = f"{r.value:.4g}", f"  {say('cli.validation')} {r.metric} "
    best = say("cli.best", value=f"{r.best:.4g}", epoch=f"{r.best_epoch:g}")
    known = r.value == r.value
    taken = width_of(head) + 10 + 1 + (width_of(metric + value + best) if known else 0)
    found = [
        ("", head),
        ("bold", pad(f"{r.loss:.4g}", 10)),
        ("cyan", sparkline(_curve(r), max(4, min(16, width - taken)))),
    ]
    return [*found, ("", metric), ("bold", value), ("bright_black", best)] if known else found


def _curve(r: Reading) -> list[float]:
    """Return the curve to draw: its logarithm where it spans more than a power of ten."""
    wide = r.curve and min(r.curve) > 0 and max(r.curve) > 10 * min(r.curve)
    return [math.log(value) for value in r.curve] if wide else list(r.curve)


def _speed(r: Reading) -> list[tuple[str, str]]:
    facts = [f"lr {r.lr:.2g}", f"|g| {r.grad_norm:.2g}", *_rates(r), memory()]
    word = (_COLOURS.get(r.health, "bold red"), say(f"cli.health_{r.health}"))
    return [("bright_black", "  " + " · ".join(facts) + " · "), word]


def _rates(r: Reading) -> list[str]:
    if r.per_second != r.per_second:
        return []
    return [f"{short(r.per_second)} it/s", f"{short(r.examples_per_second)} {say('cli.samples')}/s"]


def plain_line(r: Reading) -> str:
    """Write a reading as one line without colour."""
    parts = [
        f"{say('cli.epoch')} {int(r.epoch)}/{r.epochs}",
        f"{say('cli.step')} {r.step}/{r.steps}",
        f"{say('cli.loss')} {r.loss:.4g}",
    ]
    if r.value == r.value:
        best = say("cli.best", value=f"{r.best:.4g}", epoch=f"{r.best_epoch:g}")
        parts.append(f"{say('cli.validation')} {r.metric} {r.value:.4g}{best}")
    parts += [
        f"lr {r.lr:.2g}",
        f"|g| {r.grad_norm:.2g}",
        *_rates(r),
        clock(r.seconds) + say("cli.left", time=clock(r.left)),
    ]
    return " · ".join([*parts, say(f"cli.health_{r.health}")])


def clock(seconds: float) -> str:
    """Write seconds as 0:07, 12:34 or 3:02:01; "?" where they are not known."""
    if not 0 <= seconds < 1e9:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(number: float) -> str:
    """Write a count in at most four characters and a letter: 2931, 187k, 2.4M."""
    if not number < 1e12:
        return "?"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            scaled = number / (1e3 if letter == "k" else size)
            return f"{scaled:.3g}{letter}"
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def memory() -> str:
    """Write the memory in use: the device's where there is one, else this process's."""
    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        return f"{torch.cuda.memory_allocated() / 2**20:.0f} MB"
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return f"{pages * resource.getpagesize() / 2**20:.0f} MB"
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return f"{peak / (2**20 if sys.platform == 'darwin' else 2**10):.0f} MB"
