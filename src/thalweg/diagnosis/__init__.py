"""Why training fails: watches a script or a loop, probes what it saw, tries what could be meant, and answers.

Names are looked up when they are first used: a script that is run under the watch imports torch itself, after it has
set what torch reads from the environment.
"""

from typing import TYPE_CHECKING

from thalweg.core.late import late_names

if TYPE_CHECKING:
    from thalweg.diagnosis.answer import Diagnosis as Diagnosis
    from thalweg.diagnosis.answer import Hypothesis as Hypothesis
    from thalweg.diagnosis.before import check as check
    from thalweg.diagnosis.callbacks import lightning_callback as lightning_callback
    from thalweg.diagnosis.callbacks import trainer_callback as trainer_callback
    from thalweg.diagnosis.judging import judge as judge
    from thalweg.diagnosis.loop import watch as watch
    from thalweg.diagnosis.recorded import diagnose_run as diagnose_run

_HOMES = {
    "Diagnosis": "answer", "Hypothesis": "answer", "check": "before", "lightning_callback": "callbacks",
    "trainer_callback": "callbacks", "judge": "judging", "watch": "loop", "diagnose_run": "recorded",
}  # fmt: skip
__all__ = sorted(_HOMES)

__getattr__ = late_names(__name__, _HOMES)
