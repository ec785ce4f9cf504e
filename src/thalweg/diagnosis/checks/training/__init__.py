"""How training was set up, decided by experiment."""

# In the order in which they are tried: the first that is sure ends the search.
# isort: off
from thalweg.diagnosis.checks.training.saddle import SaddlePoint as SaddlePoint
from thalweg.diagnosis.checks.training.scaling import UnscaledInputs as UnscaledInputs
from thalweg.diagnosis.checks.training.capacity import OverRegularized as OverRegularized
from thalweg.diagnosis.checks.training.schedule import ScheduleMisstepped as ScheduleMisstepped
from thalweg.diagnosis.checks.training.rate import LrTooHigh as LrTooHigh
from thalweg.diagnosis.checks.training.settings import OptimizerSettings as OptimizerSettings
from thalweg.diagnosis.checks.training.rate import LrTooLow as LrTooLow
from thalweg.diagnosis.checks.training.length import BatchSize as BatchSize
from thalweg.diagnosis.checks.training.length import StoppedTooEarly as StoppedTooEarly
from thalweg.diagnosis.checks.training.capacity import Underfitting as Underfitting
from thalweg.diagnosis.checks.training.overfitting import OverfittingSeen as OverfittingSeen
