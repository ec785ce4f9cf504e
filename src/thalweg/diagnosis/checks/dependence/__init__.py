"""What answers depend on."""

from thalweg.diagnosis.checks.dependence.augmentation import HarmfulAugmentation as HarmfulAugmentation
from thalweg.diagnosis.checks.dependence.augmentation import RepeatedAugmentation as RepeatedAugmentation
from thalweg.diagnosis.checks.dependence.rows import BatchMixing as BatchMixing
from thalweg.diagnosis.checks.dependence.rows import FutureLeak as FutureLeak
from thalweg.diagnosis.checks.dependence.rows import PaddingLeak as PaddingLeak
