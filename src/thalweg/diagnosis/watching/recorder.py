"""Writes down every operation of one look. It calls each function as the script does and returns what it returned.

A function mode sees what the script asks of torch; `nn.Module.__call__` is replaced for as long as a look lasts, so that
the steps between cost nothing. Nothing here changes a tensor, draws a random number or sets a hook.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from thalweg.diagnosis.watching.places import here
from thalweg.diagnosis.watching.records import Look, Op, Ref, Value

LONGEST = 4000  # operations of a look, and a tenth of them for an evaluation: what comes after is not written down
_LARGEST = 1 << 26  # bytes of one tensor that is kept
_SILENT = frozenset(
    "dim size stride numel nelement element_size is_contiguous is_floating_point is_complex storage_offset "
    "has_names type __repr__ __format__ __len__ is_nonzero record_stream register_hook retain_grad "
    "register_post_accumulate_grad_hook is_signed get_device data_ptr untyped_storage is_pinned is_inference "
    "_set_grad_enabled _record_function_enter_new __hash__ is_same_size backward manual_seed is_tensor "
    "__dir__ is_storage set_grad_enabled __reduce_ex__ __deepcopy__ is_shared share_memory_ is_sparse".split()
)
_GETTERS = {
    getattr(Tensor, name).__get__: name
    for name in ("data", "T", "mT", "H", "mH", "real", "imag")
    if hasattr(Tensor, name)
}
_PLAIN = (int, float, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size)


class Recorder(TorchFunctionMode):
    """Write down one look; `stop` ends it wherever it stands on the stack of modes."""

    def __init__(self, look: Look, names: Callable[[nn.Module], Any], *, limit: int = LONGEST) -> None:
        super().__init__()
        self.look, self.limit = look, limit
        self.spent = 0.0
        self.paused = 0
        self._called = names
        self._numbers: dict[int, int] = {}
        self.kept: list[Any] = []  # every tensor met, so that no id is used twice
        self._stack: list[nn.Module] = []
        self.thread = threading.get_ident()
        self._call: Any = None

    # -- on and off

    def start(self) -> None:
        self.__enter__()
        self._call = nn.Module.__call__
        recorder, original = self, self._call

        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if recorder.paused or recorder.thread != threading.get_ident():
                return original(module, *args, **kwargs)
            return recorder._module(original, module, args, kwargs)

        nn.Module.__call__ = __call__  # type: ignore[method-assign, assignment]

    def stop(self) -> None:
        nn.Module.__call__ = self._call
        above = []
        while torch._C._len_torch_function_stack():
            mode = torch._C._pop_torch_function_stack()
            if mode is self:
                break
            above.append(mode)
        for mode in reversed(above):
            torch._C._push_on_torch_function_stack(mode)
        self.kept.clear()
        self._numbers.clear()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.paused or self.thread != threading.get_ident():
            return func(*args, **kwargs)
        name = _GETTERS.get(func) or getattr(func, "__name__", type(func).__name__)
        if name in _SILENT or name in ("__get__", "__set__", "__delete__") or name.startswith("_record_function"):
            return func(*args, **kwargs)
        begun = time.perf_counter()
        inputs, said, named = self._read(args, kwargs)
        told = time.perf_counter() - begun
        result = func(*args, **kwargs)
        begun = time.perf_counter()
        mutated = name.endswith("_") and not name.endswith("__") or name in ("__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__")  # fmt: skip
        target = args[0] if mutated and args else kwargs.get("out")
        self._write(
            "function", name, func, (said, named), inputs, result, target if isinstance(target, Tensor) else None
        )
        self.spent += told + time.perf_counter() - begun + 3e-6
        return result

    # -- inside

    def _module(self, original: Any, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begun = time.perf_counter()
        inputs, said, named = self._read(args, kwargs)
        if not self._stack:
            self._called(module)
        place = here(2)
        self._stack.append(module)
        self.spent += time.perf_counter() - begun
        try:
            compiled = hasattr(module, "_orig_mod")
            result = self._aside(original, module, args, kwargs) if compiled else original(module, *args, **kwargs)
        finally:
            self._stack.pop()
        begun = time.perf_counter()
        self._write("module", type(module).__name__, module, (said, named), inputs, result, None, place)
        self.spent += time.perf_counter() - begun
        return result

    def _aside(self, original: Any, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a compiled module without us: what it traces must not hold our functions."""
        patched, nn.Module.__call__ = nn.Module.__call__, original
        torch._C._pop_torch_function_stack()
        try:
            return original(module, *args, **kwargs)
        finally:
            torch._C._push_on_torch_function_stack(self)
            nn.Module.__call__ = patched  # type: ignore[method-assign]

    def number(self, tensor: Tensor) -> int:
        """Return the number of a tensor's present value."""
        number = self._numbers.get(id(tensor))
        return self._enter(tensor, None) if number is None else number

    def _enter(self, tensor: Tensor, maker: int | None) -> int:
        number = len(self.look.values)
        self._numbers[id(tensor)] = number
        self.kept.append(tensor)
        node = tensor.grad_fn
        self.look.values.append(
            Value(
                shape=tuple(tensor.shape),
                dtype=tensor.dtype,
                requires_grad=tensor.requires_grad,
                is_leaf=tensor.is_leaf,
                node=None if node is None else type(node).__name__,
                parameter=tensor if isinstance(tensor, nn.Parameter) else None,
                maker=maker,
            )
        )
        outside = maker is None or not self._stack
        if outside and not isinstance(tensor, nn.Parameter) and tensor.numel() * tensor.element_size() <= _LARGEST:
            self.look.tensors[number] = tensor.detach() if maker is not None else tensor
            self.look.versions[number] = tensor._version
        return number

    def _read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]:
        found: list[int] = []
        self.paused += 1
        try:
            said = tuple(self._said(arg, found) for arg in args)
            named = {key: self._said(arg, found) for key, arg in kwargs.items()}
        finally:
            self.paused -= 1
        return tuple(found), said, named

    def _said(self, value: Any, found: list[int]) -> Any:
        if isinstance(value, Tensor):
            found.append(self.number(value))
            return Ref(found[-1])
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, list | tuple):
            parts = [self._said(part, found) for part in value]
            if isinstance(value, list):
                return parts
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, dict):
            return {key: self._said(part, found) for key, part in value.items()}
        return value

    def _write(
        self, kind: Any, name: str, func: Any, said: Any, inputs: tuple[int, ...], result: Any, target: Tensor | None,
        place: Any = None,
    ) -> None:  # fmt: skip
        if len(self.look.ops) >= self.limit:
            self.look.whole = False
            self.paused += 1  # for good: what comes after is not written down
            return
        self.paused += 1
        try:
            index, outputs = len(self.look.ops), list[int]()
            shown = self._made(result, index, outputs, inputs if target is None else (), kind)
            if target is not None and target is not result:
                outputs.append(self._enter(target, index))
            self.look.ops.append(
                Op(
                    kind, name, func, said[0], said[1], shown, inputs, tuple(outputs), place or here(2),
                    len(self._stack), self._stack[-1] if self._stack else None, torch.is_grad_enabled(),
                    func.training if kind == "module" else None,
                )
            )  # fmt: skip
        finally:
            self.paused -= 1

    def _made(self, value: Any, index: int, outputs: list[int], inputs: tuple[int, ...], kind: str) -> Any:
        """Number what an operation returned; a tensor that came in and goes out as it was keeps its number."""
        if isinstance(value, Tensor):
            known = self._numbers.get(id(value))
            if known is not None and known in inputs:
                outputs.append(known)
            else:
                outputs.append(self._enter(value, index))
                self.look.values[outputs[-1]].within = self._inside(known, kind)
            return Ref(outputs[-1])
        if isinstance(value, list | tuple):
            parts = [self._made(part, index, outputs, inputs, kind) for part in value]
            return parts if isinstance(value, list) else tuple(parts)
        if isinstance(value, dict):
            return {key: self._made(part, index, outputs, inputs, kind) for key, part in value.items()}
        return None

    def _inside(self, known: int | None, kind: str) -> int | None:
        """Return the number that a module's result had inside it; a function's result is new, whatever came in."""
        return known if kind == "module" else None

    def event(self, name: str, tensors: tuple[Tensor, ...] = (), optimizer: Any = None) -> None:
        """Write down that something happened that is no operation."""
        self.paused += 1
        try:
            numbers = tuple(self.number(tensor) for tensor in tensors)
            self.look.ops.append(
                Op("event", name, None, (), {}, None, numbers, (), here(2), len(self._stack), None, True, None, optimizer)
            )  # fmt: skip
        finally:
            self.paused -= 1
