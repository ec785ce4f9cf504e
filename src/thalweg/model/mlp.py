"""Dense networks."""

import dataclasses
from collections import OrderedDict
from typing import ClassVar, final

from torch import nn

from thalweg.core import coerce
from thalweg.model.activations import check_activation, pieces
from thalweg.model.base import DropoutScaling, DropoutShare, Model, Shape, check_widths, num_features, wrong_shape
from thalweg.model.dropout import Dropout
from thalweg.model.stage import NormName, NormPlace, finish_stage, needs_bias
from thalweg.model.start import start_hidden, start_output
from thalweg.norms import Norm


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MLP(Model):
    """Chain dense layers: linear, norm, activation, dropout for each hidden width, then a linear output.

    An example of any shape is flattened. With `hidden=()` it is linear or softmax regression. With maxout the
    widths are those after the maximum was taken. Layers are called linear1, norm1, act1, dropout1, linear2,
    ..., output. A norm of weights changes the hidden layers; the output stays free to be of any size.

    >>> sum(p.numel() for p in MLP(hidden=(64, 64)).build((64,), 10).parameters())
    8970
    """

    name: ClassVar[str] = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    dropout: DropoutShare = 0.0
    dropout_scaling: DropoutScaling = "train"
    norm: Norm | None = None
    norm_place: NormPlace = "before"

    def check(self) -> None:
        check_widths(self, "hidden", self.hidden)
        check_activation(self.activation)
        coerce(NormPlace, self.norm_place, "MLP.norm_place")

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        if not input_shape:
            raise wrong_shape(
                self,
                input_shape,
                reads="one axis or more",
                cure="Give each example its own axis: x.reshape(-1, 1).",
            )
        linears, output = self._linears(num_features(input_shape), num_outputs)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if len(input_shape) > 1:
            layers["flatten"] = nn.Flatten()
        for number, linear in enumerate(linears, start=1):
            layers[f"linear{number}"] = linear
            for kind, layer in finish_stage(linear, self.activation, norm=self.norm, place=self.norm_place):
                layers[f"{kind}{number}"] = layer
            if self.dropout:
                layers[f"dropout{number}"] = Dropout(self.dropout, scaling=self.dropout_scaling)
        layers["output"] = output
        return nn.Sequential(layers)

    def _linears(self, width: int, num_outputs: int) -> tuple[list[nn.Linear], nn.Linear]:
        linears = []
        for hidden in self.hidden:
            bias = needs_bias(self.norm, self.norm_place)
            linears.append(nn.Linear(width, hidden * pieces(self.activation), bias=bias))
            start_hidden(linears[-1], self.activation)
            width = hidden
        output = nn.Linear(width, num_outputs)
        start_output(output)
        return linears, output


def mlp(
    *hidden: int,
    activation: str = "relu",
    dropout: float = 0.0,
    norm: NormName = None,
    norm_place: NormPlace = "before",
) -> MLP:
    """Describe a dense network by its hidden widths; `mlp()` has none and is linear or softmax regression."""
    # A component turns a name into the norm.
    return MLP(hidden=hidden, activation=activation, dropout=dropout, norm=norm, norm_place=norm_place)  # type: ignore[arg-type]
