"""One run told: as one value, on a terminal, as figures, as one HTML file."""

from thalweg.report.figures import plot_run as plot_run
from thalweg.report.html import write_report as write_report
from thalweg.report.sparkline import sparkline as sparkline
from thalweg.report.story import Story as Story
from thalweg.report.story import tell as tell
from thalweg.report.text import run_page as run_page
