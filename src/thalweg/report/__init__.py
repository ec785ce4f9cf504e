"""One run told: to people on a terminal, as figures, as one HTML file."""

from thalweg.report.sparkline import sparkline as sparkline


def plot_run(folder):  # type: ignore
    from matplotlib.figure import Figure

    return Figure()


def write_report(folder, path, *, lang=None):  # type: ignore
    from thalweg.core import write_atomically

    write_atomically(path, "<!doctype html><title>report</title>")
    return path
