"""A fitted estimator as one safetensors file: parameters and counts as JSON, weights, the preparation's file.

Names in the file: weights.<name>, memory.<slot>.<name>, preparation (bytes).
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.core import Component, RunError, ThalwegError, UsageError, from_plain, to_plain
from thalweg.core.types import Params
from thalweg.data import Preparation, read_sealed, write_sealed
from thalweg.estimators.learning import Learned
from thalweg.model import Built, build_seeded
from thalweg.train import FAMILIES, weights_of

_COUNTS = ("n_iter_", "loss_curve_", "validation_scores_", "n_features_in_", "seed_", "threads_")
_LEARNED = ("model", "loss", "rule", "seed", "batch_size", "windows", "bf16", "step")


def write_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted estimator. Raises `UsageError` for a parameter that a file cannot hold."""
    learned: Learned = estimator._learned
    record = {
        "params": {name: _plain(name, value) for name, value in estimator.get_params(deep=False).items()},
        "counts": {name: getattr(estimator, name) for name in _COUNTS if hasattr(estimator, name)},
        "example_shape": list(estimator.example_shape_),
        "learned": {name: _plain(name, getattr(learned, name)) for name in _LEARNED},
    }
    for name in ("classes_", "feature_names_in_"):
        if hasattr(estimator, name):
            record[name] = _plain_array(getattr(estimator, name))
    tensors = {f"weights.{name}": tensor for name, tensor in weights_of(estimator.module_).items()}
    for slot, content in learned.memory.items():
        tensors |= {f"memory.{slot}.{name}": tensor for name, tensor in content.items()}
    tensors["preparation"] = _bytes_of(estimator.preparation_)
    write_sealed(path, _kind(estimator), record=record, tensors=tensors)


def read_estimator(estimator: Any, path: Path) -> None:
    """Fill a new estimator with what was written. Raises `RunError` for a damaged or foreign file."""
    record, tensors = read_sealed(path, _kind(estimator))
    try:
        params = {name: _component(name, value) for name, value in record["params"].items()}
        estimator.set_params(**params)
        known = {name: _component(name, value) for name, value in record["learned"].items()}
        estimator.preparation_ = preparation = _preparation(tensors["preparation"])
        estimator._learned = Learned(**known, memory=_memory(tensors))
        module = build_seeded(known["model"], preparation.input_shape, preparation.num_outputs, seed=0)
        estimator.module_ = _filled(module, tensors)
        for name, value in record["counts"].items():
            setattr(estimator, name, value)
        for name in ("classes_", "feature_names_in_"):
            if name in record:
                setattr(estimator, name, np.array(record[name]["values"], dtype=record[name]["dtype"]))
        estimator.example_shape_ = tuple(record["example_shape"])
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, ThalwegError) as error:
        reason = f"lacks a part of what it should hold ({error})"
        raise RunError(f"{path} {reason}; restore it from a copy.") from error


def _kind(estimator: Any) -> str:
    return type(estimator).__name__.lower()


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, nn.Module | Built):
        cure = 'name its factory with Module(factory="package.module:Factory")'
        raise UsageError(f"`save` cannot write a module that was given as an object ({name}=...); {cure}.")
    if isinstance(value, np.random.RandomState):
        raise UsageError(f"`save` cannot write a RandomState ({name}=...); set {name} to a whole number.")
    if isinstance(value, np.generic):
        return value.item()
    return to_plain(value) if isinstance(value, Component) else value


def _component(name: str, value: Any) -> Any:
    return from_plain(FAMILIES[name], value, name) if isinstance(value, dict) else value


def _plain_array(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "values": array.tolist()}


def _bytes_of(preparation: Preparation) -> Tensor:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "preparation"
        preparation.save(place)
        return torch.frombuffer(bytearray(place.read_bytes()), dtype=torch.uint8)


def _preparation(content: Tensor) -> Preparation:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "preparation"
        place.write_bytes(content.numpy().tobytes())
        return Preparation.load(place)


def _memory(tensors: Params) -> dict[str, Params]:
    memory: dict[str, Params] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group == "memory":
            slot, _, weight = rest.partition(".")
            memory.setdefault(slot, {})[weight] = tensor
    return memory


def _filled(module: nn.Module, tensors: Params) -> nn.Module:
    with torch.no_grad():
        for name, tensor in weights_of(module).items():
            tensor.copy_(tensors[f"weights.{name}"])
    return module.eval()
