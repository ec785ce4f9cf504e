"""A run under way: iterate over it to train; every snapshot is recorded before you see it.

session = start(recipe, out=Path("runs"))
for snapshot in session:            # leave with `break`, or call session.stop(): the run is saved and can go on
    ...
"""

import atexit
import dataclasses
import platform
import weakref
from collections.abc import Iterator
from pathlib import Path

import torch

from thalweg.core import Message, Outcome, RunError, make_folder, message, write_atomically
from thalweg.core.random import undisturbed
from thalweg.core.version import VERSION
from thalweg.data import Arrays, Frame, Source
from thalweg.model import Model
from thalweg.train.folder import Folder, new_folder
from thalweg.train.job import Job
from thalweg.train.loop import Snapshot, advance, better, give_back, score, settle
from thalweg.train.making import make_job
from thalweg.train.recipe import Recipe
from thalweg.train.recipe_file import found_from, with_paths, write_recipe
from thalweg.train.recording import Recorder, describe_end
from thalweg.train.threads import calibrate
from thalweg.train.transfer import Transfer

_UNDER_WAY: "weakref.WeakSet[Iterator[Snapshot]]" = weakref.WeakSet()


@atexit.register
def _end_what_is_under_way() -> None:
    """Save the runs that a program leaves in the middle when it ends, while Python can still write them."""
    for steps in list(_UNDER_WAY):
        steps.close()  # type: ignore[attr-defined]  # a generator


class Session:
    """Train by being iterated over. Threads and generators of the process are as before when it is done."""

    def __init__(self, job: Job, folder: Folder, *, resume: bool) -> None:
        self.job, self.folder = job, folder
        self._lock = folder.lock()
        try:
            self._recorder = Recorder(job, folder)
            self._seconds = self._recorder.resume() if resume else 0.0
        except BaseException:
            self._lock.close()
            raise
        self._asked_to_stop = False
        self.outcome = Outcome.RUNNING
        self.told: list[Message] = []

    def stop(self) -> None:
        """Ask for an end after the step under way; the run is saved and can go on. Safe in a signal handler."""
        self._asked_to_stop = True

    def __iter__(self) -> Iterator[Snapshot]:
        steps = self._steps()
        _UNDER_WAY.add(steps)
        return steps

    def _steps(self) -> Iterator[Snapshot]:
        with undisturbed(), self._lock:
            if self.job.recipe.threads and self.job.device.type == "cpu":
                torch.set_num_threads(self.job.recipe.threads)
            try:
                for snapshot in advance(self.job, seconds=self._seconds):
                    self._recorder.see(snapshot)
                    self.outcome = snapshot.outcome
                    yield snapshot
                    if self._asked_to_stop and self.outcome is Outcome.RUNNING:
                        break
                self._end()
            except GeneratorExit:  # the caller left with `break`
                self._end()
            except BaseException:  # a step under way may be half done: the last checkpoint is what can go on
                self._recorder.finish(Outcome.INTERRUPTED)
                raise

    def _end(self) -> None:
        """Save; where training is over, give the best weights back and see what the test data say."""
        job, recorder = self.job, self._recorder
        if self.outcome is Outcome.RUNNING:
            self.outcome = Outcome.FINISHED if job.state.step >= job.num_steps else Outcome.INTERRUPTED
        if self.outcome is not Outcome.INTERRUPTED:
            settle(job)
        recorder.save()
        if self.outcome is Outcome.INTERRUPTED:
            ending = message("train.interrupted", step=job.state.step, run=str(self.folder.path))
            told: list[tuple[str, Message, object]] = [("outcome", ending, None)]
        else:
            recorder.look_last()
            restored = give_back(job)
            for split, part in (("final-validation", job.data.validation), ("test", job.data.test)):
                if len(part):
                    recorder.test(score(job, part), split=split)
            told = describe_end(job, self.outcome, restored)
        for kind, sentence, data in told:
            recorder.trace.event(job.state.step, kind, sentence, data)
            self.told.append(sentence)
        recorder.finish(self.outcome)


def start(recipe: Recipe, *, out: Path, folder: Path | None = None) -> Session:
    """Begin a new run in the next free folder under `out`, or in `folder`, which must be new or empty."""
    job = make_job(recipe)
    if job.recipe.stop:
        better(job, job.recipe.stop.metric)  # refuses an unknown metric before there is a folder
    place = _claim(folder) if folder else new_folder(out, recipe.data.name)
    with undisturbed():
        threads, seconds = calibrate(job) if recipe.threads is None else (recipe.threads, {})
    job.recipe = dataclasses.replace(job.recipe, threads=threads)
    if job.device.type == "cpu":
        job.said = (*job.said, _say_threads(threads, seconds))
    job.data.preparation.save(place.preparation_file)
    on_disk = dataclasses.replace(job.recipe, data=_on_disk(recipe.data, place), transfer=_absolute(recipe.transfer))
    made_with = {
        "thalweg": VERSION,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    made_with["data"] = found_from(on_disk.data, place.path).fingerprint()
    write_atomically(place.recipe_file, write_recipe(on_disk, made_with))
    session = Session(job, place, resume=False)
    for sentence in job.said:
        session._recorder.trace.event(0, "said", sentence)
    return session


def resume(path: Path, *, model: Model | None = None) -> Session:
    """Go on with a run where it was when it was stopped or killed: the result is that of a run never stopped.

    `model` is needed where the network came from Python. Raises `RunError` if nothing is left to do, if the folder is
    no run, or if another process is training it.
    """
    folder = Folder(path)
    recipe = folder.recipe()
    if model is not None:
        recipe = dataclasses.replace(recipe, model=model)
    outcome = folder.trace().meta().get("outcome") if folder.trace_file.exists() else None
    if outcome not in (None, Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.BUDGET):
        raise RunError(message("train.finished_before", run=str(path)).text())
    _check_data(folder, recipe)
    begun = folder.last_checkpoint.exists()
    job = make_job(recipe, fresh=not begun)
    session = Session(job, folder, resume=begun)
    session.told.append(message("train.resumed", step=job.state.step))
    return session


def _on_disk(source: Source, place: Folder) -> Source:
    """Return the source as the recipe on disk names it: data from memory are saved with the run, paths made
    absolute.
    """
    if isinstance(source, Arrays | Frame):
        saved = source.save(place.path / ("data.npz" if isinstance(source, Arrays) else "data.parquet"))
        return dataclasses.replace(saved, path=Path(saved.path).name)  # type: ignore[attr-defined, type-var]
    return with_paths(source, lambda path: str(Path(path).absolute()))


def _absolute(transfer: Transfer | None) -> Transfer | None:
    return None if transfer is None else dataclasses.replace(transfer, source=str(Path(transfer.source).absolute()))


def _check_data(folder: Folder, recipe: Recipe) -> None:
    """Raise `RunError` if the data are no longer those that the run began with."""
    before = folder.made_with().get("data", "")
    if before and recipe.data.fingerprint() != before:
        cure = "bring the old file back, or start a new run"
        raise RunError(f"The data of {folder.path} have changed since it began; {cure}.")


def _claim(path: Path) -> Folder:
    make_folder(path)
    if any(path.iterdir()):
        raise RunError(f"{path} is not empty; choose a new folder, or go on with it: thalweg train --resume {path}.")
    return Folder(path)


def _say_threads(threads: int, seconds: dict[int, float]) -> Message:
    if not seconds:
        return message("train.threads_kept", threads=threads)
    times = ", ".join(f"{count}: {value * 1e3:.3g} ms" for count, value in sorted(seconds.items()))
    return message("train.threads", threads=threads, times=times)
