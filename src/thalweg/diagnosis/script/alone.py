"""Experiments that stay in one process: replicas do not wait for one another, and nothing is sent."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.diagnosis.watching import Case

_COLLECTIVES = (
    "all_reduce reduce broadcast broadcast_object_list all_gather all_gather_object all_gather_into_tensor gather "
    "gather_object scatter scatter_object_list reduce_scatter reduce_scatter_tensor all_to_all all_to_all_single "
    "barrier monitored_barrier send recv isend irecv batch_isend_irecv"
).split()


class Together(RuntimeError):
    """Say that an operation needs other processes, which are past it."""


@contextlib.contextmanager
def alone(case: "Case", *, grouped: bool) -> Iterator[bool]:
    """Within the block, keep what is run again to this process; yield False where a model lives in several."""
    if not grouped:
        yield True
        return
    from torch.nn.parallel import DistributedDataParallel

    modules = [module for _, module in case.modules()]
    replicas = [module for module in modules if isinstance(module, DistributedDataParallel)]
    flags = [(module, name) for module in replicas for name in _FLAGS]
    put: list[tuple[Any, str, Any]] = [(module, name, getattr(module, name, True)) for module, name in flags]
    for module, name in flags:
        setattr(module, name, False)
    put += _without_collectives()
    try:
        yield not any(_is_shared(module) for module in modules)
    finally:
        for owner, name, value in put:
            setattr(owner, name, value)


_FLAGS = ("require_backward_grad_sync", "require_forward_param_sync")


def _is_shared(module: Any) -> bool:
    """Return whether a module asks other processes whenever it is called."""
    home = type(module).__module__
    shards = any(type(p).__module__.startswith("torch.distributed") for p in module.parameters(recurse=False))
    return home.startswith("torch.distributed") or type(module).__name__ == "SyncBatchNorm" or shards


def _without_collectives() -> list[tuple[Any, str, Any]]:
    import torch.distributed as dist

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Together("an experiment of ours does not wait for other processes")

    put = []
    for owner in (dist, getattr(dist, "distributed_c10d", None)):
        for name in _COLLECTIVES:
            if owner is not None and hasattr(owner, name):
                put.append((owner, name, getattr(owner, name)))
                setattr(owner, name, refuse)
    return put
