"""`thalweg runs ...`: what there is on disk."""

from thalweg.cli.front import Front

VERBS = {
    "ls": ("thalweg.cli.runs_list", "command", "look"),
    "show": ("thalweg.cli.runs_show", "command", "look"),
    "compare": ("thalweg.cli.runs_compare", "command", "look"),
    "export": ("thalweg.cli.runs_export", "command", "look"),
    "rm": ("thalweg.cli.runs_remove", "remove", "tidy"),
    "restore": ("thalweg.cli.runs_remove", "restore", "tidy"),
}

command = Front(
    "runs",
    VERBS,
    examples=(
        "thalweg runs ls --sort test",
        "thalweg runs compare digits-1 digits-2",
        "thalweg runs show latest",
    ),
)
