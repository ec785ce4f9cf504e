"""Starting from another network's weights: what fits is taken over, what does not is named."""

import dataclasses
import fnmatch
import json
from pathlib import Path
from typing import ClassVar, Literal, final

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from thalweg.core import Component, Message, RunError, UsageError, law, message
from thalweg.core.types import Params
from thalweg.model import Dropout
from thalweg.optim.roles import layer_of, roles
from thalweg.train.state import weights_of


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Transfer(Component):
    """Start from the weights in `source`: a run's folder, a checkpoint of one, or any file.safetensors.

    Parameters and buffers are taken over by name. A layer that fits a pattern in `restart` starts afresh; so does the
    head with head="new". A parameter whose shape does not fit is refused, unless one of these says that it starts
    afresh. What the file has beyond the network is left out, and said.

    Source: Yosinski et al. 2014.
    """

    name: ClassVar[str] = "transfer"
    source: str
    head: Literal["keep", "new"] = "keep"
    restart: tuple[str, ...] = ()

    def check(self) -> None:
        if not self.source:
            raise law("Transfer(source=...)", "must name a run or a file.safetensors", self.source)


def take_over(module: nn.Module, transfer: Transfer, *, num_outputs: int | None = None) -> Message:
    """Give a module the weights of another; return what was taken over, in a sentence.

    Raises `UsageError` where a shape does not fit or nothing has the same name, `RunError` for a file that is no
    safetensors.
    """
    found = read_weights(Path(transfer.source))
    own = _own(module)
    afresh = _afresh(module, transfer, num_outputs)
    wrong = [n for n in own if n in found and n not in afresh and own[n].shape != found[n].shape]
    if wrong:
        shapes = f"{tuple(found[wrong[0]].shape)} in {transfer.source}, {tuple(own[wrong[0]].shape)} here"
        layer = wrong[0].rpartition(".")[0] or wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageError(
            f"`{wrong[0]}`{more} does not fit: {shapes}. "
            f"Start it afresh with --restart {layer}, or --new-head for the head."
        )
    taken = [name for name in own if name in found and name not in afresh]
    if not taken and any(name in found for name in own):
        raise UsageError(f"All that {transfer.source} has of this network is to start afresh; leave --from out.")
    if not taken:
        cure = f"It has {', '.join(sorted(found)[:4])} ...; the network has {', '.join(sorted(own)[:4])} ..."
        raise UsageError(f"No parameter of {transfer.source} has a name that the network knows. {cure}")
    with torch.no_grad():
        for name in taken:
            own[name].copy_(found[name])
    new = [name for name in own if name not in taken]
    return message(
        "train.transferred", source=transfer.source, taken=len(taken), new=len(new), left=len(set(found) - set(taken)),
        names=", ".join(new[:6]) + (" ..." if len(new) > 6 else "") or "-",
    )  # fmt: skip


def read_weights(path: Path) -> Params:
    """Return the weights of a run's folder, of a checkpoint (the best where it has them), or of a safetensors file."""
    if path.is_dir():
        path = path / "checkpoints" / "last.safetensors"
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            ours = "thalweg" in (file.metadata() or {})
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; name a run's folder or a file.safetensors.") from None
    except (safetensors.SafetensorError, json.JSONDecodeError, OSError, ValueError) as error:
        raise RunError(f"{path} is no safetensors file ({error}).") from None
    if not ours:
        return tensors
    group = "best." if any(name.startswith("best.") for name in tensors) else "weights."
    return {name.removeprefix(group): tensor for name, tensor in tensors.items() if name.startswith(group)}


def _afresh(module: nn.Module, transfer: Transfer, num_outputs: int | None) -> set[str]:
    """Return the names that are to start afresh."""
    own = _own(module)
    found: set[str] = set()
    for pattern in transfer.restart:
        fitting = {n for n in own if fnmatch.fnmatchcase(n, pattern) or n.startswith(f"{pattern.rstrip('.')}.")}
        if not fitting:
            layers = sorted({name.rpartition(".")[0] or name for name in own})
            raise law("Transfer(restart=...)", f"must name layers among {', '.join(layers[:20])}", pattern)
        found |= fitting
    if transfer.head == "new":
        head = next((name for name, role in roles(module, num_outputs).items() if role == "head"), None)
        if head is None:
            raise UsageError(
                "`--new-head` needs a network whose last dense layer gives the outputs; use --restart LAYER."
            )
        found |= {name for name in own if layer_of(name) == layer_of(head)}
    return found


def _own(module: nn.Module) -> Params:
    """Return what can be taken over: not the keys of dropout, whose draws belong to the new run's seed."""
    keys = {f"{name}.key".lstrip(".") for name, layer in module.named_modules() if isinstance(layer, Dropout)}
    return {name: tensor for name, tensor in weights_of(module).items() if name not in keys}
