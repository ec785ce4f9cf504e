"""Dropout whose randomness lies in a buffer, not in a generator."""

from typing import Final

import torch
from torch import Tensor, nn

from thalweg.core.errors import law
from thalweg.core.random import uniform

# Odd, so that the key runs through all 2**64 values before one comes back.
_ADVANCE: Final = 0xD1342543DE82EF95 - (1 << 64)


class Dropout(nn.Module):
    """Silence a share p of the numbers while training, and scale the others so that the expectation stays.

    key = key + constant;  y = x * (uniform(key) >= p) / (1 - p)

    The key is a persistent int64 buffer of shape (), drawn from torch's generator at construction:
    `state_dict` carries it, a resumed run goes on with the same masks, and under vmap every member has its
    own. Evaluation is the identity, and so is p = 0, which does not advance the key either.

    Raises `UsageError` if p lies outside [0, 1). Source: Srivastava et al. 2014, section 10 (inverted
    scaling).

    >>> layer = Dropout(0.5).eval()
    >>> layer(torch.ones(3))
    tensor([1., 1., 1.])
    """

    key: Tensor

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise law("Dropout(p=...)", "must lie in [0, 1)", p)
        self.p = p
        self.register_buffer("key", torch.randint(1 << 62, ()))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        self.key.add_(_ADVANCE)
        kept = uniform(self.key, x.numel()).view_as(x) >= self.p
        return x * kept.to(x.dtype).mul(1 / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}"
