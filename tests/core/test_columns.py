"""Width and line breaks, with Chinese counted at its width."""

import pytest

from thalweg.core.columns import width_of, wrap


def test_width() -> None:
    assert (width_of("abc"), width_of("中文a"), width_of("e\u0301")) == (3, 5, 1)


@pytest.mark.parametrize(
    "text", ["one two three four", "验证集上的损失（越低越好），连续十次没有改善。", "x" * 25, "a 中文b c"]
)
@pytest.mark.parametrize("width", [6, 10, 17])
def test_nothing_is_lost_and_no_line_is_too_long(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line.endswith("（") or line.startswith(("，", "。", "）")) for line in lines)
