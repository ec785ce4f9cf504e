"""Why training fails: watches a script or a loop, probes what it saw, tries what could be meant, and answers."""

from thalweg.diagnosis.answer import Diagnosis as Diagnosis
from thalweg.diagnosis.answer import Hypothesis as Hypothesis
from thalweg.diagnosis.before import check as check
from thalweg.diagnosis.callbacks import lightning_callback as lightning_callback
from thalweg.diagnosis.callbacks import trainer_callback as trainer_callback
from thalweg.diagnosis.judging import judge as judge
from thalweg.diagnosis.loop import watch as watch
from thalweg.diagnosis.recorded import diagnose_run as diagnose_run
