"""Where something stands in the user's own code: the nearest frame that is neither torch's nor ours."""

import dataclasses
import sys
import sysconfig
from pathlib import Path
from types import FrameType

import torch

_TORCH = str(Path(torch.__file__).parent)
_OURS = str(Path(__file__).parents[1])
_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_BETWEEN = ("_contextlib.py", "grad_mode.py", "contextlib.py")  # what stands between a guard and who asked for it
_PACKAGES = ("site-packages", "dist-packages")
_own: dict[str, bool] = {}  # file name: whether it is the user's


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Name a line of the user's code."""

    file: str
    line: int
    function: str


def is_users(name: str) -> bool:
    """Return whether a file is the user's: not torch's, not ours, not an installed package's, not the interpreter's."""
    known = _own.get(name)
    if known is None:
        foreign = name.startswith((_TORCH, _OURS, "<frozen", *_LIBRARY)) or any(part in name for part in _PACKAGES)
        known = _own[name] = not foreign and name != "<string>" and not name.endswith(("/thalweg", "thalweg.exe"))
    return known


def here(skip: int = 1, *, of: object = None) -> Place | None:
    """Return the user's line that is being executed, None where none is on the stack.

    Methods of the object `of`, its `__init__` say, are passed over: the line wanted is the one that makes it.
    """
    frame: FrameType | None = sys._getframe(skip)
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename) and not (of is not None and _is_method(frame, of)):
            return Place(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    return None


def asked_by_user() -> bool:
    """Return whether the function of torch that we were called around was called by a line of the user's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_between(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and is_users(frame.f_code.co_filename)


def chain(skip: int = 1, limit: int = 8) -> tuple[Place, ...]:
    """Return the user's lines on the stack, the innermost first."""
    found: list[Place] = []
    frame: FrameType | None = sys._getframe(skip)
    while frame is not None and len(found) < limit:
        code = frame.f_code
        if is_users(code.co_filename):
            found.append(Place(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(found)


def _is_between(name: str) -> bool:
    return name.startswith(_OURS) or name.endswith(_BETWEEN)


def _is_method(frame: FrameType, of: object) -> bool:
    """Return whether a frame is a method's. Others' variables are not asked for: to ask would keep them alive."""
    return frame.f_code.co_varnames[:1] == ("self",) and frame.f_locals.get("self") is of
