"""A network trained on text goes on with one."""

from pathlib import Path

import pytest

import thalweg as tw
from thalweg.core import UsageError
from thalweg.runs import continue_text


def test_a_text_that_repeats_is_learnt_and_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "abc.txt").write_text("abcdefgh" * 600)
    source = tw.data.Text(paths=(str(tmp_path / "abc.txt"),), window=16)
    run = tw.train(source, tw.recurrent("gru", width=24), epochs=30, threads=1, device="cpu", out=tmp_path)
    text = continue_text(run, "abcdabcdefgh", length=40, temperature=0.1)
    assert text == "abcdefgh" * 5
    assert continue_text(run, "abc", length=20, seed=1) == continue_text(run, "abc", length=20, seed=1)
    with pytest.raises(UsageError, match="at least one character"):
        continue_text(run, "")


def test_other_runs_are_refused(tmp_path: Path) -> None:
    run = tw.train("iris", tw.mlp(4), epochs=1, threads=1, device="cpu", out=tmp_path)
    with pytest.raises(UsageError, match="was trained on classification"):
        continue_text(run, "abc")
