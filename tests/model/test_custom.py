"""The user's own networks."""

from pathlib import Path

import pytest
import torch
from torch import nn

from thalweg.core import UnknownName, UsageError, from_plain
from thalweg.model import MODELS, Built, Module, build_seeded


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.mark.parametrize("factory", ["Plain", "Sized", "only_outputs"])
def test_a_factory_is_given_what_it_has_parameters_for(factory: str) -> None:
    module = build_seeded(Module(factory=f"factories:{factory}"), (4,), 3, 0)
    assert module(torch.randn(2, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("factoris:Plain", "there is no 'factoris', got 'factoris:Plain'. Start in the folder"),
        ("factories.deeper:Plain", "there is no 'factories.deeper'"),
        ("factories:forgets_to_return", "must return an nn.Module, got a NoneType"),
        ("factories:wants_more", "needs 'width'"),
        ("factories:shared", "must name a class or a function.*Built"),
        ("factories:constant", "must name a class or a function"),
    ],
)
def test_what_is_wrong_with_a_factory_is_said(factory: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build_seeded(Module(factory=factory), (4,), 3, 0)


def test_a_misspelt_factory() -> None:
    with pytest.raises(UnknownName, match=r"Unknown factory in factories 'Plane': did you mean 'Plain'"):
        build_seeded(Module(factory="factories:Plane"), (4,), 3, 0)


def test_a_factory_needs_both_names() -> None:
    with pytest.raises(UsageError, match=r"must read package.module:Factory"):
        Module(factory="factories.Plain")


def test_a_built_module_is_copied() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.detach().clone()
    built = build_seeded(Built(module=module), (3,), 2, 0)
    with torch.no_grad():
        built.weight.add_(1)
    assert torch.equal(module.weight, before)
    assert torch.equal(built.weight, before + 1)


def test_a_built_module_must_be_an_object_and_cannot_come_from_a_file() -> None:
    with pytest.raises(UsageError, match=r"must be an nn.Module.*Give an object, not its class"):
        Built(module=nn.Linear)
    with pytest.raises(UsageError, match=r"model.module"):
        from_plain(MODELS, {"kind": "built", "module": "net.pt"}, "model")


def test_what_is_traceable() -> None:
    assert not Module.traceable and not Built.traceable
    assert all(model.traceable for name, model in MODELS.items() if name not in ("module", "built"))
