"""Recurrent networks, written out step by step.

torch's own recurrent layers call kernels that have no second derivative and no vmap; these are plain
operations, take the same weights in the same order, and so serve curvature and populations too. Axis letters:
B batch, L positions, D inputs, H hidden, G gates.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Annotated, ClassVar, Final, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.core import Knob, coerce
from thalweg.model.base import DropoutScaling, DropoutShare, Model, Shape, check_whole
from thalweg.model.dropout import Dropout
from thalweg.model.sequence import Vocabulary, Width, read_sequence
from thalweg.model.stage import NormName, check_position_norm
from thalweg.model.start import start_output, start_recurrent
from thalweg.norms import Norm
from thalweg.norms.base import FeatureNorm

CellName = Literal["rnn", "lstm", "gru"]


class RecurrentLayer(nn.Module, ABC):
    """Read (B, L, D) from left to right and return the state at each position, (B, L, H).

    Weights are laid out as torch's: gates stacked along the first axis, one bias with each matrix.
    """

    num_gates: ClassVar[int]
    forget_gate: ClassVar[int | None] = None
    """Which gate, if any, starts with a bias of 1 so that the state is remembered."""

    def __init__(self, num_inputs: int, width: int) -> None:
        super().__init__()
        stacked = self.num_gates * width
        self.weight_ih = nn.Parameter(torch.empty(stacked, num_inputs))
        self.weight_hh = nn.Parameter(torch.empty(stacked, width))
        self.bias_ih = nn.Parameter(torch.zeros(stacked))
        self.bias_hh = nn.Parameter(torch.zeros(stacked))
        start_recurrent(self.weight_ih, self.weight_hh)
        if self.forget_gate is not None:
            nn.init.ones_(self.bias_ih.detach()[self.forget_gate * width :][:width])

    def forward(self, x_BLD: Tensor) -> Tensor:
        width = self.weight_hh.shape[1]
        inputs_BLG = F.linear(x_BLD, self.weight_ih, self.bias_ih)
        state = memory = x_BLD.new_zeros(x_BLD.shape[0], width)
        states = []
        for inputs_BG in inputs_BLG.unbind(1):
            state, memory = self.step(inputs_BG, F.linear(state, self.weight_hh, self.bias_hh), state, memory)
            states.append(state)
        return torch.stack(states, 1)

    @abstractmethod
    def step(self, from_input: Tensor, from_state: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next state and memory; the gates got `from_input` and `from_state`, (B, G * H)."""

    def extra_repr(self) -> str:
        return f"{self.weight_ih.shape[1]}, {self.weight_hh.shape[1]}"


class RNNLayer(RecurrentLayer):
    """Squash both sides: state = tanh(from_input + from_state). Source: Elman 1990."""

    num_gates = 1

    def step(self, from_input: Tensor, from_state: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(from_input + from_state), memory


class GRULayer(RecurrentLayer):
    """Mix the state with a fresh one: state = (1 - keep) * tanh(i_n + reset * s_n) + keep * state.

    Source: Cho et al. 2014; the reset gate acts after the matrix, as in cuDNN and torch.
    """

    num_gates = 3

    def step(self, from_input: Tensor, from_state: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        (i_r, i_k, i_n), (s_r, s_k, s_n) = from_input.chunk(3, 1), from_state.chunk(3, 1)
        reset, keep = torch.sigmoid(i_r + s_r), torch.sigmoid(i_k + s_k)
        fresh = torch.tanh(i_n + reset * s_n)
        return fresh + keep * (state - fresh), memory


class LSTMLayer(RecurrentLayer):
    """Keep a memory beside the state; the forget gate's bias starts at 1.

    memory = forget * memory + write * fresh;  state = read * tanh(memory)

    Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate); Jozefowicz et al. 2015 (its
    bias).
    """

    num_gates = 4
    forget_gate = 1

    def step(self, from_input: Tensor, from_state: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        write, forget, fresh, read = (from_input + from_state).chunk(4, 1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(write) * torch.tanh(fresh)
        return torch.sigmoid(read) * torch.tanh(memory), memory


_LAYERS: Final[dict[str, type[RecurrentLayer]]] = {"rnn": RNNLayer, "lstm": LSTMLayer, "gru": GRULayer}


class LastPosition(nn.Module):
    """Keep the state at the last position of (B, L, H)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, -1]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Recurrent(Model):
    """Chain recurrent layers over a sequence and predict from the last state, or from each one for language.

    Reads vectors (L, D), or token ids (L,) if `vocabulary` is set; with as many outputs as tokens it predicts
    at every position. The norm, layer or rms, lies after each layer and not inside its steps; dropout follows
    it. Layers are called tokens, layer1, norm1, dropout1, layer2, ..., last, output.
    """

    name: ClassVar[str] = "recurrent"
    cell: CellName = "gru"
    width: Width = 64
    depth: Annotated[int, Knob("recurrent layers", "[1, inf)", low=1, high=4)] = 1
    dropout: DropoutShare = 0.0
    dropout_scaling: DropoutScaling = "train"
    vocabulary: Vocabulary = None
    norm: Norm | None = None

    def check(self) -> None:
        coerce(CellName, self.cell, "Recurrent.cell")
        check_whole(self, "width", "depth", "vocabulary")
        check_position_norm("Recurrent", self.norm)

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        reading = read_sequence(self, input_shape, num_outputs, vocabulary=self.vocabulary)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        features = reading.features
        if reading.vocabulary is not None:
            layers["tokens"] = reading.embedding(self.width)
            features = self.width
        made = [_LAYERS[self.cell](self.width if number else features, self.width) for number in range(self.depth)]
        output = nn.Linear(self.width, num_outputs)
        start_output(output)
        for number, layer in enumerate(made, start=1):
            layers[f"layer{number}"] = layer
            if isinstance(self.norm, FeatureNorm):
                layers[f"norm{number}"] = self.norm.build(self.width, 0)
            if self.dropout:
                layers[f"dropout{number}"] = Dropout(self.dropout, scaling=self.dropout_scaling)
        if not reading.per_position:
            layers["last"] = LastPosition()
        layers["output"] = output
        return nn.Sequential(layers)


def recurrent(
    cell: CellName = "gru",
    *,
    width: int = 64,
    depth: int = 1,
    dropout: float = 0.0,
    vocabulary: int | None = None,
    norm: NormName = None,
) -> Recurrent:
    """Describe a recurrent network by its cell: "rnn", "lstm" or "gru"."""
    # A component turns a name into the norm.
    return Recurrent(cell=cell, width=width, depth=depth, dropout=dropout, vocabulary=vocabulary, norm=norm)  # type: ignore[arg-type]
