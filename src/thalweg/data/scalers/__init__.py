"""The scalers; each import line is an entry of the catalogue."""

from thalweg.core import Catalogue, members
from thalweg.data.scalers.base import Scaler as Scaler
from thalweg.data.scalers.simple import Centre as Centre
from thalweg.data.scalers.simple import MinMax as MinMax
from thalweg.data.scalers.simple import NoScale as NoScale
from thalweg.data.scalers.simple import Standardise as Standardise
from thalweg.data.scalers.whiten import WhitenPCA as WhitenPCA
from thalweg.data.scalers.whiten import WhitenZCA as WhitenZCA

SCALERS: Catalogue[Scaler] = members(Scaler, vars())
