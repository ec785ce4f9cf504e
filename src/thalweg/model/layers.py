"""A look into the layers of a model; what measures it is `thalweg.init`'s, which sees any module at step 0."""

from thalweg.init import LayerRow as LayerRow
from thalweg.init import activation_signals as activation_signals
from thalweg.init import layer_table as layer_table
