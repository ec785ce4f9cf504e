"""What we write down."""

from thalweg.signals.governor import Governor as Governor
from thalweg.signals.trace import EVALUATION_COLUMNS as EVALUATION_COLUMNS
from thalweg.signals.trace import LAYER_COLUMNS as LAYER_COLUMNS
from thalweg.signals.trace import MOVING_COLUMNS as MOVING_COLUMNS
from thalweg.signals.trace import SCHEMA as TRACE_SCHEMA  # noqa: F401 - each record has a SCHEMA of its own
from thalweg.signals.trace import SPLITS_ON_THE_WAY as SPLITS_ON_THE_WAY
from thalweg.signals.trace import STEP_COLUMNS as STEP_COLUMNS
from thalweg.signals.trace import Trace as Trace
from thalweg.signals.trace import TraceWriter as TraceWriter
