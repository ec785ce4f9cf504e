"""What keeps a network from learning its training data by heart: penalties, constraints, augmentations."""

from thalweg.core import members
from thalweg.regularisers.base import Augmentation as Augmentation
from thalweg.regularisers.base import Constraint as Constraint
from thalweg.regularisers.base import Penalty as Penalty
from thalweg.regularisers.base import Regulariser as Regulariser
from thalweg.regularisers.cutmix import CutMix as CutMix
from thalweg.regularisers.erase import Erase as Erase
from thalweg.regularisers.flip import Flip as Flip
from thalweg.regularisers.input_noise import InputNoise as InputNoise
from thalweg.regularisers.l1 import L1 as L1
from thalweg.regularisers.l1 import ElasticNet as ElasticNet
from thalweg.regularisers.l2 import L2 as L2
from thalweg.regularisers.l2 import Frobenius as Frobenius
from thalweg.regularisers.max_norm import MaxNorm as MaxNorm
from thalweg.regularisers.mixup import Mixup as Mixup
from thalweg.regularisers.rotate import Rotate as Rotate
from thalweg.regularisers.shift import Shift as Shift
from thalweg.regularisers.together import add_gradients as add_gradients
from thalweg.regularisers.together import apply_all as apply_all
from thalweg.regularisers.together import apply_prox as apply_prox
from thalweg.regularisers.together import check_together as check_together
from thalweg.regularisers.together import penalty_value as penalty_value
from thalweg.regularisers.together import project_all as project_all

PENALTIES = members(Penalty, vars())
CONSTRAINTS = members(Constraint, vars())
AUGMENTATIONS = members(Augmentation, vars())
REGULARISERS: dict[str, type[Regulariser]] = {**PENALTIES, **CONSTRAINTS, **AUGMENTATIONS}
