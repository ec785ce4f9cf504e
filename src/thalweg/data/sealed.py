"""One safetensors file of tensors and a JSON record: whole or not there; reading it runs nothing in it."""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from thalweg.core import RunError, write_atomically

SCHEMA = 1
_KEY = "thalweg"


def write_sealed(path: Path, kind: str, *, record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write tensors and record as one file."""
    text = json.dumps({"written_as": kind, "schema": SCHEMA, **record}, ensure_ascii=False, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(plain, metadata={_KEY: text}))


def read_sealed(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_sealed` wrote. Raises `RunError` if it is missing, damaged, foreign or newer."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        record = json.loads(metadata.get(_KEY, "null"))
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; was it moved or never written?") from None
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path} is damaged or is no safetensors file ({reason}); restore it from a copy.") from error
    if not isinstance(record, dict) or record.get("written_as") != kind:
        raise RunError(f"{path} was not written by thalweg as a {kind}; give the file of a thalweg run.")
    if record.get("schema") != SCHEMA:
        raise RunError(f"{path} has schema {record.get('schema')}, this version reads {SCHEMA}; update thalweg.")
    return record, tensors
