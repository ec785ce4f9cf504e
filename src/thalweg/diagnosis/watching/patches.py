"""What is put around torch's own functions while a watch is on, and taken off after it.

Each wrapper calls the original with what it was given and returns what it returned; a fault of ours is noted and never
reaches the script.
"""

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
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
        watch = self._watch
        self._around(torch.autograd, "backward", watch.around_backward)
        self._after(torch.optim.Optimizer, "__init__", watch.optimizer_made)
        self._after(nn.Module, "__init__", watch.module_made)
        self._around(nn.Module, "load_state_dict", watch.around_load)
        self._around(nn.Module, "train", watch.around_train)
        for guard in (torch.no_grad, torch.inference_mode):
            self._after(guard, "__enter__", watch.guard_entered)
            self._before(guard, "__exit__", watch.guard_left)
        for schedule in (LRScheduler, ReduceLROnPlateau):
            self._after(schedule, "__init__", watch.schedule_made)
            self._before(schedule, "step", watch.schedule_stepped)
        self._after(DataLoader, "__init__", watch.loader_made)
        self._around(DataLoader, "__iter__", watch.around_iter)
        self._around(_BaseDataLoaderIter, "__next__", watch.around_next)
        self._after(torch.optim.Optimizer, "zero_grad", watch.cleared)
        self._after(nn.Module, "zero_grad", watch.cleared)
        self._after(torch.nn.utils, "clip_grad_norm_", watch.clipped)
        self._after(torch.nn.utils, "clip_grad_value_", watch.clipped)
        self._before(torch, "compile", watch.compiling)
        self._before(torch, "save", watch.saved)
        for name in [name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")]:
            self._after(nn.init, name, functools.partial(watch.weights_set, name))
        self._hooks = [
            register_optimizer_step_pre_hook(watch.before_step),  # type: ignore[arg-type]
            register_optimizer_step_post_hook(watch.after_step),  # type: ignore[arg-type]
        ]
        self._replace(warnings, "showwarning", _at_users_line(warnings.showwarning))

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

    def _around(self, owner: Any, name: str, take: Callable[..., Any]) -> None:
        original = owner.__dict__[name]

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return take(original, *args, **kwargs)

        self._replace(owner, name, wrapper)

    def _after(self, owner: Any, name: str, note: Callable[..., None]) -> None:
        original = owner.__dict__[name]
        watch = self._watch

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            watch.safely(note, *args, **kwargs)
            return result

        self._replace(owner, name, wrapper)

    def _before(self, owner: Any, name: str, note: Callable[..., None]) -> None:
        original = owner.__dict__[name]
        watch = self._watch

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            watch.safely(note, *args, **kwargs)
            return original(*args, **kwargs)

        self._replace(owner, name, wrapper)


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
