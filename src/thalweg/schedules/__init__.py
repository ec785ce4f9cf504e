"""How numbers move with time."""

from thalweg.core import members
from thalweg.schedules.base import Progress as Progress
from thalweg.schedules.base import Schedule as Schedule
from thalweg.schedules.base import progress as progress
from thalweg.schedules.constant import Constant as Constant
from thalweg.schedules.inverse_time import InverseTime as InverseTime
from thalweg.schedules.warmup_cosine import WarmupCosine as WarmupCosine

SCHEDULES = members(Schedule, vars())
