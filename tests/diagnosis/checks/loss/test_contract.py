"""What holds for every check of losses: its code, its sentences in both languages, its pages, its place."""

import re
import tomllib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thalweg.core.words as words
from thalweg.diagnosis.codes import CATEGORIES, CATEGORY
from thalweg.diagnosis.watching import Case

ROOT = Path(__file__).parents[4]
CODES = CATEGORIES["loss"].split()
HEADINGS = 6
_WORDS = Path(words.__file__).parent
AREA = {lang: tomllib.loads((_WORDS / lang / "loss_checks.toml").read_text("utf-8")) for lang in ("en", "zh")}


def test_each_code_of_the_category_has_one_check(checks):
    assert sorted(checks) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_check_says_nothing_of_nothing(code, checks, found):
    assert checks[code]().name == code and checks[code]().rank in ("exact", "trial")
    assert found(Case()) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_causes_have_cures(lang):
    causes = [key for key in AREA[lang] if not key.startswith(("seen_", "reckoned_")) and not key.endswith("_cure")]
    assert len(causes) > 20 and all(f"{key}_cure" in AREA[lang] for key in causes)


def test_no_sentence_is_left_over():
    folder = Path(words.__file__).parents[2] / "diagnosis" / "checks" / "loss"
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    plain = [key.removesuffix("_cure").removeprefix("seen_").removeprefix("reckoned_") for key in AREA["en"]]
    assert [key for key in plain if f'"{key}"' not in text and not key.startswith("softmax-over-")] == []


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("folder", ["docs/findings", "docs/zh/findings"])
def test_each_code_has_its_page(code, folder):
    text = (ROOT / folder / f"{code}.md").read_text("utf-8")
    assert code in text.splitlines()[0] and len(text.splitlines()) <= 45
    assert len(re.findall(r"^## ", text, re.M)) == HEADINGS and text.count("```python") == 2
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        compile(block, code, "exec")


def test_a_finding_can_be_written_down_in_both_languages(watched, found):
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Softmax(1)), torch.randn(20, 3)
    (finding,) = found(watched(lambda k: F.cross_entropy(model(x), torch.arange(20) % 4), model.parameters()))
    assert CATEGORY[finding.code] == finding.category
    for lang in ("en", "zh"):
        plain = finding.to_plain(lang)
        assert plain["cause"] != plain["remedy"]["sentence"] and "{" not in str(plain["cause"])
    assert finding.where.line is not None and finding.where.layer is not None
