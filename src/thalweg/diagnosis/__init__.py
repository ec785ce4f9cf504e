"""Why training fails: watches a script or a loop, probes what it saw, tries what could be meant, and answers."""

from thalweg.diagnosis.answer import Diagnosis as Diagnosis
from thalweg.diagnosis.answer import Hypothesis as Hypothesis
