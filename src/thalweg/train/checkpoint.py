"""Stopping and going on, bit for bit: the whole state in one safetensors file, replaced as a whole.

Names in the file: weights.<name>, memory.<slot>.<name>, best.<name>; the counts stand as JSON in its metadata. Batches,
dropout and every other draw are functions of seed and step (core/random.py), so no generator needs to be stored.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from thalweg.core import RunError, write_atomically
from thalweg.core.types import Params
from thalweg.train.state import State
from thalweg.train.stopping import Best

SCHEMA = 1


def save(state: State, path: Path, facts: dict[str, Any] | None = None) -> None:
    """Write the state, and facts to keep beside it."""
    tensors: Params = {f"weights.{name}": tensor for name, tensor in state.weights().items()}
    for slot, content in state.named_memory().items():
        tensors |= {f"memory.{slot}.{name}": tensor for name, tensor in content.items()}
    if state.best_weights is not None:
        tensors |= {f"best.{name}": tensor for name, tensor in state.best_weights.items()}
    counts = {
        "schema": SCHEMA,
        "step": state.step,
        "best": dataclasses.asdict(state.best),
        "seen": state.seen,
        "facts": facts or {},
    }
    own = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(own, metadata={"thalweg": json.dumps(counts)}))


def read(path: Path) -> tuple[dict[str, Any], Params]:
    """Return the counts and the tensors of a checkpoint. Raises `RunError` if it is damaged or not ours."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
        counts = json.loads(metadata["thalweg"])
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; the run was stopped before its first checkpoint.") from None
    except KeyError:
        raise RunError(f"{path} is no checkpoint of thalweg: its metadata names none.") from None
    except (safetensors.SafetensorError, json.JSONDecodeError, OSError, ValueError) as error:
        raise RunError(f"{path} is damaged or no checkpoint ({error}).") from None
    if counts.get("schema") != SCHEMA:
        raise RunError(f"{path} has checkpoint schema {counts.get('schema')}, this version of thalweg reads {SCHEMA}.")
    return counts, tensors


def load(state: State, path: Path) -> dict[str, Any]:
    """Bring a state to where `save` left it; return the facts. The state must belong to the same model and rule."""
    counts, tensors = read(path)
    groups: dict[str, Params] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    _must_fit(path, state.weights(), groups.get("weights", {}))
    fresh = state.named_memory()
    memory: dict[str, Params] = {slot: {} for slot in fresh}
    for name, tensor in groups.get("memory", {}).items():
        slot, _, rest = name.partition(".")
        memory.setdefault(slot, {})[rest] = tensor
    if set(memory) != set(fresh) or any(set(content) != set(fresh[slot]) for slot, content in memory.items()):
        raise RunError(
            f"{path} was written with another rule: it remembers {sorted(memory)}, not {sorted(state.memory)}."
        )
    state.put_weights(groups["weights"])
    state.put_memory(memory)
    if "best" in groups:
        _must_fit(path, state.weights(), groups["best"])
        state.best_weights = {name: groups["best"][name].to(tensor) for name, tensor in state.weights().items()}
    state.step, state.best = counts["step"], Best(**counts["best"])
    state.seen = {name: [(step, value) for step, value in pairs] for name, pairs in counts.get("seen", {}).items()}
    facts: dict[str, Any] = counts["facts"]
    return facts


def final_weights(path: Path) -> Params:
    """Return the weights a checkpoint is to be used with: the best if it has them, else the present ones."""
    _, tensors = read(path)
    group = "best." if any(name.startswith("best.") for name in tensors) else "weights."
    return {name.removeprefix(group): tensor for name, tensor in tensors.items() if name.startswith(group)}


def _must_fit(path: Path, wanted: Params, found: Params) -> None:
    if missing := sorted(set(wanted) ^ set(found)):
        raise RunError(f"{path} belongs to another model: {missing[0]!r} is in only one of the two.")
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)} in the file, {tuple(tensor.shape)} in the model"
            raise RunError(f"{path} belongs to another model: {name!r} has shape {shapes}.")
