"""How gradients become changes."""

from thalweg.core import members
from thalweg.rules.adabound import AdaBound as AdaBound
from thalweg.rules.adafactor import Adafactor as Adafactor
from thalweg.rules.adam import Adam as Adam
from thalweg.rules.adam import AdamW as AdamW
from thalweg.rules.around import Around as Around
from thalweg.rules.averages import EMA as EMA
from thalweg.rules.averages import SWA as SWA
from thalweg.rules.averages import running_average as running_average
from thalweg.rules.base import Count as Count
from thalweg.rules.base import Judged as Judged
from thalweg.rules.base import Placed as Placed
from thalweg.rules.base import Rule as Rule
from thalweg.rules.base import SecondPoint as SecondPoint
from thalweg.rules.base import State as State
from thalweg.rules.base import Transformation as Transformation
from thalweg.rules.chain import follow as follow
from thalweg.rules.clip import ClipNorm as ClipNorm
from thalweg.rules.clip import ClipValue as ClipValue
from thalweg.rules.following import Fitted as Fitted
from thalweg.rules.following import Step as Step
from thalweg.rules.following import fit as fit
from thalweg.rules.following import hessian as hessian
from thalweg.rules.following import take_step as take_step
from thalweg.rules.fused import Fused as Fused
from thalweg.rules.fused import fused as fused
from thalweg.rules.lamb import LAMB as LAMB
from thalweg.rules.lars import LARS as LARS
from thalweg.rules.layout import ROLES as ROLES
from thalweg.rules.layout import WEIGHTS as WEIGHTS
from thalweg.rules.layout import Layout as Layout
from thalweg.rules.layout import Place as Place
from thalweg.rules.layout import Role as Role
from thalweg.rules.layout import layout_by_shape as layout_by_shape
from thalweg.rules.layout import layout_flat as layout_flat
from thalweg.rules.lion import Lion as Lion
from thalweg.rules.lookahead import Lookahead as Lookahead
from thalweg.rules.muon import Muon as Muon
from thalweg.rules.newton import Newton as Newton
from thalweg.rules.newton import SaddleFreeNewton as SaddleFreeNewton
from thalweg.rules.noise import GradientNoise as GradientNoise
from thalweg.rules.orthogonal import newton_schulz as newton_schulz
from thalweg.rules.prodigy import Prodigy as Prodigy
from thalweg.rules.rmsprop import RMSProp as RMSProp
from thalweg.rules.sam import SAM as SAM
from thalweg.rules.schedule_free import ScheduleFreeAdamW as ScheduleFreeAdamW
from thalweg.rules.schedule_free import ScheduleFreeSGD as ScheduleFreeSGD
from thalweg.rules.sgd import SGD as SGD
from thalweg.rules.sgdw import SGDW as SGDW
from thalweg.rules.soap import SOAP as SOAP
from thalweg.rules.split import ByRole as ByRole

RULES = members(Rule, vars())
