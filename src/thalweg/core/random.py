"""Counter-based randomness: every draw is a function of (seed, stream, step, index), and no generator is ever stored.

Any step of any run can thus be played again alone, and a run that was killed goes on with the same draws. The mixing is
the finaliser of SplitMix64 (Steele, Lea and Flood 2014), on Python integers for keys and on int64 tensors for arrays.
"""

import contextlib
import hashlib
import math
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_MIX1, _MIX2, _STEP = (_signed(value) for value in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, _GOLDEN))


def mix(value: int) -> int:
    """Scramble 64 bits so that neighbouring inputs give unrelated outputs."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key(seed: int, stream: str, *counters: int) -> int:
    """Derive a 63-bit key from a seed, the name of a stream and any counters."""
    state = mix(seed & _MASK) ^ int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest())
    for counter in counters:
        state = mix(mix(state) ^ (counter & _MASK))
    return mix(state) >> 1


def generator(seed: int, stream: str, *counters: int) -> torch.Generator:
    """Return a fresh CPU generator for one purpose; it is used up at once and never stored."""
    return torch.Generator().manual_seed(key(seed, stream, *counters))


def numpy_generator(seed: int, stream: str, *counters: int) -> np.random.Generator:
    """Return a fresh numpy generator for one purpose."""
    return np.random.default_rng(key(seed, stream, *counters))


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Shift int64 right as if it were unsigned."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def uniform(key: Tensor, count: int) -> Tensor:
    """Draw `count` float32 numbers in [0, 1) from an int64 key of shape (); draw i depends on key and i alone.

    Works under vmap (one key a member) and compile; same bits on every device.
    """
    index = torch.arange(count, dtype=torch.int64, device=key.device)
    # Exclusive or, not a sum: torch's compiler writes `index * _STEP` as signed arithmetic on a loop's counter, the
    # C++ compiler concludes from its overflow that the loop is short, and memory is written past the end.
    value = ((key * _STEP) ^ index) * _STEP
    value = (value ^ _shift_right(value, 30)) * _MIX1
    value = (value ^ _shift_right(value, 27)) * _MIX2
    value = value ^ _shift_right(value, 31)
    return _shift_right(value, 40).to(torch.float32) * (1.0 / (1 << 24))


def fold(key: Tensor, counter: int | Tensor) -> Tensor:
    """Derive an int64 key of shape () from another and a counter; works under vmap and compile."""
    value = (key ^ counter) + _STEP
    value = (value ^ _shift_right(value, 30)) * _MIX1
    value = (value ^ _shift_right(value, 27)) * _MIX2
    return value ^ _shift_right(value, 31)


def normal(key: Tensor, count: int) -> Tensor:
    """Draw `count` float32 numbers from N(0, 1) by the method of Box and Muller 1958; as `uniform`, by key and index.

    No draw lies further out than 5.8, the last of 2^24 steps of a uniform number.
    """
    length = torch.sqrt(-2 * torch.log1p(-uniform(fold(key, 1), count)))
    return length * torch.cos(2 * math.pi * uniform(fold(key, 2), count))


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Give the process back as it was: the generators of torch, numpy and Python, and the number of threads."""
    threads, python, arrays = torch.get_num_threads(), random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            random.setstate(python)
            np.random.set_state(arrays)
