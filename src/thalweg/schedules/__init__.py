"""How numbers move with time."""

from thalweg.core import members
from thalweg.schedules.base import Schedule as Schedule
from thalweg.schedules.by_hand import ByHand as ByHand
from thalweg.schedules.clock import Progress as Progress
from thalweg.schedules.clock import progress as progress
from thalweg.schedules.constant import Constant as Constant
from thalweg.schedules.cosine import Cosine as Cosine
from thalweg.schedules.cosine import Restarts as Restarts
from thalweg.schedules.cyclic import Cyclic as Cyclic
from thalweg.schedules.exponential import Exponential as Exponential
from thalweg.schedules.fitting import metrics_read as metrics_read
from thalweg.schedules.fitting import must_fit as must_fit
from thalweg.schedules.inverse_sqrt import InverseSqrt as InverseSqrt
from thalweg.schedules.inverse_time import InverseTime as InverseTime
from thalweg.schedules.linear import Linear as Linear
from thalweg.schedules.linear import Polynomial as Polynomial
from thalweg.schedules.one_cycle import OneCycle as OneCycle
from thalweg.schedules.plateau import Plateau as Plateau
from thalweg.schedules.product import Product as Product
from thalweg.schedules.sequence import Sequential as Sequential
from thalweg.schedules.staircase import Milestones as Milestones
from thalweg.schedules.staircase import Staircase as Staircase
from thalweg.schedules.transformer_warmup import TransformerWarmup as TransformerWarmup
from thalweg.schedules.warmup import ConstantWarmup as ConstantWarmup
from thalweg.schedules.warmup import Warmup as Warmup
from thalweg.schedules.warmup_cosine import WarmupCosine as WarmupCosine
from thalweg.schedules.warmup_stable_decay import WarmupStableDecay as WarmupStableDecay

SCHEDULES = members(Schedule, vars())
