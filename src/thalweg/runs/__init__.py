"""One run as one value, and the verbs that make and read runs."""

from thalweg.runs.continuation import continue_text as continue_text
from thalweg.runs.run import Run as Run
from thalweg.runs.verbs import RUNS as RUNS
from thalweg.runs.verbs import finish as finish
from thalweg.runs.verbs import go_on as go_on
from thalweg.runs.verbs import train as train
