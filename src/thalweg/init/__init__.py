"""Where weights start, and what a network does at step 0."""

from thalweg.core import members
from thalweg.init.base import Init as Init
from thalweg.init.base import Spot as Spot
from thalweg.init.constant import Constant as Constant
from thalweg.init.constant import Zeros as Zeros
from thalweg.init.depth_scaled import DepthScaled as DepthScaled
from thalweg.init.fan_in import FanIn as FanIn
from thalweg.init.fan_in import LeCun as LeCun
from thalweg.init.he import He as He
from thalweg.init.looking import LayerRow as LayerRow
from thalweg.init.looking import activation_signals as activation_signals
from thalweg.init.looking import layer_table as layer_table
from thalweg.init.lsuv import LSUV as LSUV
from thalweg.init.nonlinear import gain_of as gain_of
from thalweg.init.normal import Normal as Normal
from thalweg.init.normal import TruncatedNormal as TruncatedNormal
from thalweg.init.orthogonal import Orthogonal as Orthogonal
from thalweg.init.starting import StartRow as StartRow
from thalweg.init.starting import start as start
from thalweg.init.surveying import Survey as Survey
from thalweg.init.surveying import SurveyRow as SurveyRow
from thalweg.init.surveying import survey as survey
from thalweg.init.uniform import Uniform as Uniform
from thalweg.init.xavier import Xavier as Xavier

INITS = members(Init, vars())
