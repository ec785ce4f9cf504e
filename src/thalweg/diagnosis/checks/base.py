"""Checks of a watched script: each looks for one cause in what was seen and says nothing where it is not sure.

To add one: a file with a final dataclass under `CaseCheck` that has `look`, its sentences in
core/words/{en,zh}/<family>.toml, one import line in its family's `__init__`, a page in docs/findings.
"""

from abc import abstractmethod
from typing import ClassVar, Literal

from thalweg.core import Component
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding

Rank = Literal["exact", "signal", "trial"]


class CaseCheck(Component):
    """Look for one cause. `rank` says how: an exact fact, a statistic over time, or an experiment that takes longer."""

    __slots__ = ()
    rank: ClassVar[Rank] = "exact"

    @abstractmethod
    def look(self, case: Case, facts: Facts) -> list[Finding]:
        """Return what was found: nothing, as a rule."""
