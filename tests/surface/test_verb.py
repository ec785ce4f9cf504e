"""`thalweg descend`: its table, its record, its picture, its sentences."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from thalweg.cli.descend import command, read_point
from thalweg.cli.pages import width_of
from thalweg.core import UsageError, set_language
from thalweg.surface import descend


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    set_language("en")
    yield tmp_path
    set_language(None)


def call(*args):
    result = CliRunner().invoke(command, list(args), standalone_mode=False)
    if result.exception:
        raise result.exception
    assert result.return_value == 0
    return result


ADAM = "adam(lr=0.1)"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("surface", ["ravine(condition=100)", "(1-x*y)**2 + 0.1*sin(3x)"])
def test_the_page_fits_80_columns(surface, lang):
    set_language(lang)
    page = call(
        surface, "--steps", "60", "--rule", ADAM, "--rule", "sgd(lr=0.001, momentum=0.95)+clip-norm(clip_norm=0.25)"
    ).output
    assert all(width_of(line) <= 80 for line in page.splitlines())
    assert ADAM in page and surface in page.replace("\n  ", " ")


def test_the_table_holds_what_python_gives():
    page = call("bowl", "--rule", ADAM, "--start", "-1,0.5", "--steps", "50").output
    path = descend("bowl", ADAM, (-1.0, 0.5), steps=50)
    row = next(line for line in page.splitlines() if ADAM in line)
    x, y = path.end
    assert f"({x:.3g}, {y:.3g})" in row and row.endswith("finished")
    assert f" {path.steps_to(1e-3)}  " in row or path.steps_to(1e-3) is None
    assert "50 steps from (-1, 0.5)" in page
    assert "condition number 3" in page and "sgd(lr=0.25)" in page


def test_theory_is_told_of_quadratics_only():
    assert "Theory" in call("x^2 + x*y + 3y^2", "--steps", "3").output
    assert "Theory" not in call("beale", "--steps", "3").output


def test_a_lost_path_says_so():
    page = call("rosenbrock", "--rule", "sgd(lr=0.1)").output
    row = next(line for line in page.splitlines() if "sgd(lr=0.1)" in line)
    assert row.endswith("diverged")


def test_the_record(folder):
    given = ("two-weights", "--rule", "sgd", "--steps", "4", "--noise", "0.1", "--seed", "2", "--schedule", "constant")
    record = json.loads(call(*given, "--json").output)
    assert record["kind"] == "descend" and record["schema"] == 1 and record["surface"] == {"kind": "two-weights"}
    path = descend("two-weights", "sgd", steps=4, noise=0.1, seed=2)
    assert record["paths"]["sgd"]["points"] == path.points.tolist() and record["floor"] == 0
    assert record["start"] == [-1.5, 1.45] and record["noise"] == 0.1
    call(*given, "--json", "race.json")
    assert json.loads((folder / "race.json").read_text(encoding="utf-8"))["paths"].keys() == {"sgd"}


def test_quiet_is_a_line_for_each_rule():
    output = call("bowl", "--rule", "sgd", "--rule", ADAM, "--steps", "3", "--quiet").stdout
    assert [line.split("\t")[0] for line in output.splitlines()] == ["sgd", ADAM]


def test_the_picture(folder):
    call("bowl", "--steps", "5", "--out", "race.png")
    with Image.open(folder / "race.png") as image:
        assert image.size[0] > 1000


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "`thalweg descend` needs a surface"),
        (("rosenbrok",), "did you mean 'rosenbrock'"),
        (("x + ",), "must have a value, got the end at character 4"),
        (("bowl", "--start", "1"), "`--start` must be two numbers with a comma between, got '1'"),
        (("bowl", "--start", "1,a"), "must be two numbers"),
        (("bowl", "--rule", "adm"), "did you mean 'adam'"),
        (("bowl", "--out", "race.txt"), "must end in .png"),
        (("bowl", "--steps", "0"), "must be a whole number from 1"),
        (("bowl", "--noise", "-1"), "must lie in [0, inf)"),
    ],
)
def test_what_cannot_be_is_refused(args, said):
    with pytest.raises(UsageError) as error:
        call(*args)
    assert said in str(error.value)


def test_points_are_read():
    assert read_point("-1,2") == (-1.0, 2.0) == read_point("(-1, 2)")
    assert read_point(None) is None
