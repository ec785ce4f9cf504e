"""Signals on their way through a network."""

from thalweg.diagnosis.checks.signals.depth import ExplodingGradients as ExplodingGradients
from thalweg.diagnosis.checks.signals.depth import VanishingGradients as VanishingGradients
from thalweg.diagnosis.checks.signals.numbers import NonFinite as NonFinite
from thalweg.diagnosis.checks.signals.structure import LinearNetwork as LinearNetwork
from thalweg.diagnosis.checks.signals.structure import SymmetricInit as SymmetricInit
from thalweg.diagnosis.checks.signals.units import DeadRelu as DeadRelu
from thalweg.diagnosis.checks.signals.units import SaturatedUnits as SaturatedUnits
