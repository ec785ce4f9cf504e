"""The survey as a figure and as a verb."""

import io
import json

import matplotlib
import pytest
import torch
from click.testing import CliRunner

from thalweg.cli import ending
from thalweg.cli.survey import command
from thalweg.core import UnknownName, UsageError, set_language
from thalweg.core.columns import width_of
from thalweg.init import Constant, He, Normal, Zeros, start, survey
from thalweg.report.survey import plot_survey


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    set_language("en")
    yield tmp_path
    set_language(None)


def call(*args, code=ending.DONE):
    result = CliRunner().invoke(command, list(args), standalone_mode=False)
    if result.exception:
        raise result.exception
    assert result.return_value == code
    return result


@pytest.fixture
def surveys(plain):
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    found = {}
    for init in (Normal(), He(), Normal(std=100.0), Zeros(), Constant(value=1e9)):
        module = plain(10, 32)
        start(module, init, seed=0)
        found[f"${len(found)} {init.name}"] = survey(module, x)
    return found


def test_a_column_for_each_start(surveys):
    before = dict(matplotlib.rcParams)
    figure = plot_survey(surveys)
    assert len(figure.axes) == 3 * len(surveys)
    figure.savefig(io.BytesIO(), format="png")
    heads = [text.get_text() for text in figure.axes[1].texts]
    assert (
        heads[0] == r"\$1 he" and heads[1].startswith("→ forward holds × ") and heads[2].startswith("← backward holds")
    )
    assert "vanishes" in figure.axes[0].texts[1].get_text() and "explodes" in figure.axes[2].texts[1].get_text()
    top, bottom = figure.axes[1].get_ylim()[1], figure.axes[0].get_ylim()[1]
    largest = max(abs(row.mean) + row.std for row in surveys["$1 he"].rows[:-1])
    assert top == bottom == pytest.approx(1.12 * largest)
    assert dict(matplotlib.rcParams) == before


def test_one_column_of_one_layer_and_none():
    x = torch.randn(8, 4)
    plot_survey({"one": survey(torch.nn.Linear(4, 2), x)}).savefig(io.BytesIO(), format="png")
    plot_survey({"none": survey(torch.nn.ReLU(), x)}).savefig(io.BytesIO(), format="png")
    set_language("zh")
    plot_survey({"自带": survey(torch.nn.Linear(4, 2), x)}).savefig(io.BytesIO(), format="png")
    with pytest.raises(UsageError, match=r"`plot_survey\(surveys=...\)` needs one survey or more, got none\."):
        plot_survey({})


NET = ("iris", "--model", "mlp", "--hidden", "16,16,16", "--activation", "tanh")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_fits_into_eighty_columns(lang, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = call(*NET, "--init", "own", "--init", "normal(std=0.01)", "--init", "he+depth-scaled", "--lang", lang).stdout
    assert all(width_of(line) <= 80 for line in said.splitlines())
    assert said.count("linear1") == 3 and said.count("tanh") > 8
    assert ("vanishes" if lang == "en" else "消失") in said and "normal(std=0.01)" in said


def test_quiet_says_the_verdicts_alone():
    said = call(*NET, "--init", "he", "--init", "normal", "--quiet").stdout
    assert said.splitlines() == ["he hold hold", "normal vanish vanish"]
    assert call(*NET, "--quiet").stdout.splitlines() == ["own hold hold"]


def test_the_record_and_the_picture(folder):
    result = call(*NET, "--init", "lsuv", "--json", "--out", "start.png", "--seed", "3")
    record = json.loads(result.stdout)
    assert record["kind"] == "survey" and record["seed"] == 3 and record["source"] == "iris"
    found = record["surveys"]["lsuv"]
    assert found["forward"] == "hold" and [row["name"] for row in found["layers"]][-1] == "output"
    assert (folder / "start.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(call(*NET, "--init", "lsuv", "--json", "--seed", "3").stdout) == record
    assert json.loads(call(*NET, "--init", "lsuv", "--json", "--seed", "4").stdout)["surveys"] != record["surveys"]


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        (("--init", "hee"), UnknownName, "Unknown init 'hee': did you mean 'he'"),
        (("--init", "he", "--init", "he"), UsageError, "takes each --init once"),
        (("--init", "normal(std=0)"), UsageError, r"`Normal\(std=...\)` must lie in \(0, inf\), got 0"),
        (("--out", "start.txt"), UsageError, "`--out` must end in .png, .svg, .pdf, got 'start.txt'"),
    ],
)
def test_bad_input(args, kind, said):
    with pytest.raises(kind, match=said):
        call(*NET, *args)
    with pytest.raises(UsageError, match="`thalweg survey` needs data"):
        call()
