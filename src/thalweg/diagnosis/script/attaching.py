"""Puts the watch on as soon as the script has imported PyTorch: what it sets before that import works as always."""

import functools
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.diagnosis.watching import Case, Watch


class Eye:
    """Watch one process. Whatever goes wrong here is noted in `faults` and goes no further.

    `rank` is that in torch.distributed, None where no group was ever made.
    """

    def __init__(self, *, max_steps: int | None = None, max_seconds: float | None = None) -> None:
        self.max_steps, self.max_seconds = max_steps, max_seconds
        self.watch: Watch | None = None
        self.rank: int | None = None
        self.faults: list[str] = []
        self._finder: _AfterImport | None = None
        self._forked = False
        self._undo: list[tuple[Any, str, Any]] = []

    def open(self) -> None:
        """Begin to watch: now, or when torch is imported."""
        if "torch" in sys.modules:
            self._attach()
        else:
            self._finder = _AfterImport("torch", self._attach)
            sys.meta_path.insert(0, self._finder)

    def close(self) -> None:
        """Stop watching."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        while self._undo:
            setattr(*self._undo.pop())
        if self.watch is not None:
            self._safely("detach", self.watch.detach)

    def child(self) -> None:
        """Begin anew in a process that was forked from the watched one."""
        self._forked, self.rank, self.faults = True, None, []
        if self.watch is not None:
            self._safely("child", self.watch.child)

    def steps(self) -> int:
        """Return how many steps were seen in this process."""
        case = None if self.watch is None else self._safely("steps", lambda: self.watch._case)  # type: ignore[union-attr]
        return case.steps if case is not None else 0

    def case(self) -> "Case | None":
        """Return what was seen; None where torch never was."""
        return None if self.watch is None else self._safely("case", self.watch.case)

    def _attach(self) -> None:
        self._safely("attach", self._put_on)

    def _put_on(self) -> None:
        from thalweg.diagnosis.watching import Watch

        self.watch = watch = Watch()
        try:
            watch.attach()
        except BaseException:
            self._safely("detach", watch.detach)
            raise
        watch.limit(max_steps=self.max_steps, max_seconds=self.max_seconds)
        if self._forked:
            watch.child()
        self._note_groups()

    def _note_groups(self) -> None:
        """Note the rank of this process when it joins a group."""
        import torch.distributed as dist

        if not dist.is_available():
            return
        original = dist.init_process_group

        @functools.wraps(original)
        def init_process_group(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.rank = self._safely("rank", dist.get_rank)
            return result

        for owner in (dist, dist.distributed_c10d):
            self._undo.append((owner, "init_process_group", original))
            owner.init_process_group = init_process_group  # type: ignore[attr-defined]

    def _safely(self, name: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self.faults.append(fault(name, error))
            return None


def fault(name: str, error: BaseException) -> str:
    """Name an error of ours in one line: what was being done, where it arose, what it says."""
    trail = error.__traceback__
    while trail is not None and trail.tb_next is not None:
        trail = trail.tb_next
    line = f" ({trail.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trail.tb_lineno})" if trail else ""
    return f"{name}{line}: {type(error).__name__}: {' '.join(str(error).split())}"


class _AfterImport:
    """Call `then` once a module was imported, by whatever finds it; as a finder of `sys.meta_path` it finds nothing."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name, self._then = name, then
        self._looking = False

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._name or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        loader: Any = spec.loader if spec is not None else None
        if loader is None or not hasattr(loader, "exec_module"):
            return None

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # the class's own again
            loader.exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            self._then()

        loader.exec_module = exec_module
        return spec
