"""The few types that everything speaks in; read this first.

Axis letters: P members, B batch, D inputs, H hidden, K classes, N examples, L positions of a sequence.
"""

from collections.abc import Mapping
from typing import TypeAlias

from torch import Tensor

Params: TypeAlias = dict[str, Tensor]
"""Named tensors of one network. A small network may lie in one flat tensor under the name "flat"."""
Hyper: TypeAlias = Mapping[str, float | Tensor]
"""Hyperparameters by name, one scalar each: a number in a single run, a tensor under vmap or compile."""
