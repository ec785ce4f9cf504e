"""Training in child processes: each is watched where it runs, and leaves its answer in a folder of the parent's."""

import dataclasses
import functools
import json
import multiprocessing.process
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from thalweg.diagnosis.script.attaching import Eye
from thalweg.diagnosis.script.leaving import forget_handlers
from thalweg.diagnosis.script.running import is_limit

BUDGET = 10.0  # seconds of experiments in a child, for which its parent may wait
LIMITED = 5  # exit code of a process that was ended by a limit
_QUIET = ("torch.utils.data.", "multiprocessing.managers", "multiprocessing.resource_")  # whose processes never train
_following: list["Children"] = []
_Process = multiprocessing.process.BaseProcess


class Children:
    """Follow the children of a watched process. As a context, it holds their records and removes them at its end.

    `programs` are the other programs that the script started, which are not followed.
    """

    def __init__(self, eye: Eye) -> None:
        self.eye = eye
        self.started = 0
        self.programs: list[str] = []
        self._parent, self._begun = os.getpid(), time.perf_counter()
        self._folder = Path(tempfile.mkdtemp(prefix="thalweg-"))
        self._undo: list[tuple[Any, str, Any]] = []
        self._left = False

    def __enter__(self) -> Self:
        if not _following:
            _register()
        _following.append(self)
        self._replace(_Process, "start", self._starting(_Process.start))
        self._replace(subprocess.Popen, "__init__", self._noting(subprocess.Popen.__init__))
        return self

    def __exit__(self, *error: object) -> None:
        _following.remove(self)
        while self._undo:
            setattr(*self._undo.pop())
        if os.getpid() == self._parent:
            shutil.rmtree(self._folder, ignore_errors=True)

    def records(self) -> list[dict[str, Any]]:
        """Return what the children left, in the order in which they ended."""
        files = sorted(self._folder.glob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]

    def forked(self) -> None:
        """Begin anew in a child."""
        forget_handlers()
        self._begun, self._left = time.perf_counter(), False
        self.eye.child()

    def leave(self, *, budget: float = BUDGET) -> None:
        """Write what this process saw, if it is a child that trained."""
        if os.getpid() == self._parent or self._left:
            return
        self._left = True
        write_record(self.eye, self._folder, budget=budget, seconds=time.perf_counter() - self._begun)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _starting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        """Let a process that is started run under a watch, by whatever means it is started."""

        @functools.wraps(original)
        def start(process: Any) -> None:
            home = getattr(getattr(process, "_target", None), "__module__", None) or ""
            if os.getpid() != self._parent or home.startswith(_QUIET):
                return original(process)
            self.started += 1
            limits = (self.eye.max_steps, self.eye.max_seconds)
            process.run = Followed(process=process, folder=str(self._folder), limits=limits)
            try:
                return original(process)
            finally:
                process.__dict__.pop("run", None)

        return start

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def __init__(popen: Any, args: Any, *rest: Any, **named: Any) -> None:
            original(popen, args, *rest, **named)
            words = [args] if isinstance(args, str | bytes | os.PathLike) else list(args)
            shown = " ".join(os.fsdecode(word) for word in words)
            self.programs.append(shown if len(shown) <= 60 else shown[:59] + "…")

        return __init__


@dataclasses.dataclass(kw_only=True)
class Followed:
    """Run a process's own `run` under a watch: in a forked process the one that is there, else one of its own."""

    process: Any
    folder: str
    limits: tuple[int | None, float | None]

    def __call__(self) -> None:
        """Run it, and leave a record."""
        self.process.__dict__.pop("run", None)
        if _following:  # forked
            self._run(_following[-1].leave)
            return
        eye = Eye(max_steps=self.limits[0], max_seconds=self.limits[1])
        eye.child()
        begun = time.perf_counter()
        eye.open()

        def leave(*, budget: float = BUDGET) -> None:
            write_record(eye, Path(self.folder), budget=budget, seconds=time.perf_counter() - begun)

        from thalweg.diagnosis.script.tracebacks import hidden

        with hidden():
            self._run(leave)

    def _run(self, leave: Callable[..., None]) -> None:
        budget = BUDGET
        try:
            self.process.run()
        except KeyboardInterrupt:
            budget = 1.0
            raise
        except BaseException as error:
            if is_limit(error):
                raise SystemExit(LIMITED) from None
            raise
        finally:
            leave(budget=budget)


def write_record(eye: Eye, folder: Path, *, budget: float, seconds: float) -> None:
    """Write what an eye saw in a child: its answer, and what tells replicas apart. Nothing if it trained nothing."""
    if not eye.steps():
        return
    try:
        from thalweg.diagnosis.script.finishing import answer
        from thalweg.diagnosis.script.plain import to_json

        record: dict[str, Any] = {"pid": os.getpid(), "rank": eye.rank}
        record["fingerprints"] = [*_start(eye), *(eye.watch.fingerprints if eye.watch is not None else ())]
        record["acts"] = _acts(eye)
        # replicas train alike: one of them makes the experiments, the others say what is a fact
        record["diagnosis"] = to_json(answer(eye, budget=0.0 if eye.rank else budget, seconds=seconds))
        text = json.dumps(record)
        unfinished = folder / f"{os.getpid()}.part"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(folder / f"{os.getpid()}.json")
    except Exception as error:
        if os.environ.get("THALWEG_DEBUG"):
            sys.stderr.write(f"thalweg: {error!r}\n")


def _start(eye: Eye) -> list[list[Any]]:
    """Return the fingerprint of the weights before the first step, where one optimizer has them and all were kept."""
    case = eye.case()
    optimizers = [course.optimizer for course in case.courses] if case is not None else []
    if case is None or len(optimizers) != 1 or optimizers[0] is None:
        return []
    kept = {id(tensor): copy for tensor, copy in case.start}
    parameters = [p for group in optimizers[0].param_groups for p in group["params"]]
    if not all(id(p) in kept for p in parameters):
        return []
    return [[0, [float(kept[id(p)].double().sum()) for p in parameters]]]


def _acts(eye: Eye) -> list[list[Any]]:
    """Return what the script did beside its steps and where: replicas do the same."""
    case = eye.case()
    notes = case.notes if case is not None else []
    found = [
        [n.kind, n.place.file, n.place.line]
        for n in notes
        if n.place is not None and n.kind in ("clip", "schedule", "optimizer")
    ]
    return [act for k, act in enumerate(found) if act not in found[:k]]


@functools.cache
def _register() -> None:
    """Hear of forks; this cannot be taken back, so it is done once and asks who is listening."""

    def in_child() -> None:
        for one in _following:
            one.forked()

    os.register_at_fork(after_in_child=in_child)
