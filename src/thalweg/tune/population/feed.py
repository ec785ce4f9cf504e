"""The batches of many members: one for all where they share data and order, else one for each.

Axis letters: P members, B batch, N examples.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from thalweg.data import Part, Prepared, epoch_order
from thalweg.train.job import Job


class Feed:
    """Give the examples of one part of the data to members; each has the part of its own run."""

    def __init__(self, jobs: Sequence[Job], part: Callable[[Prepared], Part]) -> None:
        each = [part(job.data) for job in jobs]
        self._parts = list({id(one): one for one in each}.values())
        place = {id(one): k for k, one in enumerate(self._parts)}
        self._size = len(each[0])
        self._offset_P = torch.tensor([place[id(one)] * self._size for one in each])
        self._seeds = [job.recipe.seed for job in jobs]
        self._all: tuple[Tensor, Tensor] | None = None
        self.shares_data = len(self._parts) == 1

    def __len__(self) -> int:
        return self._size

    def pick(self, index: Tensor) -> None:
        """Go on with the members that `index` names."""
        self._offset_P = self._offset_P[index]
        self._seeds = [self._seeds[k] for k in index.tolist()]

    @property
    def shares_order(self) -> bool:
        """Whether all members see the same examples at each step."""
        return self.shares_data and len(set(self._seeds)) == 1

    def order(self, epoch: int) -> Tensor:
        """Return the order of an epoch: (N,) where members share it, else (P, N)."""
        known = {seed: epoch_order(self._size, seed=seed, epoch=epoch) for seed in dict.fromkeys(self._seeds)}
        return known[self._seeds[0]] if self.shares_order else torch.stack([known[seed] for seed in self._seeds])

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the examples that `index` names, (B,) for all members or (P, B); they stay (B, ...) if all share."""
        if self.shares_data:
            return self._parts[0].batch(index)
        if self._all is None:
            whole = [part.batch(torch.arange(self._size)) for part in self._parts]
            self._all = torch.cat([x for x, _ in whole]), torch.cat([y for _, y in whole])
        places = self._offset_P[:, None] + index
        return self._all[0][places], self._all[1][places]
