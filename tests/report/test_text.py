"""The page of text fits a terminal of 80 columns, in both languages."""

import unicodedata

import pytest

from thalweg.core.columns import width_of, wrap
from thalweg.report import run_page, tell


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("run", ["digits", "diabetes", "diverged", "interrupted", "evil"])
@pytest.mark.parametrize("width", [80, 50])
def test_no_line_is_wider(request, run, lang, width):
    page = run_page(tell(request.getfixturevalue(run)), lang=lang, width=width)
    for line in page.splitlines():
        assert sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line) <= width, line


def test_page_says_what_matters(diverged):
    page = run_page(tell(diverged), lang="en")
    assert "diverged" in page.splitlines()[1]
    assert "✗ lr-too-high (critical" in page and "→ Lower the rate" in page and "healthy:" in page
    assert "recipe.toml" in page and "Decided for you" in page


def test_scores_stand_in_columns(digits):
    lines = [line for line in run_page(tell(digits), lang="zh").splitlines() if line.startswith("  测试集")]
    assert len(lines) == 1 and "%" in lines[0]


def test_wrap():
    assert wrap("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrap("山重水复疑无路", 6) == ["山重水", "复疑无", "路"]
    assert wrap("x" * 12, 5) == ["xxxxx", "xxxxx", "xx"]
    assert wrap("", 5) == [""]
    assert width_of("a山e\u0301") == 4
