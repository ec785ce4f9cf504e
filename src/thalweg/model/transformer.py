"""Transformers: pre-norm blocks of attention and a dense pair, with learnt positions.

Attention is written out because torch's fused kernel has no second derivative and no vmap on a CPU.
Axis letters: B batch, L positions, W width, N heads, A width of a head.
"""

import dataclasses
import math
from typing import Annotated, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.core import Knob
from thalweg.core.errors import law
from thalweg.model.base import DropoutScaling, DropoutShare, Model, Shape, check_whole
from thalweg.model.dropout import Dropout
from thalweg.model.sequence import Reading, Vocabulary, Width, read_sequence
from thalweg.model.stage import check_position_norm
from thalweg.model.start import start_branch, start_embedding, start_hidden, start_output
from thalweg.norms import LayerNorm, Norm
from thalweg.norms.base import FeatureNorm


class Attention(nn.Module):
    """Mix positions: softmax(q @ k^T / sqrt(A)) @ v for each head, then a linear map of all heads together.

    Source: Vaswani et al. 2017, equation 1.
    """

    def __init__(self, width: int, num_heads: int, *, causal: bool, num_branches: int) -> None:
        super().__init__()
        self.num_heads, self.causal = num_heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        start_hidden(self.qkv, "identity")
        start_branch(self.output, num_branches)

    def forward(self, x_BLW: Tensor) -> Tensor:
        q_BNLA, k_BNLA, v_BNLA = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in self.qkv(x_BLW).chunk(3, -1)
        )
        scores_BNLL = q_BNLA @ k_BNLA.transpose(-1, -2) / math.sqrt(q_BNLA.shape[-1])
        if self.causal:
            future = torch.ones(x_BLW.shape[1], x_BLW.shape[1], dtype=torch.bool, device=x_BLW.device).triu(1)
            scores_BNLL = scores_BNLL.masked_fill(future, -math.inf)
        mixed_BNLA = scores_BNLL.softmax(-1) @ v_BNLA
        result: Tensor = self.output(mixed_BNLA.transpose(1, 2).flatten(2))
        return result


class Block(nn.Module):
    """Add to each position what attention and then a dense pair make of it.

    x = x + attention(norm1(x));  x = x + contract(gelu(expand(norm2(x))))

    Source: Vaswani et al. 2017; Xiong et al. 2020 (norm first).
    """

    def __init__(self, width: int, num_heads: int, *, norm: FeatureNorm, causal: bool, num_branches: int) -> None:
        super().__init__()
        self.norm1 = norm.build(width, 0)
        self.attention = Attention(width, num_heads, causal=causal, num_branches=num_branches)
        self.norm2 = norm.build(width, 0)
        self.expand = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.contract = nn.Linear(4 * width, width)
        self.dropout: nn.Module = nn.Identity()
        start_hidden(self.expand, "gelu")
        start_branch(self.contract, num_branches)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        changed: Tensor = x + self.dropout(self.contract(self.act(self.expand(self.norm2(x)))))
        return changed


class TransformerNet(nn.Module):
    """Read a sequence through blocks; predict at each position for language, else from their mean."""

    def __init__(self, spec: "Transformer", reading: Reading, num_outputs: int) -> None:
        super().__init__()
        width, causal, norm = spec.width, reading.per_position, spec.norm
        assert isinstance(norm, FeatureNorm), "Transformer.check lets no other through"
        self.per_position = reading.per_position
        self.tokens = reading.embedding(width)
        self.positions = nn.Parameter(torch.empty(reading.length, width))
        start_embedding(self.positions)
        self.blocks = nn.ModuleList(
            Block(width, spec.heads, norm=norm, causal=causal, num_branches=2 * spec.depth) for _ in range(spec.depth)
        )
        self.norm = norm.build(width, 0)
        if not self.per_position:
            self.output = nn.Linear(width, num_outputs)
            start_output(self.output)
        if spec.dropout:
            for block in self.blocks:
                block.dropout = Dropout(spec.dropout, scaling=spec.dropout_scaling)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        if length > len(self.positions):
            cure = "Cut the sequences, or build the model for longer ones."
            raise law("Transformer", f"reads at most {len(self.positions)} positions", length, cure)
        x = self.tokens(x) + self.positions[:length]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.per_position:
            return F.linear(x, self.tokens.weight)
        result: Tensor = self.output(x.mean(1))
        return result


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Transformer(Model):
    """Stack attention blocks: a causal decoder for language, else an encoder with the mean over positions.

    Reads vectors (L, D), or token ids (L,) if `vocabulary` is set; with as many outputs as tokens it predicts
    the next token at every position, and the weights of tokens in are those of tokens out. The norm is layer or
    rms.

    Source: Vaswani et al. 2017; Press and Wolf 2017 (tied weights).
    """

    name: ClassVar[str] = "transformer"
    width: Width = 64
    depth: Annotated[int, Knob("blocks", "[1, inf)", low=1, high=12)] = 2
    heads: Annotated[int, Knob("heads of attention; divides the width", "[1, inf)", low=1, high=16)] = 4
    dropout: DropoutShare = 0.0
    dropout_scaling: DropoutScaling = "train"
    vocabulary: Vocabulary = None
    norm: Norm = LayerNorm()  # noqa: RUF009 - frozen, so it may be shared

    def check(self) -> None:
        check_whole(self, "width", "depth", "heads", "vocabulary")
        if self.width % self.heads:
            raise law("Transformer(heads=...)", f"must divide width={self.width}", self.heads)
        check_position_norm("Transformer", self.norm)

    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        reading = read_sequence(self, input_shape, num_outputs, vocabulary=self.vocabulary)
        return TransformerNet(self, reading, num_outputs)


def transformer(
    *,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
    vocabulary: int | None = None,
    norm: Norm | str = "layer",
) -> Transformer:
    """Describe a transformer by its sizes."""
    # A component turns a name into the norm.
    return Transformer(width=width, depth=depth, heads=heads, dropout=dropout, vocabulary=vocabulary, norm=norm)  # type: ignore[arg-type]
