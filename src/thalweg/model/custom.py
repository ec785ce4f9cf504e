"""Networks of the user's own: named by where they are imported from, or given as an object."""

import copy
import dataclasses
import importlib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, final

from torch import nn

from thalweg.core import UnknownName, UsageError
from thalweg.core.errors import law
from thalweg.model.base import Model, Shape


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Module(Model):
    """Call a factory of the user's own, "package.module:Factory", and take the nn.Module that it returns.

    A class or function works; it is given `input_shape` and `num_outputs` if it has parameters of these
    names. Draws from torch's generator are seeded, other randomness of the factory is its own affair.

    Raises `UsageError` if the module or the name does not exist, or something else than an nn.Module comes
    back.
    """

    name: ClassVar[str] = "module"
    traceable: ClassVar[bool] = False
    factory: str

    def check(self) -> None:
        module, _, attribute = self.factory.partition(":")
        if not module or not attribute:
            raise law("Module(factory=...)", "must read package.module:Factory", self.factory)

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        factory = _import(self.factory)
        built = factory(**_arguments(factory, self.factory, input_shape, num_outputs))
        if not isinstance(built, nn.Module):
            kind = type(built).__name__
            raise UsageError(f"`{self.factory}` must return an nn.Module, got a {kind}. Add the missing return.")
        return built


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Built(Model):
    """Take a copy of an nn.Module that was made in Python, with the weights it has.

    The seed does not change these weights, and the user's own object stays as it is. A recipe in a file
    cannot hold an object: there, name its factory with `Module(factory="package.module:Factory")`.
    """

    name: ClassVar[str] = "built"
    traceable: ClassVar[bool] = False
    module: nn.Module

    def check(self) -> None:
        if not isinstance(self.module, nn.Module):
            cure = "Give an object, not its class." if isinstance(self.module, type) else ""
            raise law("Built(module=...)", "must be an nn.Module", self.module, cure)

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        return copy.deepcopy(self.module)


def _import(path: str) -> Callable[..., Any]:
    module_name, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        cure = "Start in the folder that holds it, or add that folder to PYTHONPATH."
        raise law("Module(factory=...)", f"must name a module, and there is no {error.name!r}", path, cure) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UnknownName(f"factory in {module_name}", part, [name for name in dir(found) if name[0] != "_"])
        found = getattr(found, part)
    if not callable(found) or isinstance(found, nn.Module):
        cure = "Give an object in Python with Built(module=...)."
        raise law("Module(factory=...)", "must name a class or a function", path, cure)
    return found  # type: ignore[no-any-return]  # callable, as was just seen


def _arguments(factory: Callable[..., Any], path: str, input_shape: Shape, num_outputs: int) -> dict[str, Any]:
    known = {"input_shape": input_shape, "num_outputs": num_outputs}
    parameters = inspect.signature(factory).parameters
    for name, parameter in parameters.items():
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if not optional and name not in known:
            cure = "Give it a default, or wrap the factory in a function without it."
            raise UsageError(f"`{path}` may need input_shape and num_outputs only, but needs {name!r}. {cure}")
    return {name: value for name, value in known.items() if name in parameters}
