"""What is put around torch's own functions while a watch is on, and taken off after it.

Each wrapper calls the original with what it was given and returns what it returned; a fault of ours is noted and never
reaches the script.
"""

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from thalweg.diagnosis.watching.places import here, is_users

if TYPE_CHECKING:
    from thalweg.diagnosis.watching.watch import Watch


class Patches:
    """Put wrappers on and take them off, the last one first."""

    def __init__(self, watch: "Watch") -> None:
        self._watch = watch
        self._put: list[tuple[Any, str, Any]] = []
        self._hooks: list[Any] = []

    def put(self) -> None:
        watch = self._watch  # what it consists of is new in a forked process: each wrapper asks for it
        self._around(torch.autograd, "backward", lambda: watch.around_backward)
        self._around(Tensor, "backward", lambda: watch.around_call)
        self._around(torch.autograd.Function, "apply", lambda: watch.around_apply)
        self._after(torch.optim.Optimizer, "__init__", lambda: watch.optimizer_made)
        self._after(nn.Module, "__init__", lambda: watch.around.module_made)
        self._around(nn.Module, "load_state_dict", lambda: watch.around.around_load)
        self._around(nn.Module, "train", lambda: watch.around_train)
        for guard in (torch.no_grad, torch.inference_mode):
            self._after(guard, "__enter__", lambda: watch.guard_entered)
            self._before(guard, "__exit__", lambda: watch.guard_left)
        for schedule in _schedules():
            if "__init__" in vars(schedule) and schedule in (LRScheduler, ReduceLROnPlateau):
                self._after(schedule, "__init__", lambda: watch.around.schedule_made)
            self._before(schedule, "step", lambda: watch.around.schedule_stepped)
        self._after(DataLoader, "__init__", lambda: watch.around.loader_made)
        self._around(DataLoader, "__iter__", lambda: watch.around.around_iter)
        self._around(_BaseDataLoaderIter, "__next__", lambda: watch.around.around_next)
        for owner in (torch.optim.Optimizer, nn.Module):
            self._after(owner, "zero_grad", lambda: watch.cleared)
        for name in ("clip_grad_norm_", "clip_grad_value_"):
            self._after(torch.nn.utils, name, lambda: watch.around.clipped)
        self._before(torch, "compile", lambda: watch.compiling)
        self._before(torch, "save", lambda: watch.around.saved)
        for name in [name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")]:
            self._after(nn.init, name, functools.partial(self._with_name, name))
        self._hooks = [
            register_optimizer_step_pre_hook(watch.before_step),
            register_optimizer_step_post_hook(watch.after_step),
        ]
        self._replace(warnings, "showwarning", _at_users_line(warnings.showwarning))

    def _with_name(self, name: str) -> Callable[..., None]:
        return functools.partial(self._watch.around.weights_set, name)

    def take_off(self) -> None:
        for owner, name, original in reversed(self._put):
            setattr(owner, name, original)
        for hook in self._hooks:
            hook.remove()
        self._put.clear()
        self._hooks.clear()

    def _replace(self, owner: Any, name: str, wrapper: Any) -> None:
        self._put.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, wrapper)

    def _around(self, owner: Any, name: str, find: Callable[[], Callable[..., Any]]) -> None:
        original = owner.__dict__[name]
        bare = original.__func__ if isinstance(original, classmethod) else original

        @functools.wraps(bare)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return find()(bare, *args, **kwargs)

        self._replace(owner, name, classmethod(wrapper) if bare is not original else wrapper)

    def _after(self, owner: Any, name: str, find: Callable[[], Callable[..., None]]) -> None:
        original = owner.__dict__[name]
        watch = self._watch

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            watch.fence.safely(find(), *args, **kwargs)
            return result

        self._replace(owner, name, wrapper)

    def _before(self, owner: Any, name: str, find: Callable[[], Callable[..., None]]) -> None:
        original = owner.__dict__[name]
        watch = self._watch

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            watch.fence.safely(find(), *args, **kwargs)
            return original(*args, **kwargs)

        self._replace(owner, name, wrapper)


def _schedules() -> list[type]:
    """Return the classes of schedules that have a step of their own."""
    found = [value for value in vars(lr_scheduler).values() if isinstance(value, type) and "step" in vars(value)]
    return [value for value in found if issubclass(value, LRScheduler | ReduceLROnPlateau)]


def _at_users_line(original: Callable[..., None]) -> Callable[..., None]:
    """Show a warning that arose beneath one of our frames at the line of the script that asked for it."""

    @functools.wraps(original)
    def showwarning(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
    ) -> None:
        if not is_users(filename) and (place := here()) is not None and "thalweg" in filename:
            filename, lineno = place.file, place.line
        original(message, category, filename, lineno, file, line)

    return showwarning
