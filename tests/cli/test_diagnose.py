import json
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from thalweg.diagnosis import Diagnosis
from thalweg.diagnosis.script import Outcome, run_script

TRAIN = """
import argparse
import torch
arguments = argparse.ArgumentParser()
arguments.add_argument("--json"); arguments.add_argument("--lr", type=float, default=0.1)
asked = arguments.parse_args()
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=asked.lr)
x = torch.randn(256, 8)
y = x[:, :1] * x[:, 1:2] + x.sum(1, keepdim=True)
for step in range(150):
    rows = torch.randint(0, 256, (32,))
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
print("asked", asked.json, asked.lr)
"""


def test_from_a_script_to_an_answer(folder: Path, start: Any) -> None:
    """The one whole run: a process of its own, with what is really there."""
    (folder / "train.py").write_text(TRAIN)
    process = start(
        "diagnose", "train.py", "--json", "answer", "--budget", "1", "--", "--json", "mine.txt", "--lr", "0.05"
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and err == "", err
    assert out.startswith("asked mine.txt 0.05\n") and "150 steps" in out
    record = json.loads((folder / "answer").read_text())
    wanted = {"schema", "verdict", "findings", "steps", "seconds", "overhead", "hypotheses"}
    assert wanted <= set(record) and record["schema"] == 1 and record["steps"] == 150
    assert record["verdict"] in ("healthy", "unsure", "sick") and record["faults"] == []


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for running: what the verb asks for, with an answer that is always healthy."""
    asked: list[Any] = []

    def run(path: Any, args: Any, *, listener: Any, **options: Any) -> Outcome:
        asked.append((str(path), tuple(args), options))
        outcome = Outcome(diagnosis=Diagnosis(verdict="healthy", steps=3))
        listener.tell(outcome)
        return outcome

    monkeypatch.setattr("thalweg.diagnosis.script.run_script", run)
    return asked


def test_what_stands_behind_the_dashes_is_the_scripts(call: Any, ran: list[Any]) -> None:
    result = call("diagnose", "a.py", "--max-steps", "7", "--", "--json", "--max-steps", "9", "--", "--help", "-m")
    assert result.exit_code == 0, result.output
    path, args, options = ran[0]
    assert path == "a.py" and args == ("--json", "--max-steps", "9", "--", "--help", "-m")
    assert options == {"max_steps": 7, "max_seconds": None, "budget": 60.0, "as_module": False}
    assert call("diagnose", "-m", "pkg.train", "--budget", "2").exit_code == 0
    assert ran[1][0] == "pkg.train" and ran[1][2]["as_module"] and ran[1][2]["budget"] == 2.0


def test_records_go_where_they_are_wanted(folder: Path, call: Any, ran: list[Any]) -> None:
    assert json.loads(call("diagnose", "a.py", "--json").stdout)["verdict"] == "healthy"
    assert json.loads(call("diagnose", "--json", "a.py").stdout)["kind"] == "diagnosis"
    for words in (
        ("a.py", "--json", "b.json"),
        ("--json", "b.json", "a.py"),
        ("a.py", "--json", "b.txt"),
        ("a.py", "--json=b"),
    ):
        result = call("diagnose", *words)
        assert result.exit_code == 0 and "Healthy" in result.stdout, (words, result.output)
        name = words[-1].removeprefix("--json=") if words[0] == "a.py" else words[1]
        assert json.loads((folder / name).read_text())["steps"] == 3
    assert call("diagnose", "a.py", "--quiet").stdout == "healthy\n"
    assert all(path == "a.py" and not args for path, args, _ in ran)


@pytest.mark.parametrize(
    "words, said",
    [
        (("missing.py",), "needs a script that exists, got 'missing.py'; check the path"),
        (("here",), "got the folder 'here'; give the file that trains"),
        (("book.ipynb",), "jupyter nbconvert"),
        (("binary.py",), "which is binary"),
        (("-m", "no.such.module"), "got 'no.such.module'; check its name"),
        (("digits-7",), "digits-7"),
        (("a.py", "b.py"), "goes behind --"),
        (("a.py", "--epochs", "5"), "has no option --epochs; what is meant for the script goes behind --"),
        (("a.py", "--html", "nowhere/a.html"), "its folder must exist"),
        (("a.py", "--json", "here"), "choose another place"),
        (("a.py", "--fail-on", "warnin"), "did you mean 'warning'?"),
        (("a.py", "--budget", "-1"), "--budget"),
        (("a.py", "--max-seconds", "0"), "--max-seconds"),
        ((), "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence_with_its_cure(words: tuple[str, ...], said: str, folder: Path, fails: Any) -> None:
    (folder / "here").mkdir()
    (folder / "a.py").write_text("")
    (folder / "book.ipynb").write_text("{}")
    (folder / "binary.py").write_bytes(b"\0\1")
    before = sys.modules["__main__"], list(sys.argv)
    try:
        assert said in fails("diagnose", *words)
    finally:
        sys.modules["__main__"], sys.argv[:] = before


def test_a_run_is_judged_by_what_it_recorded(
    folder: Path, call: Any, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import types

    seen: list[Path] = []
    recorded = types.ModuleType("thalweg.diagnosis.recorded")

    def diagnose_run(path: Path) -> Diagnosis:
        seen.append(path)
        return Diagnosis(verdict="healthy", steps=8)

    recorded.diagnose_run = diagnose_run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "thalweg.diagnosis.recorded", recorded)
    (folder / "runs" / "digits-1").mkdir(parents=True)
    (folder / "runs" / "digits-1" / "recipe.toml").write_text("")
    for name in ("runs/digits-1", "digits-1", "runs/digits-1/recipe.toml"):
        assert "8 steps" in call("diagnose", name).stdout
    assert {path.name for path in seen} == {"digits-1"} and len(seen) == 3
    assert "leave out --max-steps" in fails("diagnose", "digits-1", "--max-steps", "3")


def test_help_is_there_without_torch() -> None:
    code = (
        "import sys\nfrom thalweg.cli import front\ntry: front.main(['diagnose', '--help'])\nexcept SystemExit: pass\n"
    )
    code += "assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    assert (
        "SCRIPT.py|RUN"
        in subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    )


def test_words_have_the_same_keys_in_both_languages() -> None:
    english, chinese = (
        tomllib.loads(resources.files("thalweg.core.words").joinpath(lang, "diagnose.toml").read_text(encoding="utf-8"))
        for lang in ("en", "zh")
    )
    assert list(english) == list(chinese)
    assert callable(run_script)
