"""Training in other processes: seen where they are children, and said where they are not."""

import json
from pathlib import Path
from typing import Any

from thalweg.core import message
from thalweg.diagnosis import Diagnosis
from thalweg.diagnosis.script.merging import merge
from thalweg.diagnosis.script.plain import from_json, to_json
from thalweg.findings import Change, Evidence, Finding, Picture, Severity, Tried, Where

MAIN = """
import multiprocessing, os, sys
def work(steps): print(multiprocessing.current_process().name, round(train(steps), 6) >= 0, flush=True)
if __name__ == "__main__":
"""


def record(folder: Path) -> Any:
    return json.loads((folder / "d.json").read_text())


def test_forked_processes_are_watched(trains: str, diagnose: Any, tmp_path: Path) -> None:
    text = trains + MAIN + (
        "    ps = [multiprocessing.get_context('fork').Process(target=work, args=(n,), name=f'P{n}') for n in (3, 9)]\n"
        "    for p in ps: p.start()\n"
        "    for p in ps: p.join()\n"
        "    print([p.exitcode for p in ps])\n"
    )  # fmt: skip
    under = diagnose(text, "--json", "d.json")
    assert under.code == 0 and under.err == "" and "[0, 0]\n" in under.out
    seen = record(tmp_path)
    assert seen["steps"] == 9 and seen["verdict"] == "healthy" and "child processes (2)" in seen["unseen"][0]


def test_os_fork_is_followed_and_the_parents_own_training_counts(trains: str, diagnose: Any, tmp_path: Path) -> None:
    text = trains + "import os\ntrain(4)\nif not os.fork():\n    train(7)\n    os._exit(0)\nos.wait()\n"
    under = diagnose(text, "--json", "d.json")
    assert under.code == 0 and under.err == "" and record(tmp_path)["steps"] == 7


def test_a_spawned_process_is_watched(trains: str, diagnose: Any, tmp_path: Path) -> None:
    text = trains + MAIN + (
        "    p = multiprocessing.get_context('spawn').Process(target=work, args=(5,), name='S')\n"
        "    p.start(); p.join(); print(p.exitcode)\n"
    )  # fmt: skip
    under = diagnose(text, "--json", "d.json")
    assert under.out.startswith("S True\n0\n"), under.err
    assert under.code == 0 and under.err == "" and record(tmp_path)["steps"] == 5


def test_limits_hold_in_children(trains: str, diagnose: Any, tmp_path: Path) -> None:
    text = trains + MAIN + (
        "    p = multiprocessing.get_context('fork').Process(target=work, args=(10000,))\n"
        "    p.start(); p.join(); print(p.exitcode)\n"
    )  # fmt: skip
    under = diagnose(text, "--json", "d.json", "--max-steps", "6")
    assert under.out.startswith("5\n") and under.err == "" and record(tmp_path)["steps"] == 6


def test_workers_of_a_loader_leave_nothing(trains: str, diagnose: Any, tmp_path: Path) -> None:
    text = trains + (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "for _ in DataLoader(TensorDataset(x, y), batch_size=32, num_workers=1, multiprocessing_context='fork'):\n"
        "    train(1)\n"
    )  # fmt: skip
    under = diagnose(text, "--json", "d.json")
    assert under.code == 0 and under.err == "" and record(tmp_path)["steps"] == 2 and record(tmp_path)["unseen"] == []


def test_what_was_seen_is_said_where_nothing_was_trained(trains: str, diagnose: Any) -> None:
    def said(text: str) -> str:
        return " ".join(diagnose(text).out.split())

    assert "no model was called under our eyes and no optimizer was made" in said("import torch\ntorch.ones(2).sum()")
    assert "SGD was made (script.py:5), but never took a step" in said(trains)
    started = said("import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'])")
    assert "-c pass); they are not followed" in started
    fork = "import multiprocessing as m\np = m.get_context('fork').Process(target=print)\np.start(); p.join()"
    assert "Child processes started: 1. None left a record" in said(fork)


def finding(code: str, severity: str = "warning", confidence: float = 0.9) -> Finding:
    fact = message("findings.fact")
    return Finding(
        code=code, category="loss", severity=Severity(severity), confidence=confidence, reckoned=fact, remedy=fact,
        cause=message("diagnose.no_torch"), where=Where(file="a.py", line=3),
        evidence=(Evidence(what=message("diagnose.drift", number=2, step=2), value=float("inf")),),
        picture=Picture(what=fact, values=(1.0, 2.0)), change=Change(before="a", after="b"),
        tried=Tried(measure="loss", before=1.0, after=0.5, interval=(0.1, 0.2)),
    )  # fmt: skip


def test_an_answer_leaves_a_process_whole() -> None:
    answer = Diagnosis(verdict="sick", findings=(finding("loss-scale"),), steps=3, losses=(1.0, 0.5), unseen=())
    again = from_json(json.loads(json.dumps(to_json(answer))))
    assert again == answer and again.to_plain("zh") == answer.to_plain("zh")


def test_answers_are_put_together_best_first_and_equal_codes_once() -> None:
    first = Diagnosis(
        verdict="sick", steps=4, findings=(finding("loss-scale", confidence=0.5), finding("dead-relu", "note"))
    )
    second = Diagnosis(verdict="sick", steps=9, findings=(finding("loss-sign", "critical"), finding("loss-scale")))
    records = [{"rank": None, "fingerprints": [], "acts": [], "diagnosis": to_json(d)} for d in (first, second)]
    both = merge(Diagnosis(verdict="unsure", seconds=7.0), records)
    assert [(f.code, f.confidence) for f in both.findings] == [
        ("loss-sign", 0.9),
        ("loss-scale", 0.9),
        ("dead-relu", 0.9),
    ]
    assert both.verdict == "sick" and both.steps == 9 and both.seconds == 7.0
    own = Diagnosis(verdict="healthy", steps=3)
    assert merge(own, []) is own
