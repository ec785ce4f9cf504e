"""Writes down every operation of one look. It calls each function as the script does and returns what it returned.

A function mode sees what the script asks of torch; `nn.Module.__call__` is replaced for as long as a look lasts, so
that the steps between cost nothing. Nothing here changes a tensor, draws a random number or sets a hook.
"""

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from thalweg.diagnosis.watching.places import Place, here
from thalweg.diagnosis.watching.records import Look, Op, Ref, Value

LONGEST = 4000  # operations of a look, and a tenth of them for an evaluation: what comes after is not written down
_LARGEST = 1 << 26  # bytes of one tensor that is kept
_ROOM = 1 << 27  # bytes of values that a look keeps beside its data
_SILENT = frozenset(
    "dim size stride numel nelement element_size is_contiguous is_floating_point is_complex storage_offset "
    "has_names type __repr__ __format__ __len__ is_nonzero record_stream register_hook retain_grad "
    "register_post_accumulate_grad_hook is_signed get_device data_ptr untyped_storage is_pinned is_inference "
    "_set_grad_enabled _record_function_enter_new __hash__ is_same_size backward manual_seed is_tensor "
    "__dir__ is_storage set_grad_enabled __reduce_ex__ __deepcopy__ is_shared share_memory_ is_sparse "
    "__get__ __set__ __delete__".split()
)
CHANGING = ("__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__")  # and all that end with "_"
_GETTERS = {
    getattr(Tensor, name).__get__: name
    for name in ("data", "T", "mT", "H", "mH", "real", "imag")
    if hasattr(Tensor, name)
}
_PLAIN = (int, float, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_TWO_WAYS = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)  # another way while a mode is on

Said = tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]  # numbers, arguments, named arguments


