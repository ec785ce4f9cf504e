"""What curves of a run say: facts with numbers, from arrays alone. Checks make sentences of them.

Every function takes what was recorded at each step (or at the steps that were looked at) and returns a small frozen
record, or None where there is too little to say anything. A property of a record that answers yes or no names its
threshold in the head of its file, with the reason for it.
"""

from thalweg.diagnosis.curves.batch_noise import GradientNoise as GradientNoise
from thalweg.diagnosis.curves.batch_noise import LossNoise as LossNoise
from thalweg.diagnosis.curves.batch_noise import gradient_noise as gradient_noise
from thalweg.diagnosis.curves.batch_noise import loss_noise as loss_noise
from thalweg.diagnosis.curves.bouncing import Bounce as Bounce
from thalweg.diagnosis.curves.bouncing import bouncing as bouncing
from thalweg.diagnosis.curves.depth import DepthProfile as DepthProfile
from thalweg.diagnosis.curves.depth import depth_profile as depth_profile
from thalweg.diagnosis.curves.divergence import Divergence as Divergence
from thalweg.diagnosis.curves.divergence import divergence as divergence
from thalweg.diagnosis.curves.gap import Gap as Gap
from thalweg.diagnosis.curves.gap import gap as gap
from thalweg.diagnosis.curves.gap import levels_before as levels_before
from thalweg.diagnosis.curves.outlook import Gain as Gain
from thalweg.diagnosis.curves.outlook import Outlook as Outlook
from thalweg.diagnosis.curves.outlook import outlook as outlook
from thalweg.diagnosis.curves.pace import Pace as Pace
from thalweg.diagnosis.curves.pace import pace as pace
from thalweg.diagnosis.curves.rates import Schedule as Schedule
from thalweg.diagnosis.curves.rates import schedule as schedule
from thalweg.diagnosis.curves.shape import Shape as Shape
from thalweg.diagnosis.curves.shape import shape as shape
from thalweg.diagnosis.curves.starvation import Starvation as Starvation
from thalweg.diagnosis.curves.starvation import starvation as starvation
from thalweg.diagnosis.curves.stuck import Stillness as Stillness
from thalweg.diagnosis.curves.stuck import stillness as stillness
from thalweg.diagnosis.curves.updates import Runaway as Runaway
from thalweg.diagnosis.curves.updates import UpdateRatio as UpdateRatio
from thalweg.diagnosis.curves.updates import runaway as runaway
from thalweg.diagnosis.curves.updates import update_ratios as update_ratios
