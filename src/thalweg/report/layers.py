"""What went on inside: one signal of all layers over time.

Axis letters: L layers, S sampled steps.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.signals import Trace

SIGNALS = ("update_ratio", "act_std", "grad_norm", "dead", "saturated")
SHARES = ("dead", "saturated")  # signals that lie in [0, 1]
MOST_SAMPLES = 96
MOST_LAYERS = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Heat:
    """Hold one signal: `values` (L, S) for `layers` (L) at `steps` (S); NaN where nothing was measured."""

    signal: str
    layers: tuple[str, ...]
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    left_out: int = 0
    """Layers beyond the number that can be shown."""

    @property
    def finite(self) -> NDArray[np.float64]:
        return self.values[np.isfinite(self.values)]

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to see: a share that was 0 everywhere."""
        return not len(self.finite) or (self.signal in SHARES and not self.finite.any())


def read_layers(trace: Trace) -> tuple[Heat, ...]:
    """Read the signals of layers; those that no layer has are left out."""
    rows = trace.layers()
    heats = [_heat(signal, [row for row in rows if row["signal"] == signal]) for signal in SIGNALS]
    return tuple(heat for heat in heats if len(heat.finite))


def _heat(signal: str, rows: Sequence[dict[str, Any]]) -> Heat:
    steps = sorted({row["step"] for row in rows})
    if len(steps) > MOST_SAMPLES:
        steps = [steps[k] for k in np.linspace(0, len(steps) - 1, MOST_SAMPLES).round().astype(int)]
    known = dict.fromkeys(row["layer"] for row in rows if row["value"] is not None)
    layers, column = list(known), {step: k for k, step in enumerate(steps)}
    place = {layer: k for k, layer in enumerate(layers[:MOST_LAYERS])}
    values = np.full((len(place), len(steps)), np.nan)
    for row in rows:
        if row["step"] in column and row["layer"] in place and row["value"] is not None:
            values[place[row["layer"]], column[row["step"]]] = row["value"]
    return Heat(
        signal=signal,
        layers=tuple(place),
        steps=np.array(steps, dtype=np.float64),
        values=values,
        left_out=len(layers) - len(place),
    )
