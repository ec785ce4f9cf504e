"""What comes into an image from outside when it is moved."""

from typing import Literal

Fill = Literal["edge", "zero"]
"""Repeat the nearest pixel of the border, or put 0, which after standardising is the mean."""
