"""Functions of two variables, and rules that go down them."""

from thalweg.core import members
from thalweg.surface.base import Landmarks as Landmarks
from thalweg.surface.base import Surface as Surface
from thalweg.surface.beale import Beale as Beale
from thalweg.surface.descent import descend as descend
from thalweg.surface.descent import race as race
from thalweg.surface.double_well import DoubleWell as DoubleWell
from thalweg.surface.formula import Formula as Formula
from thalweg.surface.formula import formula as formula
from thalweg.surface.himmelblau import Himmelblau as Himmelblau
from thalweg.surface.measuring import heights as heights
from thalweg.surface.measuring import hessian as hessian
from thalweg.surface.measuring import slopes as slopes
from thalweg.surface.opening import open_surface as open_surface
from thalweg.surface.path import Path as Path
from thalweg.surface.path import lowest_of as lowest_of
from thalweg.surface.plateau import Plateau as Plateau
from thalweg.surface.population import descend_many as descend_many
from thalweg.surface.quadratics import Bowl as Bowl
from thalweg.surface.quadratics import Ravine as Ravine
from thalweg.surface.rastrigin import Rastrigin as Rastrigin
from thalweg.surface.rosenbrock import Rosenbrock as Rosenbrock
from thalweg.surface.saddles import MonkeySaddle as MonkeySaddle
from thalweg.surface.saddles import Saddle as Saddle
from thalweg.surface.theory import Optimum as Optimum
from thalweg.surface.theory import Setting as Setting
from thalweg.surface.theory import convergence_rate as convergence_rate
from thalweg.surface.theory import optimum as optimum
from thalweg.surface.two_weights import TwoWeights as TwoWeights

SURFACES = members(Surface, vars())
