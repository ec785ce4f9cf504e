"""The figure has its four panels, and drawing it touches nothing global."""

import io
import sys

import matplotlib
import numpy as np
import pytest

from thalweg.core import set_language
from thalweg.report import plot_run


@pytest.mark.parametrize("run", ["digits", "diabetes", "diverged", "interrupted"])
def test_four_panels(request, run):
    figure = plot_run(request.getfixturevalue(run))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert [titles[0], *titles[2:]] == ["Loss", "Learning rate", "Gradient norm"] and len(titles) == 4
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_no_global_state(digits):
    before = dict(matplotlib.rcParams)
    plot_run(digits)
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")  # another test may have imported it
    assert pyplot is None or not pyplot.get_fignums()


def test_in_chinese(digits):
    set_language("zh")
    plot_run(digits).savefig(io.BytesIO(), format="png")


def test_nothing_to_draw(written):
    plot_run(written(np.empty(0))).savefig(io.BytesIO(), format="png")
