"""The page of a run on a terminal: how good it is, what was found, where it lies, what to do next."""

from thalweg.cli.output import answer
from thalweg.cli.pages import page_width
from thalweg.core import language
from thalweg.report import run_page, tell
from thalweg.runs import Run


def show_run(run: Run, *, decisions: bool = True) -> None:
    """Write the page of a run to stdout; `decisions` may be left out where they stand above already."""
    answer(run_page(tell(run.folder), lang=language(), width=page_width(), decisions=decisions))
