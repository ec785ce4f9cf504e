"""The data that a script trains and evaluates on."""

# In the order in which they are tried: the first that is sure ends the search.
# isort: off
from thalweg.diagnosis.checks.data.columns import BadColumns as BadColumns
from thalweg.diagnosis.checks.data.imbalance import ClassImbalance as ClassImbalance
from thalweg.diagnosis.checks.data.labels import LabelNoise as LabelNoise
from thalweg.diagnosis.checks.data.order import UnshuffledData as UnshuffledData
from thalweg.diagnosis.checks.data.labels import WrongLabels as WrongLabels
from thalweg.diagnosis.checks.data.split import DataLeak as DataLeak
from thalweg.diagnosis.checks.data.split import TrainTestMismatch as TrainTestMismatch
