"""What networks that read sequences share: tokens or vectors in, one prediction or one a position out."""

import dataclasses
from typing import Annotated

from torch import nn

from thalweg.core import Knob
from thalweg.model.base import Model, Shape, wrong_shape
from thalweg.model.start import start_embedding, start_hidden

Vocabulary = Annotated[int | None, Knob("number of different token ids; None for vectors", "[1, inf)")]
Width = Annotated[int, Knob("numbers a position is described by", "[1, inf)", low=16, high=512, log=True)]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Say how a sequence is read: L positions of D numbers, or of one of `vocabulary` tokens."""

    length: int
    features: int
    vocabulary: int | None
    per_position: bool
    """One prediction for each position, which may look back only: language."""

    def embedding(self, width: int) -> nn.Embedding | nn.Linear:
        """Make the layer that turns each position into `width` numbers."""
        if self.vocabulary is not None:
            tokens = nn.Embedding(self.vocabulary, width)
            start_embedding(tokens.weight)
            return tokens
        linear = nn.Linear(self.features, width)
        start_hidden(linear, "identity")
        return linear


def read_sequence(model: Model, input_shape: Shape, num_outputs: int, *, vocabulary: int | None) -> Reading:
    """Tell what a sequence model is to read; as many outputs as tokens means predicting the next token.

    Raises `UsageError` for examples that are no sequences.
    """
    if vocabulary is not None:
        if len(input_shape) != 1:
            cure = "Give each example as one row of token ids, or leave vocabulary out."
            raise wrong_shape(model, input_shape, reads=f"(L,) for {vocabulary} tokens", cure=cure)
        language = num_outputs == vocabulary
        return Reading(length=input_shape[0], features=1, vocabulary=vocabulary, per_position=language)
    if len(input_shape) != 2:
        cure = "Reshape each example to L positions of D numbers, or set vocabulary=... for token ids."
        raise wrong_shape(model, input_shape, reads="(L, D)", cure=cure)
    return Reading(length=input_shape[0], features=input_shape[1], vocabulary=None, per_position=False)
