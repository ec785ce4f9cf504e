"""The table of what trains: `thalweg train SOURCE --print-parameters`."""

import math
from typing import TYPE_CHECKING

from thalweg.cli.pages import INDENT, heading, page_width
from thalweg.cli.tables import table
from thalweg.core import say
from thalweg.core.columns import wrap

if TYPE_CHECKING:
    from thalweg.train import Job
    from thalweg.train.parameters import ParameterRow


def parameter_page(job: "Job") -> str:
    """Return the table of a job's parameters: role, shape, whether each trains, its shares of rate and decay."""
    from thalweg.train import describe
    from thalweg.train.parameters import parameter_table

    rows = parameter_table(job)
    apart = any(row.chosen is not None for row in rows)
    columns = ["parameter", "shape", "role", *(["treated"] if apart else []), "rate_share", "decay_share"]
    head = [say(f"cli.{name}") for name in columns]
    cells = [_cells(row, job.recipe.rule.name if apart else "") for row in rows]
    numbers = range(len(head) - 2, len(head))
    total, training = (sum(math.prod(row.shape) for row in rows if row.trains or k == 0) for k in (0, 1))
    summary = say("cli.parameters_sum", training=f"{training:,}", total=f"{total:,}", rule=describe(job.recipe.rule))
    lines = "\n".join(INDENT + line for line in wrap(summary, page_width() - 4))
    title = heading(say("cli.parameters_of", model=job.recipe.model.name if job.recipe.model else "?"))
    return f"\n{INDENT}{title}\n\n{table(head, cells, right=tuple(numbers), gives_way=0)}\n\n{lines}\n"


def _cells(row: "ParameterRow", rule: str) -> list[str]:
    treated = [rule if row.chosen else "-" if not row.trains else say("cli.as_the_rest")] if rule else []
    shares = [f"{row.lr:.3g}", f"{row.weight_decay:.3g}"] if row.trains else [say("cli.frozen"), "-"]
    return [row.name, " x ".join(map(str, row.shape)) or "1", row.role, *treated, *shares]
