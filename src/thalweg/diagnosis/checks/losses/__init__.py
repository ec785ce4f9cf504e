"""Losses that do not fit their inputs."""

from thalweg.diagnosis.checks.losses.no_gradient import LossClamped as LossClamped
from thalweg.diagnosis.checks.losses.scale import LossScale as LossScale
from thalweg.diagnosis.checks.losses.sign import LossSign as LossSign
from thalweg.diagnosis.checks.losses.squashed_twice import DoubleSigmoid as DoubleSigmoid
from thalweg.diagnosis.checks.losses.squashed_twice import DoubleSoftmax as DoubleSoftmax
from thalweg.diagnosis.checks.losses.squashed_twice import LogitsIntoProbabilityLoss as LogitsIntoProbabilityLoss
from thalweg.diagnosis.checks.losses.targets import LossBroadcast as LossBroadcast
from thalweg.diagnosis.checks.losses.targets import OutputRange as OutputRange
from thalweg.diagnosis.checks.losses.targets import WrongLoss as WrongLoss
from thalweg.diagnosis.checks.losses.wrong_axis import SoftmaxWrongAxis as SoftmaxWrongAxis
