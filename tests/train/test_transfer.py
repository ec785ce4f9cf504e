"""Starting from another network's weights: what is taken over, what starts afresh, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations

import thalweg as tw
from thalweg.core import RunError, UsageError
from thalweg.data import Arrays
from thalweg.model import Built
from thalweg.train import Folder, Session, Transfer, advance, make_job, read_recipe, start

Weights = dict[str, torch.Tensor]


def weights(job: Any) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in job.state.weights().items()}


@pytest.fixture
def source(make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path) -> Session:
    """Return a finished run on iris: mlp(8) with batch norm and dropout."""
    recipe = make(model=tw.mlp(8, norm="batch", dropout=0.2), rule="sgd(lr=0.3)+ema", seed=5)
    return train(start(recipe, out=tmp_path, folder=tmp_path / "source"))  # type: ignore[no-any-return]


SAME = {"model": tw.mlp(8, norm="batch", dropout=0.2)}


def said(job: Any) -> str:
    return next(str(sentence) for sentence in job.said if "taken over" in str(sentence))


def test_a_run_hands_over_the_weights_it_is_used_with(make: Callable[..., Any], source: Session) -> None:
    """The best, judged weights and their batch statistics; not the draws of dropout, which belong to the new seed."""
    job, fresh = (make_job(make(**SAME, **extra)) for extra in ({"transfer": source.folder.path}, {}))
    used = tw.Run(source.folder.path).model.state_dict()
    for name, tensor in weights(job).items():
        wanted = weights(fresh)[name] if name.endswith("key") else used[name]
        assert torch.equal(tensor, wanted), name
    assert "8 tensors taken over, 0 start afresh (-), 1 of the file left out" in said(job)


@pytest.mark.parametrize("what", ["checkpoint", "folder", "text"])
def test_a_source_may_be_a_folder_or_its_checkpoint(make: Callable[..., Any], source: Session, what: str) -> None:
    paths = {"checkpoint": source.folder.last_checkpoint, "folder": source.folder.path, "text": str(source.folder.path)}
    job = make_job(make(**SAME, transfer=paths[what]))
    assert torch.equal(weights(job)["linear1.weight"], source.job.state.weights()["linear1.weight"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_a_state_dict_of_torch_is_taken_over(make: Callable[..., Any], tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    state = {name: tensor.to(dtype) for name, tensor in module.state_dict().items()}
    safetensors.torch.save_file({**state, "extra": torch.ones(2)}, tmp_path / "m.safetensors")
    other = Built(module=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    job = make_job(make(model=other, transfer=tmp_path / "m.safetensors"))
    for name, tensor in weights(job).items():
        assert torch.equal(tensor, state[name].float()) and tensor.dtype == torch.float32
    assert "4 tensors taken over, 0 start afresh (-), 1 of the file left out" in said(job)


def test_the_first_step_goes_on_from_the_weights_taken_over(make: Callable[..., Any], source: Session) -> None:
    recipe = make(**SAME, transfer=source.folder.path, rule="sgd(lr=1e-6)")
    losses = [snapshot.rows[0].loss for snapshot in advance(make_job(recipe))]
    afresh = [snapshot.rows[0].loss for snapshot in advance(make_job(make(**SAME, rule="sgd(lr=1e-6)")))]
    assert losses[0] < 0.8 < afresh[0]


HEADS: dict[str, tuple[Any, set[str]]] = {
    "mlp": (tw.mlp(8), {"output.weight", "output.bias"}),
    "parametrised": (
        Built(module=nn.Sequential(nn.Linear(4, 8), parametrizations.weight_norm(nn.Linear(8, 3)))),
        {"1.bias", "1.parametrizations.weight.original0", "1.parametrizations.weight.original1"},
    ),
    "two heads of a name": (
        Built(module=nn.Sequential(nn.Linear(4, 1), nn.Linear(1, 3))),
        {"1.weight", "1.bias"},
    ),
}


@pytest.mark.parametrize(("model", "head"), HEADS.values(), ids=HEADS)
def test_a_new_head_starts_afresh_whole(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path, model: Any, head: set[str]
) -> None:
    train(start(make(model=model, rule="sgd(lr=0.3)"), out=tmp_path, folder=tmp_path / "source"))
    job = make_job(make(model=model, transfer=Transfer(source=str(tmp_path / "source"), head="new")))
    used = tw.Run(tmp_path / "source", model=model).model.state_dict()
    fresh = weights(make_job(make(model=model)))
    kept = {name for name, tensor in weights(job).items() if torch.equal(tensor, used[name])}
    assert kept == set(used) - head
    assert all(torch.equal(weights(job)[name], fresh[name]) for name in head)
    assert f"{len(used) - len(head)} tensors taken over, {len(head)} start afresh" in said(job)


def test_shapes_that_do_not_fit_are_named(make: Callable[..., Any], source: Session) -> None:
    sentence = r"`linear1.weight` \(and 2 more\) does not fit: \(8, 4\) in .*, \(8, 2\) here"
    with pytest.raises(UsageError, match=sentence) as caught:
        make_job(make(source="moons", model=tw.mlp(8, norm="batch"), transfer=source.folder.path))
    assert "\n" not in str(caught.value)


def test_another_number_of_classes_wants_a_new_head(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    train(start(make(source="circle", model=tw.mlp(8)), out=tmp_path, folder=tmp_path / "source"))
    rng = np.random.default_rng(0)
    fields = {"data": Arrays(X=rng.normal(size=(60, 2)), y=np.arange(60) % 4), "model": tw.mlp(8)}
    with pytest.raises(UsageError, match=r"Start it afresh with --restart output, or --new-head") as caught:
        make_job(make(**fields, transfer=tmp_path / "source"))
    assert "\n" not in str(caught.value)
    job = make_job(make(**fields, transfer=Transfer(source=str(tmp_path / "source"), head="new")))
    assert "2 tensors taken over, 2 start afresh (output.weight, output.bias)" in said(job)
    again = make_job(make(**fields, transfer=Transfer(source=str(tmp_path / "source"), restart=("output",))))
    assert torch.equal(weights(job)["output.weight"], weights(again)["output.weight"])


@pytest.mark.parametrize(
    ("restart", "afresh"),
    [
        (("linear1",), {"linear1.weight"}),
        (("norm1.",), {"norm1.weight", "norm1.bias", "norm1.running_mean", "norm1.running_var"}),
        (("*.weight",), {"linear1.weight", "norm1.weight", "output.weight"}),
        (("linear?", "output.b*"), {"output.bias"}),
    ],
)
def test_what_is_named_starts_afresh(
    make: Callable[..., Any], source: Session, restart: tuple[str, ...], afresh: set[str]
) -> None:
    if restart[0] == "linear?":
        with pytest.raises(UsageError, match=r"must name layers among linear1, norm1, output.*got 'linear\?'"):
            make_job(make(**SAME, transfer=Transfer(source=str(source.folder.path), restart=restart)))
        restart = restart[1:]
    job = make_job(make(**SAME, transfer=Transfer(source=str(source.folder.path), restart=restart)))
    fresh, used = weights(make_job(make(**SAME))), tw.Run(source.folder.path).model.state_dict()
    changed = {name for name, t in weights(job).items() if not torch.equal(t, used[name]) and not name.endswith("key")}
    assert changed - {"norm1.num_batches_tracked"} == afresh
    assert all(torch.equal(weights(job)[name], fresh[name]) for name in afresh)


def test_files_that_cannot_be_taken_over(make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"PK\x03\x04 a pickle, say")
    (tmp_path / "cut.safetensors").write_bytes(safetensors.torch.save({"linear1.weight": torch.ones(8, 4)})[:60])
    safetensors.torch.save_file({"encoder.weight": torch.ones(2)}, tmp_path / "other.safetensors")
    (tmp_path / "empty").mkdir()
    for name, kind, sentence in (
        ("m.pt", RunError, "is no safetensors file"),
        ("cut.safetensors", RunError, "is no safetensors file"),
        ("empty", RunError, "does not exist; name a run's folder or a file.safetensors"),
        ("absent", RunError, "does not exist"),
        (
            "other.safetensors",
            UsageError,
            "No parameter of .* has a name that the network knows. It has encoder.weight",
        ),
    ):
        with pytest.raises(kind, match=sentence) as caught:
            make_job(make(transfer=tmp_path / name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"source": ""}, r"Transfer\(source=...\)` must name a run or a file.safetensors"),
        ({"source": "x", "head": "fresh"}, "Unknown value of Transfer"),
    ],
)
def test_settings_of_a_transfer(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Transfer(**fields)


def test_when_all_starts_afresh_there_is_nothing_to_take_over(make: Callable[..., Any], source: Session) -> None:
    with pytest.raises(UsageError, match="is to start afresh; leave --from out"):
        make_job(make(**SAME, transfer=Transfer(source=str(source.folder.path), restart=("*",))))


def test_a_network_without_a_head_has_none_to_renew(make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("to be or not to be, that is the question. " * 60)
    model = tw.transformer(width=8, depth=1, heads=2)
    given = {"source": str(tmp_path / "a.txt"), "model": model}
    job = make_job(make(**given))
    safetensors.torch.save_file(weights(job), tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match=r"--new-head.* needs a network whose last dense layer gives the outputs"):
        make_job(make(**given, transfer=Transfer(source=str(tmp_path / "m.safetensors"), head="new")))


def test_the_path_is_kept_absolute_and_read_relative_to_a_recipe(
    make: Callable[..., Any],
    train: Callable[..., Any],
    source: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    session = train(start(make(**SAME, transfer="source"), out=tmp_path / "runs"))
    assert Folder(session.folder.path).recipe().transfer == Transfer(source=str(tmp_path / "source"))
    (tmp_path / "sub").mkdir()
    recipe = '[data]\nkind = "iris"\n[transfer]\nsource = "../source"\nrestart = ["output"]\n'
    (tmp_path / "sub" / "r.toml").write_text(recipe)
    found = read_recipe(tmp_path / "sub" / "r.toml").transfer
    assert found is not None and found.restart == ("output",)
    assert Path(found.source).resolve() == (tmp_path / "source").resolve()
    (tmp_path / "sub" / "s.toml").write_text('transfer = "source"\n[data]\nkind = "iris"\n')
    assert read_recipe(tmp_path / "sub" / "s.toml").transfer == Transfer(source="source")


def test_a_start_comes_before_the_weights_taken_over(make: Callable[..., Any], source: Session) -> None:
    """What is not taken over has the start that was asked for."""
    transfer = Transfer(source=str(source.folder.path), head="new")
    job = make_job(make(**SAME, transfer=transfer, init="zeros"))
    assert torch.equal(weights(job)["linear1.weight"], source.job.state.weights()["linear1.weight"])
    assert not weights(job)["output.weight"].any()


def test_frozen_layers_of_a_transferred_network_stay(
    make: Callable[..., Any], train: Callable[..., Any], source: Session, tmp_path: Path
) -> None:
    recipe = make(**SAME, transfer=source.folder.path, freeze=("linear1", "norm1"), rule="sgd(lr=0.3)", epochs=5)
    session = train(start(recipe, out=tmp_path, folder=tmp_path / "tuned"))
    used, tuned = tw.Run(source.folder.path).model.state_dict(), tw.Run(session.folder.path).model.state_dict()
    same = {name for name, _ in session.job.state.module.named_parameters() if torch.equal(used[name], tuned[name])}
    assert same == {"linear1.weight", "norm1.weight", "norm1.bias"}