class Recorder(TorchFunctionMode):
    """Write down one look; `stop` ends it wherever it stands on the stack of modes.

    What goes wrong here is handed to `faulty` and ends the writing, not the script. With `strong` every tensor met
    stays in `kept`, at the place of its number.
    """

    def __init__(
        self, look: Look, called: Callable[[nn.Module], Any], faulty: Callable[[Exception], None], *,
        limit: int = LONGEST, strong: bool = False,
    ) -> None:  # fmt: skip
        TorchFunctionMode.__init__(self)
        self.look, self.limit = look, limit
        self.spent = 0.0
        self.paused = 0
        self.stopped = False
        self.kept: list[Tensor] = []
        self._strong = strong
        self._called, self._faulty = called, faulty
        self._numbers: dict[int, int] = {}  # id of a tensor that is alive: number of its value
        self._versions: dict[int, int] = {}
        self._alive: dict[int, weakref.ref[Tensor]] = {}
        self._room = _ROOM
        self._stack: list[nn.Module | None] = []  # the calls around: None for one outside any module that is no module
        self.thread, self._process = threading.get_ident(), os.getpid()
        self._call: Any = None
        self._put: Any = None

    # -- on and off

    def start(self) -> None:
        """Begin to write."""
        self.__enter__()
        self._call = original = nn.Module.__call__
        recorder = self

        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return original(module, *args, **kwargs) if recorder.idle else recorder._module(module, args, kwargs)

        self._put = __call__
        nn.Module.__call__ = __call__  # type: ignore[method-assign]

    def stop(self) -> None:
        """End it. What torch holds of us while it calls us is taken away by the next `sweep`."""
        self.stopped = True
        if nn.Module.__call__ is self._put:
            nn.Module.__call__ = self._call  # type: ignore[method-assign]
        sweep()
        for memory in (self.kept, self._numbers, self._versions, self._alive):
            memory.clear()

    @property
    def idle(self) -> bool:
        """Return whether what happens now is not to be written down."""
        return bool(self.paused) or self.stopped or self.thread != threading.get_ident() or self._process != os.getpid()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Write nothing for a while."""
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    # -- what happens

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.idle:
            return func(*args, **kwargs)
        name = _GETTERS.get(func) or getattr(func, "__name__", None) or type(func).__name__
        if name in _SILENT or name.startswith("_record_function"):
            return func(*args, **kwargs)
        said = self._safely(self._read, args, kwargs)
        result = func(*args, **kwargs)
        changing = (name.endswith("_") and not name.endswith("__")) or name in CHANGING
        target = args[0] if changing and args else kwargs.get("out")
        op = Op("function", name, func, (), {}, None, (), (), None, 0, None, False)
        self._safely(self._write, op, said, result, target if isinstance(target, Tensor) else None)
        return result

    def apply(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an autograd function of the script's; what it does inside is not what its gradient is taken of."""
        if self.idle:
            return func(*args, **kwargs)
        said = self._safely(self._read, args, kwargs)
        self._stack.append(self._stack[-1] if self._stack else None)
        try:
            result = func(*args, **kwargs)
        finally:
            self._stack.pop()
        op = Op("function", "apply", func, (), {}, None, (), (), None, 0, None, False)
        self._safely(self._write, op, said, result, None)
        return result

    def _module(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        said = self._safely(self._read, args, kwargs)
        place = self._safely(self._enter_module, module)
        self._stack.append(module)
        try:
            with self._aside() if _is_changed_by_modes(module) else contextlib.nullcontext():
                result = self._call(module, *args, **kwargs)
        finally:
            self._stack.pop()
        op = Op("module", type(module).__name__, module, (), {}, None, (), (), place, 0, None, False, module.training)
        self._safely(self._write, op, said, result, None)
        return result

    def event(self, name: str, tensors: tuple[Tensor, ...] = (), optimizer: Any = None) -> None:
        """Write down that something happened that is no operation."""
        with self.resting():
            numbers = tuple(self.number(tensor) for tensor in tensors)
            depth = len(self._stack)
            op = Op("event", name, None, (), {}, None, numbers, (), here(2), depth, None, True, None, optimizer)
            self.look.ops.append(op)

    def _enter_module(self, module: nn.Module) -> Place | None:
        if all(around is None for around in self._stack):
            self._called(module)
        return here(2)

    def _safely(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do our own work unseen; where it fails the writing ends, for a look with a hole is none."""
        if self.idle:
            return None
        begun = time.perf_counter()
        with self.resting():
            try:
                with torch._C.DisableTorchFunction():
                    return work(*args)
            except Exception as error:
                self._faulty(error)
                self._give_up()
                return None
            finally:
                self.spent += time.perf_counter() - begun + 1e-6

    def _give_up(self) -> None:
        self.look.whole = False
        self.paused += 1  # for good: what comes after is not written down
        for memory in (self.kept, self._numbers, self._versions, self._alive):
            memory.clear()

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """Get out of the way of a module that asks whether a mode is on, or that must not trace our functions."""
        modes, call = _lifted(self), nn.Module.__call__
        nn.Module.__call__ = self._call  # type: ignore[method-assign]
        try:
            yield
        finally:
            if not self.stopped:
                nn.Module.__call__ = call  # type: ignore[method-assign]
                if modes is not None:
                    above = [torch._C._pop_torch_function_stack() for _ in range(modes)]
                    for mode in (self, *reversed(above)):
                        torch._C._push_on_torch_function_stack(mode)

    # -- numbers

    def number(self, tensor: Tensor) -> int:
        """Return the number of a tensor's present value."""
        number = self._numbers.get(id(tensor))
        if number is None or not self._is_same(tensor, number):
            return self._enter(tensor, None)
        return number

    def _is_same(self, tensor: Tensor, number: int) -> bool:
        """Return whether a value is as it was: not changed through another name, nor put under another function."""
        value = self.look.values[number]
        if value.parameter is not None:
            return True
        return self._versions[id(tensor)] == _version(tensor) and value.requires_grad == tensor.requires_grad

    def _enter(self, tensor: Tensor, maker: int | None) -> int:
        number, key, version = len(self.look.values), id(tensor), _version(tensor)
        self._numbers[key], self._versions[key] = number, version
        if self._strong:
            self.kept.append(tensor)
        else:
            self._alive[key] = weakref.ref(tensor, lambda _: self._numbers.pop(key, None))
        is_leaf, node = _origin(tensor, version)
        parameter = tensor if isinstance(tensor, nn.Parameter) else None
        lazy = is_lazy(tensor)
        if lazy:
            del self._numbers[key]  # it is another one once it has a shape
        shape = () if lazy else tuple(tensor.shape)
        self.look.values.append(Value(shape, tensor.dtype, tensor.requires_grad, is_leaf, node, parameter, maker))
        outside = maker is None or not self._stack
        if outside and parameter is None and not lazy:
            self._keep(tensor, number, version, made=maker is not None, leaf=is_leaf)
        return number

    def _keep(self, tensor: Tensor, number: int, version: int, *, made: bool, leaf: bool) -> None:
        size = tensor.numel() * tensor.element_size()
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return  # it means nothing outside its transformation
        if size > _LARGEST or (made and size > self._room):
            return
        if made:
            self._room -= size
        own = leaf and (tensor.requires_grad or not made)  # weights, and data that is to be known again
        self.look.tensors[number] = tensor if own else tensor.detach()
        self.look.versions[number] = version

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Said:
        found: list[int] = []
        said = tuple(self._said(arg, found) for arg in args)
        named = {key: self._said(arg, found) for key, arg in kwargs.items()}
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

    def _write(self, op: Op, said: Said, result: Any, target: Tensor | None) -> None:
        if len(self.look.ops) >= self.limit:
            self._give_up()
            return
        index, outputs = len(self.look.ops), list[int]()
        op.inputs, op.args, op.kwargs = said
        op.result = self._made(result, index, outputs, op, target)
        if target is not None and target is not result:
            outputs.append(self._enter(target, index))
        op.outputs, op.place = tuple(outputs), op.place or here(2)
        op.depth, op.module = len(self._stack), self._stack[-1] if self._stack else None
        op.grad = torch.is_grad_enabled()
        self.look.ops.append(op)

    def _made(self, value: Any, index: int, outputs: list[int], op: Op, target: Tensor | None) -> Any:
        """Number what an operation returned; a tensor that came in and goes out as it was keeps its number."""
        if isinstance(value, Tensor):
            known = self._numbers.get(id(value))
            if known is not None and known in op.inputs and target is None and self._is_same(value, known):
                outputs.append(known)
            else:
                outputs.append(self._enter(value, index))
                inside = op.kind == "module" or op.name == "apply"
                self.look.values[outputs[-1]].within = known if inside else None
            return Ref(outputs[-1])
        if isinstance(value, list | tuple):
            parts = [self._made(part, index, outputs, op, target) for part in value]
            return parts if isinstance(value, list) else tuple(parts)
        if isinstance(value, dict):
            return {key: self._made(part, index, outputs, op, target) for key, part in value.items()}
        return None


def sweep() -> None:
    """Take recorders that have stopped off the stack of modes."""
    modes = [torch._C._pop_torch_function_stack() for _ in range(torch._C._len_torch_function_stack())]
    for mode in reversed(modes):
        if not (isinstance(mode, Recorder) and mode.stopped):
            torch._C._push_on_torch_function_stack(mode)


def _lifted(recorder: Recorder) -> int | None:
    """Take a recorder off the stack of modes and return how many stand above it; None where it was not there."""
    modes = [torch._C._pop_torch_function_stack() for _ in range(torch._C._len_torch_function_stack())]
    place = next((k for k, mode in enumerate(modes) if mode is recorder), None)
    for mode in reversed(modes):
        if mode is not recorder:
            torch._C._push_on_torch_function_stack(mode)
    return place


def _is_changed_by_modes(module: nn.Module) -> bool:
    """Return whether a module does something else while a mode is on: compiled ones, and attention at an evaluation."""
    if "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None:
        return True
    if not isinstance(module, _TWO_WAYS) or all(inner.training for inner in module.modules()):
        return False
    return not (torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters()))


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else int(tensor._version)


def _origin(tensor: Tensor, version: int) -> tuple[bool, str | None]:
    """Return whether a tensor is a leaf, and the name of its autograd function.

    Of a view that was changed in place torch makes the function when it is asked for, which would be too early here.
    """
    if version and tensor.requires_grad and tensor._is_view():
        base = tensor._base
        is_leaf = base is None or not base.requires_grad
        return is_leaf, None if is_leaf else "CopySlices"
    node = tensor.grad_fn
    return tensor.is_leaf, None if node is None else type(node).__name__
