"""The weights of a module: which tensors they are, into which matrices each falls, how many inputs feed an output.

A gate of a recurrent layer, a group of a convolution, the query, key and value of an attention layer are matrices of
their own, although they lie in one tensor.
"""

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from thalweg.core import UsageError

_DENSE = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd)
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_GATED = (nn.RNNBase, nn.RNNCellBase)
_KNOWN = (*_DENSE, *_TABLES, *_GATED, nn.MultiheadAttention)
_ITERATIONS = 15  # which torch takes for spectral norm
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weight:
    """Hold one weight of a module.

    A layer may compute with something else than its parameter: torch's parametrisations, or a layer of ours with a
    method `normed_weight`. `write` then sets what is learnt so that it points where it was asked to, and `computed`
    tells what came of it.
    """

    name: str
    owner: nn.Module
    owner_name: str
    attribute: str
    num_matrices: int = 1

    def read(self) -> Tensor:
        return getattr(self.owner, self.attribute).detach()  # type: ignore[no-any-return]

    def computed(self) -> Tensor:
        """Return what the layer computes with."""
        normed = getattr(self.owner, "normed_weight", None)
        if normed is None:
            return self.read()
        mode, self.owner.training = self.owner.training, False  # in training, a look would move its statistics on
        try:
            return normed().detach()  # type: ignore[no-any-return]
        finally:
            self.owner.training = mode

    def matrices(self) -> tuple[Tensor, ...]:
        """Return its matrices, each (out, in, *kernel)."""
        parts = self.read().chunk(self.num_matrices)
        return tuple(part.transpose(0, 1) for part in parts) if self._turned else parts

    def fans(self) -> tuple[int, int]:
        """Return how many numbers are summed up for an output, and how many outputs an input goes to."""
        shape = self.matrices()[0].shape
        places = math.prod(shape[2:])
        inner = shape[1] * places
        if self._turned:
            inner //= math.prod(self.owner.stride)  # type: ignore[arg-type]  # a stride leaves gaps
        return max(inner, 1), max(shape[0] * places, 1)

    @torch.no_grad()
    def write(self, matrices: list[Tensor]) -> None:
        """Set the weight; its dtype, its device and the tensor itself stay."""
        turned = [matrix.transpose(0, 1) for matrix in matrices] if self._turned else matrices
        values = torch.cat(turned) if len(turned) > 1 else turned[0]
        padding = getattr(self.owner, "padding_idx", None)
        if padding is not None and isinstance(self.owner, _TABLES):
            values[padding] = 0
        self.set(values)

    @torch.no_grad()
    def set(self, values: Tensor) -> None:
        """Set all values at once."""
        here = self.read()
        values = values.to(device=here.device, dtype=here.dtype)
        if self.is_parametrised:
            self._set_parametrised(values)
        else:
            getattr(self.owner, self.attribute).copy_(values)
        _settle(self.owner, self.attribute, values)
        if not self.computed().isfinite().all():
            raise UsageError(f"`start` cannot set {self.name!r}: its normalisation makes NaN of what was drawn.")

    def _set_parametrised(self, values: Tensor) -> None:
        try:
            setattr(self.owner, self.attribute, values)
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"`start` cannot set {self.name!r}, which is parametrised ({reason}); start before it is."
            ) from error

    @property
    def is_parametrised(self) -> bool:
        return self.attribute not in self.owner._parameters

    @property
    def can_be_fitted(self) -> bool:
        """Whether the layer's output grows in proportion with this weight."""
        return isinstance(self.owner, _DENSE)

    @property
    def is_table(self) -> bool:
        return isinstance(self.owner, _TABLES)

    @property
    def is_gated(self) -> bool:
        return self.attribute.startswith(("weight_ih", "weight_hh", "weight_hr"))

    @property
    def _turned(self) -> bool:
        return isinstance(self.owner, nn.modules.conv._ConvTransposeNd)


def find_weights(module: nn.Module, *, frozen: bool = False) -> list[Weight]:
    """List the weights that a start fills, and with `frozen` those that do not learn; a tied weight once.

    Of dense, convolutional, recurrent, attention and embedding layers all matrices; of other modules the parameters of
    two axes or more that are called weight...; never those of normalisations.
    Raises `UsageError` for weights without values.
    """
    found: list[Weight] = []
    seen: set[int] = set()
    for path, owner in module.named_modules():
        if path.endswith("parametrizations") or ".parametrizations." in f".{path}." or _is_norm(owner):
            continue
        for attribute, source in _matrices_of(owner, path):
            if id(source) not in seen and (frozen or source.requires_grad):
                name = f"{path}.{attribute}" if path else attribute
                count = _count(owner, attribute)
                found.append(Weight(name=name, owner=owner, owner_name=path, attribute=attribute, num_matrices=count))
            seen.add(id(source))
    return found


