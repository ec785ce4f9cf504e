"""Convolutional networks."""

import pytest
import torch
from torch import nn

from thalweg.core import UsageError
from thalweg.model import ConvNet, build_seeded, convnet
from thalweg.norms import BatchNorm


def test_digits_give_the_layers_that_are_promised() -> None:
    module = build_seeded(convnet(), (8, 8), 10, 0)
    names = [name for name, _ in module.named_children()]
    first, second = ([f"{kind}{n}" for kind in ("conv", "norm", "act", "pool")] for n in (1, 2))
    assert names == ["channel", *first, *second, "flatten", "hidden", "act", "output"]
    assert module.hidden.in_features == 64 * 2 * 2


def test_a_grey_image_equals_one_with_a_channel() -> None:
    grey, one = (build_seeded(convnet(4), shape, 3, 0).eval() for shape in ((8, 8), (1, 8, 8)))
    x = torch.randn(2, 8, 8)
    assert torch.equal(grey(x), one(x.unsqueeze(1)))


def test_layer_norm_is_over_the_whole_image() -> None:
    assert isinstance(build_seeded(convnet(4, norm="layer"), (8, 8), 3, 0).norm1, nn.GroupNorm)


def test_the_default_is_batch_norm() -> None:
    assert convnet().norm == ConvNet().norm == BatchNorm()
    assert build_seeded(convnet(4), (8, 8), 3, 0).conv1.bias is None
    assert build_seeded(convnet(4, norm="instance"), (8, 8), 3, 0).conv1.bias is None
    assert build_seeded(convnet(8, norm="group"), (8, 8), 3, 0).conv1.bias is not None


def test_norms_of_weights_change_every_layer_but_the_last() -> None:
    module = build_seeded(convnet(4, 6, norm="weight", hidden=8), (8, 8), 3, 0)
    changed = [name for name, layer in module.named_children() if hasattr(layer, "normed_weight")]
    assert changed == ["conv1", "conv2", "hidden"]


def test_norm_after_the_activation() -> None:
    module = build_seeded(ConvNet(channels=(4,), norm_place="after"), (8, 8), 3, 0)
    assert [name for name, _ in module.named_children()][1:4] == ["conv1", "act1", "norm1"]


def test_mistakes_are_named() -> None:
    with pytest.raises(UsageError, match=r"must be odd, got 4. Use 5."):
        convnet(4, kernel=4)
    with pytest.raises(UsageError, match=r"Use MLP"):
        ConvNet(channels=())
    with pytest.raises(UsageError, match=r"must be a whole number, got 1.5"):
        convnet(4, hidden=1.5)  # type: ignore[arg-type]
