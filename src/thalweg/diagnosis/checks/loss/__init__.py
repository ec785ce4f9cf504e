"""Losses that do not fit what they are given."""

from thalweg.diagnosis.checks.loss.broadcast import LossBroadcast as LossBroadcast
from thalweg.diagnosis.checks.loss.clamped import LossClamped as LossClamped
from thalweg.diagnosis.checks.loss.output_range import OutputRange as OutputRange
from thalweg.diagnosis.checks.loss.scale import LossScale as LossScale
from thalweg.diagnosis.checks.loss.scores import LogitsIntoProbabilityLoss as LogitsIntoProbabilityLoss
from thalweg.diagnosis.checks.loss.sign import LossSign as LossSign
from thalweg.diagnosis.checks.loss.squashed_twice import DoubleSigmoid as DoubleSigmoid
from thalweg.diagnosis.checks.loss.squashed_twice import DoubleSoftmax as DoubleSoftmax
from thalweg.diagnosis.checks.loss.wrong_axis import SoftmaxWrongAxis as SoftmaxWrongAxis
from thalweg.diagnosis.checks.loss.wrong_loss import WrongLoss as WrongLoss
