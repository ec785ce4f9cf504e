"""Losses that do not fit their inputs."""

from thalweg.diagnosis.checks.loss.no_gradient import LossClamped as LossClamped
from thalweg.diagnosis.checks.loss.scale import LossScale as LossScale
from thalweg.diagnosis.checks.loss.sign import LossSign as LossSign
from thalweg.diagnosis.checks.loss.squashed_twice import DoubleSigmoid as DoubleSigmoid
from thalweg.diagnosis.checks.loss.squashed_twice import DoubleSoftmax as DoubleSoftmax
from thalweg.diagnosis.checks.loss.squashed_twice import LogitsIntoProbabilityLoss as LogitsIntoProbabilityLoss
from thalweg.diagnosis.checks.loss.targets import LossBroadcast as LossBroadcast
from thalweg.diagnosis.checks.loss.targets import OutputRange as OutputRange
from thalweg.diagnosis.checks.loss.targets import WrongLoss as WrongLoss
from thalweg.diagnosis.checks.loss.wrong_axis import SoftmaxWrongAxis as SoftmaxWrongAxis
