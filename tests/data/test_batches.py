import pytest
import torch

from thalweg.core import UsageError
from thalweg.data import batch_indices, epoch_order


def test_an_epoch_is_a_permutation_of_seed_and_epoch():
    order = epoch_order(50, seed=1, epoch=3)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(50))
    assert torch.equal(order, epoch_order(50, seed=1, epoch=3))
    assert not torch.equal(order, epoch_order(50, seed=1, epoch=4))
    assert not torch.equal(order, epoch_order(50, seed=2, epoch=3))


@pytest.mark.parametrize(("size", "lengths"), [(None, [10]), (1, [1] * 10), (4, [4, 4, 2]), (99, [10])])
def test_full_mini_and_one(size, lengths):
    batches = list(batch_indices(10, size, seed=0, epoch=0))
    assert [len(batch) for batch in batches] == lengths
    assert torch.equal(torch.cat(batches), epoch_order(10, seed=0, epoch=0))


def test_a_batch_holds_something():
    with pytest.raises(UsageError, match="at least 1"):
        list(batch_indices(10, 0, seed=0, epoch=0))
