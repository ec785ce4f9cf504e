"""Scripts run twice: by python, and under the watch in a forked process that has torch already."""

import contextlib
import dataclasses
import importlib
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

TRAINS = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
def train(steps=40, rate=1.0):
    for step in range(steps):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    return loss.item()
"""


@dataclasses.dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclasses.dataclass
class Running:
    pid: int
    out: Path
    err: Path

    def wait(self) -> Ran:
        deadline = time.monotonic() + 240  # on a machine that is crowded
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return Ran(os.waitstatus_to_exitcode(status), self.out.read_text(), self.err.read_text())
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"did not end: {self.out.read_text()} {self.err.read_text()}")
            time.sleep(0.01)

    def after(self, text: str) -> "Running":
        """Wait until a text was written."""
        deadline = time.monotonic() + 30
        while text not in self.out.read_text():
            assert time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.01)
        return self


def _judging() -> types.ModuleType:
    """Judge by a word that a script may give: what is tested here is how it comes to that."""
    module = types.ModuleType("thalweg.diagnosis.judging")

    def judge(case: Any, *, budget: float = 60.0) -> Any:
        from thalweg.core import message
        from thalweg.diagnosis import Diagnosis
        from thalweg.findings import Finding, Severity

        main = sys.modules["__main__"].__dict__
        if "JUDGE" in main:
            main["JUDGE"](budget)
        fact = message("findings.fact")
        found = [
            Finding(
                code=code, category="loss", severity=Severity(severity), confidence=0.9,
                reckoned=fact, cause=fact, remedy=fact,
            )
            for code, severity in main.get("FINDINGS", {}).items()
        ]  # fmt: skip
        return Diagnosis(
            verdict="sick" if found else "healthy" if case.steps else "unsure", findings=tuple(found), steps=case.steps,
            seconds=case.seconds, losses=tuple(case.main.losses) if case.main else (), faults=tuple(case.faults),
            models=tuple(root.name for root in case.roots),
            unseen=() if case.steps else (message("diagnose.no_training"),),
        )  # fmt: skip

    module.judge = judge  # type: ignore[attr-defined]
    return module


def in_process(call: Callable[[], Any], folder: Path) -> Running:
    """Fork, and call there as a program of its own would: with its streams, filters, and no handlers of pytest's."""
    import torch._dynamo  # noqa: F401 - an optimizer imports it

    import thalweg.diagnosis.watching
    import thalweg.report.diagnosis_text  # noqa: F401

    running = Running(0, folder / "out.txt", folder / "err.txt")
    for file in (running.out, running.err):
        file.write_text("")
    sys.stdout.flush()
    sys.stderr.flush()
    running.pid = os.fork()
    if running.pid:
        return running
    code = 70
    try:
        os.chdir(folder)
        for number, name in ((1, running.out), (2, running.err)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = (open(k, mode, closefd=False) for k, mode in ((0, "r"), (1, "w"), (2, "w")))
        sys.stderr.reconfigure(line_buffering=True)
        sys.excepthook = sys.__excepthook__
        logging.root.handlers.clear()
        logging.root.setLevel(logging.WARNING)
        importlib.reload(warnings)
        sys.modules["thalweg.diagnosis.judging"] = _judging()
        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(OMP_NUM_THREADS="1", THALWEG_LANG="en")
        code = call()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 71
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Start `thalweg diagnose script.py` on a text."""

    def run(text: str, *options: str, args: Sequence[str] = (), name: str = "script.py") -> Running:
        from thalweg.cli import front

        (tmp_path / name).write_text(text)
        behind = ["--", *args] if args else []
        return in_process(lambda: front.main(["diagnose", name, *options, *behind]), tmp_path)

    return run


@pytest.fixture
def diagnose(start: Any) -> Any:
    def run(text: str, *options: str, args: Sequence[str] = (), name: str = "script.py") -> Ran:
        return start(text, *options, args=args, name=name).wait()

    return run


@pytest.fixture
def plain(tmp_path: Path) -> Any:
    """Run a text with python alone."""

    def run(text: str, *args: str, name: str = "script.py") -> Ran:
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, name, *args],
            cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def trains() -> str:
    return TRAINS


@pytest.fixture
def alone(tmp_path: Path) -> Any:
    """Run a text without thalweg, in a forked process: torch need not be imported again."""

    def run(text: str, name: str = "script.py") -> Ran:
        file = tmp_path / name
        file.write_text(text)

        def call() -> int:
            sys.modules["__main__"] = module = types.ModuleType("__main__")
            try:
                exec(compile(text, str(file), "exec"), module.__dict__)
            except BaseException as error:
                error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
                sys.excepthook(type(error), error, error.__traceback__)
                return 1
            return 0

        return in_process(call, tmp_path).wait()

    return run
