"""What classifier and regressor share: parameters, the way into the engine, the way out of it."""

import copy
import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from thalweg.core import DataError, Outcome
from thalweg.core.random import undisturbed
from thalweg.data import Dataset, Preparation, Scaler
from thalweg.estimators import learning
from thalweg.estimators.inner import changed, inner_params, take_apart
from thalweg.estimators.outputs import exact_outputs
from thalweg.estimators.process import choose_seed, set_threads
from thalweg.estimators.saved import read_estimator, write_estimator
from thalweg.model import Loss, Model
from thalweg.rules import Rule
from thalweg.schedules import Schedule
from thalweg.train import EarlyStopping, Job


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Train by our engine, in memory, under scikit-learn's conventions."""

    module_: nn.Module
    preparation_: Preparation
    n_iter_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    seed_: int
    threads_: int
    example_shape_: tuple[int, ...]
    _learned: learning.Learned

    def __init__(  # noqa: PLR0913 - scikit-learn reads the parameters of an estimator from this signature
        self,
        model: Model | nn.Module | None = None,
        *,
        rule: Rule | None = None,
        schedule: Schedule | None = None,
        scaler: Scaler | None = None,
        loss: Loss | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        stop: EarlyStopping | bool | None = None,
        validation_fraction: float = 0.15,
        windows: int = 1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        threads: int | None = None,
        compile: bool = False,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        """Store the parameters; what is None is decided by `fit` from the data.

        `rule` None is AdamW with a decay that falls with the number of examples a feature; `epochs` None at
        least 1200 steps. The fields of a component are parameters too: `rule__lr`, `model__dropout`; on a
        `rule`, `schedule` or `stop` without a component they start from that of `tw.train`.

        No example is held back unless `stop` asks for early stopping (True, or an `EarlyStopping`): then
        `validation_fraction` of them decides when to stop, and the best weights come back.

        `random_state` a whole number repeats a fit bit for bit; None takes a fresh seed, kept in `seed_`, and
        leaves numpy's generator alone. `threads` None takes one for small work and for large what is found to
        be fastest, once a process; `threads_` says which. `warm_start` starts a fit from the weights and the
        scaling of the last one. `compile` is for fits so long that compiling pays.
        """
        self.model = model
        self.rule = rule
        self.schedule = schedule
        self.scaler = scaler
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.stop = stop
        self.validation_fraction = validation_fraction
        self.windows = windows
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.threads = threads
        self.compile = compile
        self.warm_start = warm_start
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with `deep` also the fields of the components among them."""
        params: dict[str, Any] = super().get_params(deep=False)
        return params | inner_params(params) if deep else params

    def set_params(self, **params: Any) -> Self:  # scikit-learn's signature
        """Set parameters; `rule__lr` puts a changed copy of the rule in its place."""
        own, inner = take_apart(params)
        unknown = {name: None for name in inner if name not in self._get_param_names()}
        super().set_params(**(own | unknown))
        for name, fields in inner.items():
            setattr(self, name, changed(name, getattr(self, name), fields))
        return self

    @abstractmethod
    def _dataset(self, X: np.ndarray, y: np.ndarray) -> Dataset:
        """Return checked arrays as a dataset."""

    def _train(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on checked arrays."""
        again = self._goes_on()
        dataset = self._dataset(X, y)
        with undisturbed():
            job = learning.prepare_job(self.get_params(deep=False), dataset, choose_seed(self.random_state))
            if again:
                learning.take_over(job, dataset, self.module_, self.preparation_)
            self.threads_ = set_threads(job, self.threads)
            self._say(job)
            story = learning.run(job, self.verbose)
        self._keep(job)
        self.example_shape_ = X.shape[1:]
        self.n_iter_, self.loss_curve_ = len(story.losses), story.losses
        self.validation_scores_ = story.scores if job.recipe.stop else None
        if story.outcome is Outcome.DIVERGED:
            cure = "Lower the rate, set_params(rule__lr=...), or scale the data"
            said = f"The loss is no longer a number after {job.state.step} steps. {cure}."
            warnings.warn(said, ConvergenceWarning, stacklevel=3)
        return self

    def _pass_over(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Take one pass over checked arrays, on from where the estimator is."""
        dataset = self._dataset(X, y)
        with undisturbed():
            if not self.__sklearn_is_fitted__():
                self._begin(dataset)
                self.example_shape_ = X.shape[1:]
            self._must_have_shape(X)
            torch.set_num_threads(self.threads_)
            loss = learning.pass_over(dataset, self.module_, self.preparation_, self._learned, number=self.n_iter_)
        self.n_iter_ += 1
        self.loss_curve_.append(loss)
        return self

    def _begin(self, dataset: Dataset) -> None:
        if len(dataset) < 2:
            cure = "give two or more, from which the scaling is learnt"
            raise DataError(f"`partial_fit` got one sample in its first call; {cure}.")
        params = self.get_params(deep=False) | {"stop": None, "epochs": 1, "compile": False}
        job = learning.prepare_job(params, self._stand_in(dataset), choose_seed(self.random_state))
        self.threads_ = set_threads(job, self.threads)
        self._say(job)
        self._keep(job)
        learning.own_memory(job.state)
        self.n_iter_, self.loss_curve_, self.validation_scores_ = 0, [], None

    def _stand_in(self, dataset: Dataset) -> Dataset:
        """Return the dataset to make a job from; the first batch of many need not hold every class."""
        return dataset

    def _keep(self, job: Job) -> None:
        self.module_, self.preparation_ = job.state.module, job.data.preparation
        self._learned = learning.learned(job)
        self.seed_ = job.recipe.seed

    def _say(self, job: Job) -> None:
        if self.verbose:
            print(*job.said, sep="\n")

    def _goes_on(self) -> bool:
        return bool(self.warm_start) and self.__sklearn_is_fitted__()

    def _outputs(self, X: Any) -> Tensor:
        """Return the network's outputs for examples, (N, K) float64."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        self._must_have_shape(X)
        inputs = self.preparation_.encode(X)
        return exact_outputs(self.module_, inputs, traceable=type(self._learned.model).traceable)

    def _must_have_shape(self, X: np.ndarray) -> None:
        if X.shape[1:] != self.example_shape_:
            shapes = f"{X.shape}, the estimator was fitted on (N, {', '.join(map(str, self.example_shape_))})"
            raise DataError(f"X has shape {shapes}; give examples of the same shape.")

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator as one safetensors file, without pickle.

        Raises `UsageError` for a parameter that a file cannot hold: a module, a RandomState.
        """
        check_is_fitted(self)
        write_estimator(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; nothing is unpickled. Raises `RunError` for a damaged or foreign file."""
        estimator = cls()
        read_estimator(estimator, Path(path))
        return estimator

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out where the weights lie: a pickle from a GPU can be read without one."""
        state: dict[str, Any] = super().__getstate__()
        if "module_" in state and any(weight.is_cuda for weight in self.module_.parameters()):
            state = state | {"module_": copy.deepcopy(self.module_).cpu()}
        return state
