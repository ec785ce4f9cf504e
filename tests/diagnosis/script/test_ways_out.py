"""However a script ends, what was seen is told, and the exit code is its own."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

ENDLESS = "print('going', flush=True)\nimport time\nwhile True:\n    train(1)\n    time.sleep(0.002)\n"
HEALTHY = "Healthy: nothing speaks against this run."


def record(folder: Path, name: str = "d.json") -> Any:
    return json.loads((folder / name).read_text())


def test_an_exception_is_followed_by_what_was_found_so_far(trains: str, diagnose: Any) -> None:
    under = diagnose(trains + "train(20)\nraise ValueError('after twenty')")
    assert under.code == 1 and under.err.endswith("ValueError: after twenty\n")
    assert HEALTHY in under.out and "20 steps" in under.out


def test_the_exit_code_is_the_scripts_own_before_it_is_ours(trains: str, diagnose: Any, tmp_path: Path) -> None:
    sick = trains + "FINDINGS = {'loss-scale': 'warning'}\ntrain(3)\n"
    assert diagnose(sick).code == 0
    assert diagnose(sick, "--fail-on", "critical").code == 0
    assert diagnose(sick, "--fail-on", "warning", "--json", "d.json").code == 3
    assert record(tmp_path)["findings"][0]["code"] == "loss-scale"
    assert diagnose(sick + "raise SystemExit(9)", "--fail-on", "note").code == 9


def test_ctrl_c_shows_what_was_found_and_ends_with_130(trains: str, start: Any) -> None:
    running = start(trains + ENDLESS).after("going")
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGINT)
    under = running.wait()
    assert under.code == 130 and under.err.rstrip().endswith("KeyboardInterrupt") and "thalweg" not in under.err
    assert under.out.startswith("going\n") and HEALTHY in under.out


def test_a_script_that_handles_ctrl_c_itself_ends_as_it_wants(trains: str, start: Any) -> None:
    text = (
        trains
        + "try:\n"
        + "\n".join("    " + line for line in ENDLESS.splitlines())
        + "\nexcept KeyboardInterrupt:\n    print('saved')"
    )
    running = start(text).after("going")
    os.kill(running.pid, signal.SIGINT)
    under = running.wait()
    assert under.code == 0 and "going\nsaved\n" in under.out and under.err == ""


def test_sigterm_shows_what_was_found_and_ends_with_143(trains: str, start: Any) -> None:
    text = (
        trains
        + "try:\n"
        + "\n".join("    " + line for line in ENDLESS.splitlines())
        + "\nfinally:\n    print('not reached')"
    )
    running = start(text).after("going")
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGTERM)
    under = running.wait()
    assert under.code == 143 and under.err == ""
    assert under.out.startswith("going\n") and HEALTHY in under.out and "not reached" not in under.out


def test_a_handler_of_the_script_hears_sigterm(trains: str, start: Any) -> None:
    text = trains + "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\n" + ENDLESS
    running = start(text).after("going")
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGTERM)
    under = running.wait()
    assert under.code == 4 and "Healthy" in under.out


def test_os_exit_is_told_before_it_happens(trains: str, diagnose: Any, tmp_path: Path) -> None:
    under = diagnose(trains + "train(5)\nimport os\nos._exit(6)\n", "--json", "d.json")
    assert under.code == 6 and HEALTHY in under.out and record(tmp_path)["steps"] == 5


@pytest.mark.parametrize(
    "body, options",
    [
        ("train(1000)\nprint('no')", ("--max-steps", "12")),
        ("while True: train(1)", ("--max-seconds", "0.2")),
        ("train(2)\nimport time\ntime.sleep(60)", ("--max-seconds", "0.2")),
        (
            "import time\ntrain(2)\ntry: time.sleep(60)\nexcept BaseException: raise SystemExit(3)",
            ("--max-seconds", "0.2"),
        ),
    ],
)
def test_limits_end_a_script_with_5(body: str, options: tuple[str, ...], trains: str, diagnose: Any) -> None:
    under = diagnose(trains + body, *options)
    assert under.code == 5 and under.err == "" and HEALTHY in under.out and "no\n" not in under.out
    assert "12 steps" in under.out or "12" not in options


def test_ctrl_c_while_judging_leaves_at_once(trains: str, start: Any) -> None:
    text = trains + "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\ntrain(3)\n"
    text += "def JUDGE(budget):\n    print('judging', flush=True)\n    time.sleep(30)\n"
    running = start(text).after("judging")
    os.kill(running.pid, signal.SIGINT)
    begun = time.monotonic()
    under = running.wait()
    assert under.code == 130 and time.monotonic() - begun < 10 and HEALTHY not in under.out


FAIL = "def fail(*a, **k): raise ZeroDivisionError('ours')\n"
FAULTS = {
    "judging": "JUDGE = fail\n",
    "case": "import thalweg.diagnosis.watching as w\nw.Watch.case = fail\n",
    "step": "import thalweg.diagnosis.watching.ledger as l\nl.Ledger.step = fail\n",
    "detach": "import thalweg.diagnosis.watching as w\nw.Watch.detach = fail\n",
}


@pytest.mark.parametrize("where", FAULTS)
def test_a_fault_of_ours_never_breaks_the_run(where: str, trains: str, diagnose: Any, tmp_path: Path) -> None:
    under = diagnose(trains + FAIL + FAULTS[where] + "print('done', train(8))\n", "--json", "d.json")
    assert under.code == 0 and under.err == "" and under.out.startswith("done ")
    assert any("ZeroDivisionError: ours" in fault for fault in record(tmp_path)["faults"]), under.out


def test_a_watch_that_cannot_be_put_on_is_named(monkeypatch: pytest.MonkeyPatch, trains: str, diagnose: Any) -> None:
    from thalweg.diagnosis.watching.patches import Patches

    def fail(self: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Patches, "put", fail)
    under = diagnose(trains + "print('done', train(8))\n")
    assert under.code == 0 and under.err == "" and under.out.startswith("done ")
    assert "ZeroDivisionError: ours" in under.out
