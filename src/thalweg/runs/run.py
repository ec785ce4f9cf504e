"""One run as one value: its recipe, trace, findings, model, report and figures."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from thalweg.core import Message, Outcome
from thalweg.data import Dataset, Source
from thalweg.findings import Finding, find_all
from thalweg.model import Built, LayerRow, Model, layer_table, loss_for
from thalweg.report import plot_run, write_report
from thalweg.signals import Trace
from thalweg.train import Folder, Recipe, make_job, predict
from thalweg.train.parameters import ParameterRow, parameter_table


class Run:
    """Read a run from its folder. Everything is looked up when asked for, so a run under way can be read too."""

    def __init__(self, path: Path | str, *, model: Model | nn.Module | None = None) -> None:
        self.folder = Folder(Path(path))
        self.folder.must_exist()
        self._built = Built(module=model) if isinstance(model, nn.Module) else model

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.folder.recipe()

    @property
    def trace(self) -> Trace:
        """What was recorded: columns by step."""
        return self.folder.trace()

    @property
    def outcome(self) -> Outcome:
        """How the run ended; RUNNING while it is under way, and after a kill."""
        return Outcome(self.trace.meta().get("outcome", Outcome.RUNNING))

    @property
    def findings(self) -> list[Finding]:
        """What the trace says is wrong, the worst first."""
        return find_all(self.trace)

    @property
    def said(self) -> list[Message]:
        """What was decided for the user, and how the run ended, in sentences."""
        return [event["message"] for event in self.trace.events()]

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The metrics of the final weights on validation and test data; of the last evaluation while under way."""
        scores: dict[str, dict[str, float]] = {}
        for row in self.trace.evaluations():
            scores.setdefault(row["split"], {})[row["metric"]] = row["value"]
        if "final-validation" in scores:
            scores["validation"] = scores.pop("final-validation")
        return scores

    @property
    def model(self) -> nn.Module:
        """The trained network: the best weights where the run kept them."""
        return self.folder.module(self._built)

    def predict(self, data: Source | Dataset | np.ndarray | Any) -> np.ndarray:
        """Return predictions for new data, prepared as the training data were: class names, or values in their unit."""
        preparation = self.folder.preparation()
        return preparation.decode(predict(self.model, preparation.encode(data)))

    def layers(self) -> list[LayerRow]:
        """Return a row for each layer: shapes, parameters, statistics of its activations and gradients on a batch."""
        recipe, preparation = self.recipe, self.folder.preparation()
        dataset = recipe.data.load()
        x, y = preparation.encode(dataset)[:256], preparation.encode_targets(dataset)[:256]
        loss = recipe.loss or loss_for(preparation.task, preparation.num_outputs)
        return layer_table(self.model, x, targets=y, loss_fn=loss.total)

    def parameters(self) -> list[ParameterRow]:
        """Return a row for each parameter: its role, whether it trains, its shares of rate and decay."""
        return parameter_table(make_job(self.recipe, fresh=False))

    def plot(self) -> Figure:
        """Draw the curves of the run."""
        return plot_run(self.folder)

    def report(self, path: Path | str | None = None, *, lang: str | None = None) -> Path:
        """Write the report as one HTML file, `report.html` in the run's folder by default; return its path."""
        place = Path(path) if path else self.path / "report.html"
        return write_report(self.folder, place, lang=lang, model=self._built)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.outcome.value})"
