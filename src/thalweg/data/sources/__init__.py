"""The sources; each import line is an entry of the catalogue."""

from thalweg.core import Catalogue, members
from thalweg.data.base import Source
from thalweg.data.sources.array_file import ArrayFile as ArrayFile
from thalweg.data.sources.arrays import Arrays as Arrays
from thalweg.data.sources.idx import Idx as Idx
from thalweg.data.sources.images import ImageFolder as ImageFolder
from thalweg.data.sources.named import BreastCancer as BreastCancer
from thalweg.data.sources.named import Diabetes as Diabetes
from thalweg.data.sources.named import Digits as Digits
from thalweg.data.sources.named import Iris as Iris
from thalweg.data.sources.named import Wine as Wine
from thalweg.data.sources.points import Circle as Circle
from thalweg.data.sources.points import Gauss as Gauss
from thalweg.data.sources.points import Moons as Moons
from thalweg.data.sources.points import MultiGauss as MultiGauss
from thalweg.data.sources.points import Plane as Plane
from thalweg.data.sources.points import Spiral as Spiral
from thalweg.data.sources.points import Xor as Xor
from thalweg.data.sources.table import Frame as Frame
from thalweg.data.sources.table import Table as Table
from thalweg.data.sources.text import Text as Text

SOURCES: Catalogue[Source] = members(Source, vars())
