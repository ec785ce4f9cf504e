"""Each test runs in an empty folder of its own, in English."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from thalweg.cli import front
from thalweg.core import set_language


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "THALWEG_DEBUG", "THALWEG_LANG"):
        monkeypatch.delenv(name, raising=False)
    path = list(sys.path)
    set_language("en")
    yield tmp_path
    set_language(None)
    sys.path[:] = path


@pytest.fixture
def call() -> Any:
    """Call `thalweg ...` in this process."""

    def run(*args: str) -> Result:
        return CliRunner().invoke(front, list(args))

    return run


@pytest.fixture
def fails(call: Any) -> Any:
    """Call `thalweg ...`, which must end with exit code 2 and one sentence on stderr; return the sentence."""

    def run(*args: str) -> str:
        result = call(*args)
        said = result.stderr.strip()
        assert result.exit_code == 2, said
        assert len(said.splitlines()) == 1 and said.startswith("error: "), said
        assert "Traceback" not in said
        return said.removeprefix("error: ")

    return run


@pytest.fixture
def start() -> Any:
    """Start `thalweg ...` as a process of its own."""

    def run(*args: str, **environment: str) -> subprocess.Popen[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "THALWEG_LANG": "en", **environment}
        command = [sys.executable, "-m", "thalweg", *args]
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run
