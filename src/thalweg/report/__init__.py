"""One run told: as one value, on a terminal, as figures, as one HTML file.

Names are looked up when they are first used: matplotlib takes half a second, and most pages need none of it.
"""

from typing import TYPE_CHECKING

from thalweg.core.late import late_names
from thalweg.report.sparkline import sparkline as sparkline

if TYPE_CHECKING:
    from thalweg.report.figures import plot_run as plot_run
    from thalweg.report.html import write_report as write_report
    from thalweg.report.story import Story as Story
    from thalweg.report.story import tell as tell
    from thalweg.report.text import run_page as run_page

_HOMES = {
    "plot_run": "figures", "write_report": "html", "Story": "story", "tell": "story", "run_page": "text",
}  # fmt: skip
__all__ = sorted([*_HOMES, "sparkline"])

__getattr__ = late_names(__name__, _HOMES)
