"""Facts about data as a network was fed it: pure functions of arrays that return numbers, no sentences, no verdicts.

Each file says at its head which thresholds its properties hold and why; checks turn facts into findings. Every draw has
a fixed seed, no global random state is touched, and thousands of rows take a fraction of a second.
"""

from thalweg.diagnosis.audit.columns import BadColumns as BadColumns
from thalweg.diagnosis.audit.columns import Sentinel as Sentinel
from thalweg.diagnosis.audit.columns import find_bad_columns as find_bad_columns
from thalweg.diagnosis.audit.copies import Copy as Copy
from thalweg.diagnosis.audit.copies import find_copy as find_copy
from thalweg.diagnosis.audit.duplicates import Duplicates as Duplicates
from thalweg.diagnosis.audit.duplicates import count_duplicates as count_duplicates
from thalweg.diagnosis.audit.imbalance import Imbalance as Imbalance
from thalweg.diagnosis.audit.imbalance import count_classes as count_classes
from thalweg.diagnosis.audit.independence import Dependence as Dependence
from thalweg.diagnosis.audit.independence import measure_dependence as measure_dependence
from thalweg.diagnosis.audit.leaking import Column as Column
from thalweg.diagnosis.audit.leaking import find_telling_column as find_telling_column
from thalweg.diagnosis.audit.noise import Noise as Noise
from thalweg.diagnosis.audit.noise import measure_label_noise as measure_label_noise
from thalweg.diagnosis.audit.order import Order as Order
from thalweg.diagnosis.audit.order import measure_order as measure_order
from thalweg.diagnosis.audit.scale import InputScale as InputScale
from thalweg.diagnosis.audit.scale import measure_scale as measure_scale
from thalweg.diagnosis.audit.shift import FeatureShift as FeatureShift
from thalweg.diagnosis.audit.shift import Shift as Shift
from thalweg.diagnosis.audit.shift import measure_shift as measure_shift
from thalweg.diagnosis.audit.shrunken import Shrinkage as Shrinkage
from thalweg.diagnosis.audit.shrunken import measure_shrinkage as measure_shrinkage
from thalweg.diagnosis.audit.targets import Targets as Targets
from thalweg.diagnosis.audit.targets import describe_targets as describe_targets
