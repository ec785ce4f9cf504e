"""Convolutional networks for images."""

import dataclasses
from collections import OrderedDict
from typing import Annotated, ClassVar, Literal, final

from torch import nn

from thalweg.core import Knob, coerce
from thalweg.core.errors import law
from thalweg.model.activations import check_activation, make_activation, pieces
from thalweg.model.base import DropoutScaling, DropoutShare, Model, Shape, check_whole, check_widths, wrong_shape
from thalweg.model.dropout import Dropout
from thalweg.model.stage import NormName, NormPlace, finish_stage, needs_bias, normalise_weights
from thalweg.model.start import start_hidden, start_output
from thalweg.norms import BatchNorm, Norm

Pooling = Literal["max", "average", "none"]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConvNet(Model):
    """Chain convolutions that keep the size, each with norm, activation and pooling, then a dense layer.

    Reads images (C, H, W), or (H, W) as one channel. Each pooling halves height and width. `hidden=0` leaves
    the dense layer out. Layers are called conv1, norm1, act1, pool1, conv2, ..., flatten, hidden, act,
    dropout, output. A norm of weights changes the dense layer too, other norms follow convolutions only.
    """

    name: ClassVar[str] = "convnet"
    channels: tuple[int, ...] = (32, 64)
    kernel: Annotated[int, Knob("width of a filter, odd", "[1, inf)", low=3, high=7, unit="pixels")] = 3
    activation: str = "relu"
    norm: Norm | None = BatchNorm()  # noqa: RUF009 - frozen, so it may be shared
    norm_place: NormPlace = "before"
    dropout: DropoutShare = 0.0
    dropout_scaling: DropoutScaling = "train"
    pooling: Pooling = "max"
    hidden: Annotated[int, Knob("width of the dense layer; 0 for none", "[0, inf)", low=32, high=512, log=True)] = 128

    def check(self) -> None:
        check_widths(self, "channels", self.channels)
        check_whole(self, "kernel", "hidden")
        check_activation(self.activation)
        coerce(NormPlace, self.norm_place, "ConvNet.norm_place")
        coerce(Pooling, self.pooling, "ConvNet.pooling")
        if not self.channels:
            raise law("ConvNet(channels=...)", "must name one stage or more", self.channels, "Use MLP for none.")
        if self.kernel % 2 == 0:
            raise law("ConvNet(kernel=...)", "must be odd", self.kernel, f"Use {self.kernel + 1}.")

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        depth, height, width = self._image(input_shape)
        convs = self._convs(depth)
        halvings = 0 if self.pooling == "none" else len(self.channels)
        places = (height >> halvings) * (width >> halvings)
        head = self._head(self.channels[-1] * places, num_outputs)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if len(input_shape) == 2:
            layers["channel"] = nn.Unflatten(1, (1, height))
        for number, conv in enumerate(convs, start=1):
            layers[f"conv{number}"] = conv
            for kind, layer in finish_stage(conv, self.activation, norm=self.norm, place=self.norm_place):
                layers[f"{kind}{number}"] = layer
            if self.pooling != "none":
                layers[f"pool{number}"] = nn.MaxPool2d(2) if self.pooling == "max" else nn.AvgPool2d(2)
        layers["flatten"] = nn.Flatten()
        return nn.Sequential(layers | head)

    def _image(self, input_shape: Shape) -> tuple[int, int, int]:
        if len(input_shape) not in (2, 3):
            cure = "Reshape each example to its image, say x.reshape(-1, 8, 8) for digits, or use MLP."
            raise wrong_shape(self, input_shape, reads="(C, H, W) or (H, W)", cure=cure)
        depth = input_shape[0] if len(input_shape) == 3 else 1
        height, width = input_shape[-2:]
        least = 1 if self.pooling == "none" else 2 ** len(self.channels)
        if min(height, width) < least:
            cure = "Use fewer channels, or pooling='none'."
            reads = f"{least} pixels or more each way, because {len(self.channels)} poolings halve it"
            raise wrong_shape(self, input_shape, reads=reads, cure=cure)
        return depth, height, width

    def _convs(self, depth: int) -> list[nn.Conv2d]:
        convs, bias = [], needs_bias(self.norm, self.norm_place)
        for channels in self.channels:
            wide = channels * pieces(self.activation)
            convs.append(nn.Conv2d(depth, wide, self.kernel, padding=self.kernel // 2, bias=bias))
            start_hidden(convs[-1], self.activation)
            depth = channels
        return convs

    def _head(self, width: int, num_outputs: int) -> OrderedDict[str, nn.Module]:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if self.hidden:
            hidden = nn.Linear(width, self.hidden * pieces(self.activation))
            start_hidden(hidden, self.activation)
            layers |= {"hidden": hidden, "act": make_activation(self.activation)}
            width = self.hidden
        output = nn.Linear(width, num_outputs)
        start_output(output)
        if self.hidden:
            normalise_weights(hidden, self.norm)
        if self.dropout:
            layers["dropout"] = Dropout(self.dropout, scaling=self.dropout_scaling)
        layers["output"] = output
        return layers


def convnet(
    *channels: int,
    kernel: int = 3,
    activation: str = "relu",
    norm: NormName = "batch",
    dropout: float = 0.0,
    pooling: Pooling = "max",
    hidden: int = 128,
) -> ConvNet:
    """Describe a convolutional network by the channels of its stages; `convnet()` has 32 and 64."""
    return ConvNet(
        channels=channels or (32, 64),
        kernel=kernel,
        activation=activation,
        norm=norm,  # type: ignore[arg-type]  # a name becomes the norm
        dropout=dropout,
        pooling=pooling,
        hidden=hidden,
    )
