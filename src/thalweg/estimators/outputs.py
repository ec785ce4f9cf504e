"""What a trained network says about new examples, the same however they are cut into calls."""

import torch
from torch import Tensor, nn

from thalweg.train import CHUNK, FLAT_LIMIT, predict, weights_of


def exact_outputs(module: nn.Module, inputs: Tensor, *, traceable: bool) -> Tensor:
    """Return the outputs (N, K) as float64.

    A product of float32 matrices has other last digits for one row than for twenty. Small networks of ours on
    the CPU are therefore evaluated in float64, where that is far below what anyone looks at; others are not.
    """
    values = weights_of(module)
    small = sum(tensor.numel() for tensor in values.values()) <= FLAT_LIMIT
    if not (traceable and small and all(tensor.device.type == "cpu" for tensor in values.values())):
        return predict(module, inputs).to(torch.float64)
    values = {name: t.to(torch.float64) if t.is_floating_point() else t for name, t in values.items()}
    module.eval()
    with torch.inference_mode():
        chunks = inputs.to(torch.float64).split(CHUNK)
        return torch.cat([torch.func.functional_call(module, values, (chunk,)) for chunk in chunks])
