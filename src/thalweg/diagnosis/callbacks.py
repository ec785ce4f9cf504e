"""The watch for trainers of others: Lightning and the Hugging Face Trainer."""

from typing import Any

from thalweg.core import optional
from thalweg.diagnosis.answer import Diagnosis
from thalweg.diagnosis.loop import watch


class _Watching:
    """Hold a watch that lasts for one `fit`; `diagnosis` is the answer once it has ended."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._watch: watch | None = None
        self.diagnosis: Diagnosis | None = None

    def begin(self) -> None:
        self._watch = watch(budget=self._budget)
        self._watch.__enter__()

    def end(self, error: BaseException | None = None) -> None:
        if self._watch is not None:
            self._watch.__exit__(type(error) if error else None, error, None)
            self.diagnosis, self._watch = self._watch.diagnose(), None


def lightning_callback(*, budget: float = 60.0) -> Any:
    """Return a callback for `lightning.Trainer(callbacks=[...])`; its `diagnosis` is the answer after `fit`.

    Raises `MissingPackage` without lightning.
    """
    lightning = optional("lightning.pytorch", extra="lightning", purpose="lightning_callback()")
    held = _Watching(budget)

    class Diagnose(lightning.Callback):  # type: ignore[misc, name-defined]
        """Watch a fit."""

        @property
        def diagnosis(self) -> Diagnosis | None:
            return held.diagnosis

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            held.begin()

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            held.end()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            held.end(exception)

    return Diagnose()


def trainer_callback(*, budget: float = 60.0) -> Any:
    """Return a callback for `transformers.Trainer(callbacks=[...])`; its `diagnosis` is the answer after `train`.

    Raises `MissingPackage` without transformers.
    """
    transformers = optional("transformers", extra="hf", purpose="trainer_callback()")
    held = _Watching(budget)

    class Diagnose(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        """Watch a training."""

        @property
        def diagnosis(self) -> Diagnosis | None:
            return held.diagnosis

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            held.begin()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            held.end()

    return Diagnose()
