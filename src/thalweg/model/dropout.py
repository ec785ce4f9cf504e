"""Dropout whose randomness lies in a buffer, not in a generator."""

from typing import Final, Literal

import torch
from torch import Tensor, nn

from thalweg.core import coerce
from thalweg.core.errors import law
from thalweg.core.random import uniform

# Odd, so that the key runs through all 2**64 values before one comes back.
_ADVANCE: Final = 0xD1342543DE82EF95 - (1 << 64)

Scaling = Literal["train", "test"]
"""When the silenced share is made up for: while training (inverted dropout), or at test time, as in the notes."""


class Dropout(nn.Module):
    """Silence a share p of the numbers while training, and scale so that the expectation stays.

    key = key + constant;  kept = uniform(key) >= p
    scaling="train":  y = x * kept / (1 - p) while training,  y = x in evaluation
    scaling="test":   y = x * kept while training,            y = x * (1 - p) in evaluation

    In both, y in evaluation is the mean of y in training over the masks; they are the same network but for a factor
    1 - p, which the weights behind must learn with scaling="test". The slides (001) write p for the factor at test
    time: it is the probability of being kept, the same number at their 0.5 only.

    The key is a persistent int64 buffer of shape (), drawn from torch's generator at construction: `state_dict` carries
    it, a resumed run goes on with the same masks, and under vmap every member has its own. p = 0 does not advance it.
    `share` is a buffer that is None; a caller may put a float64 scalar in p's place through `functional_call`, one for
    each member of a population. It is not looked at: a share outside [0, 1) gives nonsense, NaN at 1.

    Raises `UsageError` if p lies outside [0, 1). Source: Srivastava et al. 2014, section 4 (test), section 10 (train).

    >>> layer = Dropout(0.5).eval()
    >>> layer(torch.ones(3))
    tensor([1., 1., 1.])
    """

    key: Tensor
    share: Tensor | None

    def __init__(self, p: float = 0.5, *, scaling: Scaling = "train") -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise law("Dropout(p=...)", "must lie in [0, 1)", p)
        self.p = p
        self.scaling: Scaling = coerce(Scaling, scaling, "Dropout(scaling=...)")
        self.register_buffer("key", torch.randint(1 << 62, ()))
        self.register_buffer("share", None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training and self.scaling == "train":
            return x
        share = self.share
        if share is None and self.p == 0:
            return x
        # In float64, as Python reckons with p, so that p and share give the same bits.
        keep = 1 - self.p if share is None else 1 - share.double()
        if not self.training:
            return x * _in_the_precision_of(x, keep)
        self.key.add_(_ADVANCE)
        kept = uniform(self.key, x.numel()).view_as(x) >= (self.p if share is None else share.float())
        if self.scaling == "test":
            return x * kept
        return x * kept.to(x.dtype).mul(_in_the_precision_of(x, 1 / keep))

    def extra_repr(self) -> str:
        return f"p={self.p}" if self.scaling == "train" else f"p={self.p}, scaling={self.scaling!r}"


def _in_the_precision_of(x: Tensor, factor: float | Tensor) -> float | Tensor:
    return factor.to(x.dtype) if isinstance(factor, Tensor) else factor