def find_biases(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield (name, owner, attribute) of the trainable biases of layers with weights."""
    owners = {weight.owner: weight.owner_name for weight in find_weights(module)}
    for owner, path in owners.items():
        for attribute in [*owner._parameters, *_parametrised(owner)]:
            values = getattr(owner, attribute)
            if "bias" in attribute and isinstance(values, Tensor) and values.ndim == 1 and values.requires_grad:
                yield (f"{path}.{attribute}" if path else attribute), owner, attribute


def forget_gate(owner: nn.Module, attribute: str) -> slice | None:
    """Return where the bias of an LSTM's forget gate lies in a bias, if this is one."""
    gate = getattr(owner, "forget_gate", None)
    if gate is None and (isinstance(owner, nn.LSTM | nn.LSTMCell)):
        gate = 1
    if gate is None or not attribute.startswith(("bias_ih", "bias_hh")):
        return None
    width = _width(owner)
    return slice(gate * width, (gate + 1) * width)


def _matrices_of(owner: nn.Module, path: str) -> Iterator[tuple[str, Tensor]]:
    """Yield each matrix's attribute, and the parameter that its values come from."""
    for attribute, param in owner._parameters.items():
        if param is None or not _is_called_weight(owner, attribute):
            continue
        where = f"{path}.{attribute}" if path else attribute
        if isinstance(param, UninitializedParameter) or param.is_meta:
            raise UsageError(f"`start` cannot fill {where!r}, which has no values yet; run a batch through first.")
        if param.ndim < 2 or not param.is_floating_point() or not param.numel():
            continue
        base = attribute.removesuffix("_orig").removesuffix("_v")
        if base != attribute and base not in owner._parameters and hasattr(owner, base):
            cure = "use torch.nn.utils.parametrizations, or start before it is changed."
            raise UsageError(f"`start` cannot fill {where!r}, from which a hook computes {base!r}; {cure}")
        yield attribute, param
    for attribute in _parametrised(owner):
        if _is_called_weight(owner, attribute) and getattr(owner, attribute).ndim > 1:
            yield attribute, next(owner.parametrizations[attribute].parameters())  # type: ignore[index,union-attr]


def _is_called_weight(owner: nn.Module, attribute: str) -> bool:
    return attribute.startswith("weight") or (isinstance(owner, nn.MultiheadAttention) and "proj_weight" in attribute)


def _is_norm(owner: nn.Module) -> bool:
    if isinstance(owner, _KNOWN):
        return False
    return isinstance(owner, _NORMS) or "norm" in type(owner).__name__.lower()


def _parametrised(owner: nn.Module) -> list[str]:
    return list(owner.parametrizations) if nn.utils.parametrize.is_parametrized(owner) else []  # type: ignore[arg-type]


def _count(owner: nn.Module, attribute: str) -> int:
    values = getattr(owner, attribute)
    if isinstance(owner, nn.modules.conv._ConvNd):
        return owner.groups
    if attribute == "in_proj_weight":
        return 3
    width = _width(owner) if attribute.startswith(("weight_ih", "weight_hh")) else 0
    return int(values.shape[0]) // width if width and values.shape[0] % width == 0 else 1


def _width(owner: nn.Module) -> int:
    """Return the hidden width of a recurrent layer, 0 for any other."""
    size = getattr(owner, "hidden_size", None)
    state = owner._parameters.get("weight_hh")
    return size if isinstance(size, int) else state.shape[1] if state is not None else 0


def _parametrisation(owner: nn.Module, attribute: str) -> nn.Module | None:
    parts = getattr(owner, "parametrizations", None)
    return parts[attribute] if isinstance(parts, nn.ModuleDict) and attribute in parts else None


def _settle(owner: nn.Module, attribute: str, values: Tensor) -> None:
    """Let what goes with a weight catch up: the lengths of weight norm, the singular vectors of spectral norm."""
    normed = getattr(owner, "normed_weight", None)
    magnitude = owner._parameters.get("magnitude")
    if normed is not None and magnitude is not None:
        magnitude.copy_(torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)), keepdim=True))
        return
    part = owner if normed is not None else _parametrisation(owner, attribute)
    if part is None:
        return
    mode = part.training
    part.train()
    for _ in range(_ITERATIONS):
        normed() if normed is not None else getattr(owner, attribute)
    part.train(mode)
