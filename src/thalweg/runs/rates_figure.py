"""The figure of a range test."""

import numpy as np
from matplotlib.figure import Figure


def draw_rates(rates: np.ndarray, losses: np.ndarray, *, proposed: float | None) -> Figure:
    """Draw each seed's smoothed loss over the rate, the band between them, and the rate that is proposed."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    known = np.isfinite(losses).all(axis=0)
    for row in losses:
        axes.plot(rates, row, color="tab:blue", alpha=0.35, linewidth=1)
    if known.any():
        low, high, mean = (reckon(losses[:, known], axis=0) for reckon in (np.min, np.max, np.mean))
        axes.fill_between(rates[known], low, high, color="tab:blue", alpha=0.15, linewidth=0)
        axes.plot(rates[known], mean, color="tab:blue", linewidth=2)
        start = float(mean[0])
        floor = float(np.min(low))
        axes.set_ylim(floor - 0.1 * abs(start - floor) - 1e-9, start + 1.2 * abs(start - floor) + 1e-9)
    if proposed is not None:
        axes.axvline(proposed, color="tab:orange", linewidth=1.5)
        axes.annotate(f"{proposed:.2g}", (proposed, 1), xycoords=("data", "axes fraction"), xytext=(4, -12),
                      textcoords="offset points", color="tab:orange")  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
