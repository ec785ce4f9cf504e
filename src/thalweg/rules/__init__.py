"""How gradients become changes."""

from thalweg.core import members
from thalweg.rules.adam import Adam as Adam
from thalweg.rules.adam import AdamW as AdamW
from thalweg.rules.base import Rule as Rule
from thalweg.rules.base import State as State
from thalweg.rules.base import Transformation as Transformation
from thalweg.rules.base import follow as follow
from thalweg.rules.fused import Fused as Fused
from thalweg.rules.fused import fused as fused
from thalweg.rules.rmsprop import RMSProp as RMSProp
from thalweg.rules.sgd import SGD as SGD

RULES = members(Rule, vars())
