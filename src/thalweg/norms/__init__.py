"""What keeps the scale inside a network."""

from thalweg.core import Catalogue, members
from thalweg.norms.base import Norm as Norm
from thalweg.norms.batch import BatchNorm as BatchNorm
from thalweg.norms.batch_renorm import BatchRenorm as BatchRenorm
from thalweg.norms.group import GroupNorm as GroupNorm
from thalweg.norms.group import InstanceNorm as InstanceNorm
from thalweg.norms.layer import LayerNorm as LayerNorm
from thalweg.norms.layer import RMSNorm as RMSNorm
from thalweg.norms.spectral import SpectralNorm as SpectralNorm
from thalweg.norms.statistics import has_batch_statistics as has_batch_statistics
from thalweg.norms.statistics import precise_statistics as precise_statistics
from thalweg.norms.weight import WeightNorm as WeightNorm

NORMS: Catalogue[Norm] = members(Norm, vars())
