"""A script under the watch does what `python script.py` does; our page comes after it."""

from pathlib import Path
from typing import Any

import pytest

UNTRAINED = "Nothing to judge"
SCRIPTS = {
    "its names": """
import inspect, os, sys
names = ("__name__", "__file__", "__spec__", "__package__", "__cached__", "__doc__", "__annotations__", "__builtins__")
print({name: globals()[name] for name in names}, type(__loader__).__name__, __loader__.name)
print(sys.argv, sys.path[0], os.getcwd(), sys.stdin.read(), sys.modules["__main__"].__file__)
class Here: pass
print(inspect.getsource(Here))
import beside
""",
    "pickles what it defines": """
import pickle
class Model:
    def __init__(self): self.a = 3
if __name__ == "__main__":
    print(pickle.loads(pickle.dumps(Model())).a, Model.__module__)
""",
    "raises": """
def deep(n):
    return 1 / n if n == 0 else deep(n - 1)
print("before")
try:
    deep(2)
except ZeroDivisionError as error:
    raise ValueError("two") from error
""",
    "raises in a group": "raise ExceptionGroup('many', [ValueError(1), KeyError('k')])",
    "has a hook": """
import sys
sys.excepthook = lambda kind, error, trail: print("hooked", kind.__name__, error)
raise RuntimeError("mine")
""",
    "has a broken hook": """
import sys
def hook(*error): raise KeyError("hook")
sys.excepthook = hook
raise RuntimeError("mine")
""",
    "leaves with a number": "import sys; print('a'); sys.exit(7)",
    "leaves with a sentence": "raise SystemExit('no data')",
    "leaves with nothing": "exit()",
    "is no Python": "def f(:\n    pass\n",
    "is ill indented": "if True:\n  a = 1\n b = 2\n",
    "interrupts itself": "raise KeyboardInterrupt",
    "warns": """
import warnings
warnings.warn("old", DeprecationWarning)
warnings.warn("look")
def f(): warnings.warn("there", stacklevel=2)
f()
""",
    "forks": """
import os
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    print("parent")
else:
    print("child")
""",
    "ends in a fork": """
import os, sys
pid = os.fork()
if not pid:
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "has threads that go on": """
import threading, time
threading.Thread(target=lambda: (time.sleep(0.1), print("late"))).start()
print("early")
""",
    "has processes that go on": """
import multiprocessing, time
def late(): time.sleep(0.1); print("late", flush=True)
if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=late).start()
    print("early", flush=True)
""",
    "fails in a process": """
import multiprocessing
def fail(): raise ValueError("in there")
process = multiprocessing.get_context("fork").Process(target=fail, name="P")
process.start(); process.join()
print(process.exitcode)
""",
    "logs an exception": """
import logging, traceback
try: raise ValueError("x")
except ValueError:
    logging.exception("caught")
    traceback.print_exc()
""",
    "puts streams of its own": """
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
print("über")
""",
    "closes its output": "import sys; print('last'); sys.stdout.close()",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_what_it_does_alone(name: str, plain: Any, diagnose: Any, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("print('beside', __name__)")
    alone = plain(SCRIPTS[name], "a", "--json", "b c")
    under = diagnose(SCRIPTS[name], args=("a", "--json", "b c"))
    assert under.err == alone.err
    assert under.out.startswith(alone.out) and UNTRAINED in under.out[len(alone.out) :]
    assert under.code == (130 if "interrupts" in name else alone.code)


def test_an_exception_out_of_torch_shows_no_frame_of_ours(alone: Any, diagnose: Any) -> None:
    text = """
import torch, traceback
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x.clone()
    @staticmethod
    def backward(ctx, g): raise ValueError("no way back")
w = torch.nn.Linear(2, 1)
o = torch.optim.SGD(w.parameters(), lr=0.1)
for step in range(3):
    try:
        Bad.apply(w(torch.ones(1, 2))).sum().backward()
    except ValueError:
        traceback.print_exc()
Bad.apply(w(torch.ones(1, 2))).sum().backward()
"""
    there, under = alone(text), diagnose(text)
    assert there.code == under.code == 1 and there.err.count("no way back") == 8
    assert under.err == there.err


def test_numbers_are_the_same_and_the_page_comes_last(trains: str, alone: Any, diagnose: Any) -> None:
    text = trains + "for _ in range(3): print(repr(train()))"
    there, under = alone(text), diagnose(text)
    assert under.out.startswith(there.out) and len(there.out.splitlines()) == 3
    assert "120 steps" in under.out and under.code == 0 and under.err == there.err == ""


def test_torch_is_imported_by_the_script_itself(tmp_path: Path) -> None:
    """The watch waits for that import: here a module of that name stands in for it."""
    import sys

    from thalweg.diagnosis.script.attaching import _AfterImport

    (tmp_path / "late_one.py").write_text("value = 1")
    seen: list[int] = []
    finder = _AfterImport("late_one", lambda: seen.append(sys.modules["late_one"].value))
    sys.meta_path.insert(0, finder)
    sys.path.insert(0, str(tmp_path))
    try:
        import late_one  # type: ignore[import-not-found]

        assert seen == [1] and finder not in sys.meta_path
        assert late_one.__spec__.name == "late_one" and "exec_module" not in vars(late_one.__loader__)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("late_one", None)
