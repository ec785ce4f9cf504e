"""A watch inside somebody's own loop: `with tw.watch(model, optimizer) as watch: ...`."""

from types import TracebackType
from typing import Self

import torch
from torch import nn

from thalweg.core import UsageError
from thalweg.diagnosis.answer import Diagnosis
from thalweg.diagnosis.judging import judge
from thalweg.diagnosis.watching import Case, Watch
from thalweg.findings import Finding


class watch:
    """Watch a training loop between `with` and its end; the loop's numbers stay the same to the last bit.

    Models and optimizers that train inside are found by themselves; those named here are known from the start, so that
    the first step is seen whole. One watch at a time. Raises `UsageError`.
    """

    _on: list["watch"] = []  # the one that is on

    def __init__(self, *parts: nn.Module | torch.optim.Optimizer, budget: float = 60.0) -> None:
        wrong = next((p for p in parts if not isinstance(p, nn.Module | torch.optim.Optimizer)), None)
        if wrong is not None:
            got = type(wrong).__name__
            raise UsageError(f"`watch(...)` takes modules and optimizers, got {got}; give the model and its optimizer.")
        self._parts, self._budget = parts, budget
        self._watch = Watch()
        self._judged: Diagnosis | None = None
        self._case: Case | None = None

    def __enter__(self) -> Self:
        if watch._on:
            raise UsageError("`watch(...)` cannot be entered twice at a time; leave the other `with` first.")
        watch._on.append(self)
        self._watch.attach()
        for part in self._parts:
            if isinstance(part, torch.optim.Optimizer):
                self._watch.optimizer_made(part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._watch.detach()
        watch._on.remove(self)
        self._case = self._watch.case()
        self._case.finished = error is None

    @property
    def case(self) -> Case:
        """Return what was seen so far."""
        return self._case or self._watch.case()

    def diagnose(self) -> Diagnosis:
        """Say what is wrong, once the loop has ended; experiments give the weights back as they were.

        Raises `UsageError` inside the loop.
        """
        if self._case is None:
            raise UsageError("`watch.diagnose()` needs a loop that has ended; call it after the `with` block.")
        if self._judged is None:
            self._judged = judge(self._case, budget=self._budget)
        return self._judged

    def findings(self) -> list[Finding]:
        """Return what was found, best first."""
        return list(self.diagnose().findings)
