"""The data that a script trains and evaluates on."""

from thalweg.diagnosis.checks.data.labels import BadColumns as BadColumns
from thalweg.diagnosis.checks.data.labels import ClassImbalance as ClassImbalance
from thalweg.diagnosis.checks.data.labels import LabelNoise as LabelNoise
from thalweg.diagnosis.checks.data.labels import UnshuffledData as UnshuffledData
from thalweg.diagnosis.checks.data.labels import WrongLabels as WrongLabels
from thalweg.diagnosis.checks.data.split import DataLeak as DataLeak
from thalweg.diagnosis.checks.data.split import TrainTestMismatch as TrainTestMismatch
