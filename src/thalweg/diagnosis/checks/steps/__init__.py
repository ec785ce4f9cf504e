"""Faults of the loop around the network."""

from thalweg.diagnosis.checks.steps.carrying_on import FrozenParameters as FrozenParameters
from thalweg.diagnosis.checks.steps.carrying_on import ResumeMismatch as ResumeMismatch
from thalweg.diagnosis.checks.steps.graphs import DetachedGraph as DetachedGraph
from thalweg.diagnosis.checks.steps.graphs import UnregisteredModules as UnregisteredModules
from thalweg.diagnosis.checks.steps.measures import WrongMetric as WrongMetric
from thalweg.diagnosis.checks.steps.modes import BatchnormStatistics as BatchnormStatistics
from thalweg.diagnosis.checks.steps.modes import TrainEvalMode as TrainEvalMode
