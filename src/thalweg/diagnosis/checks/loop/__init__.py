"""What goes wrong between data, backward pass and step."""

from thalweg.diagnosis.checks.loop.batchnorm import BatchnormStatistics as BatchnormStatistics
from thalweg.diagnosis.checks.loop.detached import DetachedGraph as DetachedGraph
from thalweg.diagnosis.checks.loop.frozen import FrozenParameters as FrozenParameters
from thalweg.diagnosis.checks.loop.gradients import MissingZeroGrad as MissingZeroGrad
from thalweg.diagnosis.checks.loop.metric import WrongMetric as WrongMetric
from thalweg.diagnosis.checks.loop.modes import TrainEvalMode as TrainEvalMode
from thalweg.diagnosis.checks.loop.optimized import ParametersNotOptimized as ParametersNotOptimized
from thalweg.diagnosis.checks.loop.resume import ResumeMismatch as ResumeMismatch
from thalweg.diagnosis.checks.loop.unregistered import UnregisteredModules as UnregisteredModules
