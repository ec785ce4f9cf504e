"""Exact statistics for batch norm at test time, by a pass over the training set instead of moving averages."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.core.random import undisturbed
from thalweg.norms.batch_renorm import BatchRenormLayer

BatchLayer = nn.modules.batchnorm._BatchNorm | BatchRenormLayer


@dataclasses.dataclass(slots=True, eq=False)
class _Moments:
    """Add up mean and variance (biased) of pieces of unequal size, in double precision."""

    count: int = 0
    mean: Tensor | float = 0.0
    var: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        """Take in a piece whose features lie on axis 1."""
        values = x if x.dtype in (torch.float32, torch.float64) else x.float()
        var, mean = torch.var_mean(values, [0, *range(2, x.ndim)], correction=0)
        count = x.numel() // x.shape[1]
        self.count += count
        share = count / self.count
        apart = mean.double() - self.mean
        self.mean = self.mean + share * apart
        # The variance of two pieces together is the mean of theirs and that of their means.
        self.var = (1 - share) * self.var + share * var.double() + share * (1 - share) * apart.square()


def has_batch_statistics(module: nn.Module) -> bool:
    """Tell whether a module tests with statistics gathered in training: has a batch norm, ours or torch's."""
    return bool(_layers(module))


def precise_statistics(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the statistics of every batch norm to mean and variance over all examples of these batches of inputs.

    One pass: batch norms normalise by the batch, as they did in training, and the moments of what each one read are
    joined over batches by their counts, E[x²] - E[x]². Everything else is in evaluation: dropout is off, because the
    network whose statistics they are is the one that is tested, and a power iteration stands still. Batches should be
    as large as in training; a single one that holds all examples makes evaluation equal training on it.

    Only the means and variances change: modes, momentum, counters, weights and all generators are as before, also
    after an error. A layer that the pass does not reach keeps what it has. Raises `UsageError` without a batch, or for
    a batch of one example.

    Source: Wu and Johnson 2021, section 3 ("PreciseBN").

    >>> norm = nn.BatchNorm1d(1)
    >>> precise_statistics(norm, [torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])])
    >>> norm.running_mean, norm.running_var
    (tensor([2.]), tensor([3.5000]))
    """
    layers = _layers(module)
    if not layers:
        return
    moments = {name: _Moments() for name in layers}
    count = 0
    with undisturbed(), torch.no_grad(), _only_training(module, layers), _listening(layers, moments):
        for x in batches:
            # On copies, so that counters, moving averages and dropout keys of the module stay as they are.
            state = {name: buffer.clone() for name, buffer in module.named_buffers()}
            for name, layer in layers.items():
                if isinstance(layer, BatchRenormLayer):
                    state[f"{name}.num_batches_tracked".lstrip(".")].zero_()  # then it is batch norm
            torch.func.functional_call(module, state, (x,))
            count += 1
    if count == 0:
        raise UsageError("`precise_statistics(batches=...)` needs one batch of inputs or more, got none.")
    for name, layer in layers.items():
        if moments[name].count:
            _write(layer, moments[name])


def _layers(module: nn.Module) -> dict[str, BatchLayer]:
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, BatchRenormLayer)
        or (isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None)
    }


def _write(layer: BatchLayer, moments: _Moments) -> None:
    mean, var = torch.as_tensor(moments.mean), torch.as_tensor(moments.var)
    with torch.no_grad():
        layer.running_mean.copy_(mean)  # type: ignore[union-attr]  # layers without one were left out
        if isinstance(layer, BatchRenormLayer):
            layer.running_std.copy_((var + layer.spec.eps).sqrt())
        else:
            layer.running_var.copy_(var)  # type: ignore[union-attr]


@contextlib.contextmanager
def _only_training(module: nn.Module, layers: dict[str, BatchLayer]) -> Iterator[None]:
    """Put these layers in training and everything else in evaluation while the block runs."""
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        for layer in layers.values():
            layer.training = True
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextlib.contextmanager
def _listening(layers: dict[str, BatchLayer], moments: dict[str, _Moments]) -> Iterator[None]:
    """Take in what each layer reads while the block runs."""

    def hook(name: str):  # type: ignore[no-untyped-def]
        return lambda layer, args: moments[name].add(args[0])

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
