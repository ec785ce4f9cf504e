"""Colours of heat maps: transparent where all is usual, so that they suit a light page and a dark one.

Blue and orange differ for every kind of colour blindness; strength is opacity.
"""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLUE = (38, 110, 182)
ORANGE = (222, 112, 20)
GREY = (128, 128, 128)
_UNKNOWN = 0.16  # opacity of what was not measured

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float64]


def one_way(share: Numbers, colour: tuple[int, int, int]) -> Pixels:
    """Shade shares in [0, 1] from nothing to a colour; returns (..., 4) RGBA."""
    return two_way(share, below=colour, above=colour)


def two_way(place: Numbers, *, below: tuple[int, int, int] = BLUE, above: tuple[int, int, int] = ORANGE) -> Pixels:
    """Shade places in [-1, 1]: nothing at 0, one colour below, another above; NaN is grey."""
    known = np.isfinite(place)
    strength = np.abs(np.where(known, place, 0.0)).clip(0, 1)
    pixels = np.empty((*place.shape, 4), dtype=np.float64)
    pixels[..., :3] = np.where((place > 0)[..., None], above, below)
    pixels[..., 3] = 255 * strength
    pixels[~known] = (*GREY, 255 * _UNKNOWN)
    return pixels.round().astype(np.uint8)


def png(pixels: Pixels) -> str:
    """Return (H, W, 4) pixels as a data address."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return address(file.getvalue())


def address(image: bytes) -> str:
    """Return a PNG as a data address, which a page can show without fetching anything."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")
