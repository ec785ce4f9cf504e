"""What must be quick to import does not bring torch along."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "import thalweg", "import thalweg; thalweg.__version__; dir(thalweg)", "import thalweg.core",
        "from thalweg.core import say; say('train.diverged', 'zh', step=1)", "import thalweg.signals",
    ],
)  # fmt: skip
def test_torch_stays_out(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
