"""Transformers."""

import pytest
import torch
import torch.nn.functional as F

from thalweg.core import UsageError
from thalweg.model import build_seeded, transformer
from thalweg.model.transformer import Attention


def test_language_does_not_see_the_future() -> None:
    module = build_seeded(transformer(width=8, vocabulary=9), (6,), 9, 0)
    tokens = torch.randint(9, (3, 6))
    for seen in range(1, 6):
        changed = torch.cat([tokens[:, :seen], (tokens[:, seen:] + 1) % 9], 1)
        assert torch.equal(module(tokens)[:, :seen], module(changed)[:, :seen])
        assert not torch.equal(module(tokens)[:, seen:], module(changed)[:, seen:])


def test_an_encoder_sees_every_position() -> None:
    module = build_seeded(transformer(width=8), (6, 2), 3, 0)
    x = torch.randn(1, 6, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(module(x)[0, 0], x)
    assert grad.abs().sum(-1).min() > 0


def test_tokens_in_are_tokens_out() -> None:
    module = build_seeded(transformer(width=8, depth=1, vocabulary=9), (6,), 9, 0)
    assert not hasattr(module, "output")
    assert module.tokens.weight.shape == (9, 8)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_torch(causal: bool) -> None:
    torch.manual_seed(0)
    layer = Attention(8, 2, causal=causal, num_branches=2)
    x = torch.randn(3, 5, 8)
    q, k, v = (part.reshape(3, 5, 2, 4).transpose(1, 2) for part in layer.qkv(x).split(8, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(3, 5, 8)
    assert torch.allclose(layer(x), layer.output(mixed), atol=1e-6)


def test_shorter_sequences_are_read_and_longer_ones_refused() -> None:
    module = build_seeded(transformer(width=8, vocabulary=9), (6,), 9, 0)
    assert module(torch.randint(9, (2, 3))).shape == (2, 3, 9)
    with pytest.raises(UsageError, match="reads at most 6 positions, got 7"):
        module(torch.randint(9, (2, 7)))


def test_the_first_loss_of_language_is_that_of_guessing() -> None:
    torch.manual_seed(0)
    outputs = build_seeded(transformer(vocabulary=50), (16,), 50, 0)(torch.randint(50, (8, 16)))
    loss = F.cross_entropy(outputs.flatten(0, 1), torch.randint(50, (8 * 16,)))
    assert abs(loss.item() - torch.tensor(50.0).log().item()) < 0.1


def test_heads_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"`Transformer\(heads=...\)` must divide width=10, got 4"):
        transformer(width=10)


def test_the_norm_is_layer_or_rms() -> None:
    assert isinstance(build_seeded(transformer(width=8), (6, 2), 3, 0).norm, torch.nn.LayerNorm)
    module = build_seeded(transformer(width=8, depth=1, norm="rms"), (6, 2), 3, 0)
    for norm in (module.norm, module.blocks[0].norm1, module.blocks[0].norm2):
        assert torch.allclose(norm(torch.randn(3, 6, 8)).square().mean(-1), torch.ones(3, 6), atol=1e-4)
    for wrong in ("batch", "spectral"):
        with pytest.raises(UsageError, match=r"`Transformer\(norm=...\)` must read each position by itself"):
            transformer(norm=wrong)
    with pytest.raises(UsageError):
        transformer(norm="none")
