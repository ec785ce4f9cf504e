"""Literals of settings, as people write them; what is no single literal of that value is left alone."""

import itertools

import pytest

from thalweg.diagnosis.sources import literal_of
from thalweg.diagnosis.watching import Place

LAST = "torch.optim.SGD(net.parameters(), {})"


@pytest.fixture
def find(tmp_path):
    count = itertools.count()

    def look(text, setting, value, line=None):
        file = tmp_path / f"train{next(count)}.py"
        file.write_text(text)
        return literal_of(Place(str(file), line or len(text.splitlines()), "<module>"), setting, value)

    return look


@pytest.mark.parametrize(
    ("head", "given", "line", "before", "after"),
    [
        ("", "lr=5.0", 1, LAST.format("lr=5.0"), LAST.format("lr=0.5")),
        ("", "5.0", 1, LAST.format("5.0"), LAST.format("0.5")),
        ("", "momentum=0.9, lr=5.", 1, LAST.format("momentum=0.9, lr=5."), LAST.format("momentum=0.9, lr=0.5")),
        ("LR = 5.0  # 学习率\n", "lr=LR", 1, "LR = 5.0  # 学习率", "LR = 0.5  # 学习率"),
        ("width, LR = 64, 5.0\n", "lr=LR", 1, "width, LR = 64, 5.0", "width, LR = 64, 0.5"),
        ("config = {'size': 3, 'rate': 5}\n", "lr=config['rate']", 1, "config = {'size': 3, 'rate': 5}",
         "config = {'size': 3, 'rate': 0.5}"),
        ("class Config:\n    lr: float = 5e0\n", "lr=Config.lr", 2, "lr: float = 5e0", "lr: float = 0.5"),
        ("ap.add_argument('--learning-rate', default=5.0)\n", "lr=args.learning_rate", 1,
         "ap.add_argument('--learning-rate', default=5.0)", "ap.add_argument('--learning-rate', default=0.5)"),
        ("def fit(net, *, rate=5.0):\n  pass\n", "lr=rate", 1,
         "def fit(net, *, rate=5.0):", "def fit(net, *, rate=0.5):"),
        ("fit(net, rate=5.0)\n", "lr=rate", 1, "fit(net, rate=5.0)", "fit(net, rate=0.5)"),
    ],
)  # fmt: skip
def test_a_literal_is_found_and_changed(find, head, given, line, before, after):
    literal = find(head + LAST.format(given), "lr", 5.0)
    assert literal.place.line == line
    change = literal.become(0.5)
    assert (change.before, change.after) == (before, after)


def test_a_tuple_and_a_call_over_lines(find):
    text = "opt = torch.optim.Adam(\n    net.parameters(),\n    lr=1e-3,\n    betas=(0.999, 0.9),\n)"
    literal = find(text, "betas", (0.999, 0.9), line=1)
    assert literal.place.line == 4 and literal.become((0.9, 0.999)).after == "betas=(0.9, 0.999),"


@pytest.mark.parametrize(
    "text",
    [
        LAST.format("lr=3.0"),  # not the value that was seen: a line of a command gave another
        LAST.format("lr=2.5 * 2"),
        "LR = 5.0\nLR = 5.0\n" + LAST.format("lr=LR"),  # which of the two?
        "LR = float(sys.argv[1])\n" + LAST.format("lr=LR"),
        LAST.format("**settings"),
        "this is no Python (",
        "",
    ],
)
def test_what_is_not_one_literal_of_that_value(find, text):
    assert find(text, "lr", 5.0, line=1) is None


def test_a_file_that_is_gone():
    assert literal_of(Place("/nowhere/train.py", 3, "f"), "lr", 5.0) is None and literal_of(None, "lr", 5.0) is None
