"""What it means: reads traces, knows nothing of how they were made."""

from thalweg.core import members
from thalweg.findings.base import Check as Check
from thalweg.findings.base import Evidence as Evidence
from thalweg.findings.base import Finding as Finding
from thalweg.findings.base import Severity as Severity
from thalweg.findings.base import Where as Where
from thalweg.findings.base import ranked as ranked
from thalweg.findings.diverged import Diverged as Diverged
from thalweg.findings.overfitting import Overfitting as Overfitting
from thalweg.findings.parts import Change as Change
from thalweg.findings.parts import Picture as Picture
from thalweg.findings.parts import Tried as Tried
from thalweg.findings.still_improving import StillImproving as StillImproving
from thalweg.signals import Trace

CHECKS = members(Check, vars())


def find_all(trace: Trace) -> list[Finding]:
    """Let every check look at a trace; the worst finding comes first."""
    return ranked([finding for check in CHECKS.values() for finding in check().look(trace)])
