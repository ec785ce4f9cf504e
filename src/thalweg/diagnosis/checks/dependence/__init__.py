"""What answers depend on."""

from thalweg.diagnosis.checks.dependence.augmentation import HarmfulAugmentation as HarmfulAugmentation
from thalweg.diagnosis.checks.dependence.augmentation import RepeatedAugmentation as RepeatedAugmentation
from thalweg.diagnosis.checks.dependence.future import FutureLeak as FutureLeak
from thalweg.diagnosis.checks.dependence.mixing import BatchMixing as BatchMixing
from thalweg.diagnosis.checks.dependence.padding import PaddingLeak as PaddingLeak
