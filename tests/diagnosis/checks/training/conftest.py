"""What training say is decided by experiments: neither the clock nor other programs may."""

import pytest


@pytest.fixture(autouse=True)
def _calm(no_clock_decides):
    """Look at the same steps and end no experiment early."""
