"""The command line: `thalweg VERB ...`. Nothing here imports torch until a verb needs it.

`front` is the door, `verb` the look of a verb and its options, `ending` how a command ends, `output` where
answers go; every other file is a verb or a part of one. To add a verb: one file with a `command`, one line
in `front.VERBS`, its sentences in core/words/{en,zh}/cli.toml.
"""

from thalweg.cli.front import front as front
from thalweg.cli.front import main as main
