"""Parts: the training, validation or test examples of a run. A batch is a selection by index.

`index` may have any shape: (B,) for one network, (P, B) for a population; batches take that shape in front.
Axis letters: B batch, P members, N examples, L positions, T targets.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from thalweg.data.tokens import num_windows

Device = torch.device | str


class Part(ABC):
    """Hold the examples of one part of a split.

    Classification gives targets (N,) int64, regression (N, T) float32, in units of the training deviation.
    """

    __slots__ = ()
    inputs: Any
    targets: Tensor
    rows: np.ndarray
    resident: bool

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    @abstractmethod
    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of the examples that `index` names."""

    @abstractmethod
    def to(self, device: Device) -> Self:
        """Return the same part with its batches on another device."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ResidentPart(Part):
    """Keep all examples as tensors on one device."""

    inputs: Tensor
    targets: Tensor
    rows: np.ndarray
    resident: bool = True

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        index = index.to(self.inputs.device)
        return self.inputs[index], self.targets[index]

    def to(self, device: Device) -> "ResidentPart":
        return dataclasses.replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MappedPart(Part):
    """Leave the inputs in their file; each batch is read, scaled and moved when it is asked for."""

    inputs: np.ndarray  # of the whole file, not of this part
    scale: Callable[[np.ndarray], Tensor]
    targets: Tensor
    rows: np.ndarray
    device: Device = "cpu"
    resident: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        where = index.cpu().numpy()
        # Rising offsets let the disk read forwards; the batch is put back in the order that was asked for.
        rows, place = np.unique(self.rows[where.ravel()], return_inverse=True)
        x = self.scale(self.inputs[rows])[torch.from_numpy(place.reshape(where.shape))]
        return x.to(self.device), self.targets[index.to(self.targets.device)]

    def to(self, device: Device) -> "MappedPart":
        return dataclasses.replace(self, device=device, targets=self.targets.to(device))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WindowPart(Part):
    """Give windows of a stream: example i starts at token i * stride, its targets are one token further."""

    inputs: Tensor  # (N,) int64, the stream
    targets: Tensor  # the stream once more
    rows: np.ndarray
    window: int
    stride: int
    resident: bool = True

    def __len__(self) -> int:
        return num_windows(len(self.inputs), window=self.window, stride=self.stride)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        index = index.to(self.inputs.device)
        place = index[..., None] * self.stride + torch.arange(self.window, device=index.device)
        return self.inputs[place], self.inputs[place + 1]

    def to(self, device: Device) -> "WindowPart":
        moved = self.inputs.to(device)
        return dataclasses.replace(self, inputs=moved, targets=moved)
