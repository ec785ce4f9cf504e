"""How many processor threads a network wants: small ones are many times slower on two than on one. Measured, not
guessed.
"""

import math
import time

import torch

from thalweg.train.job import Epoch, Job
from thalweg.train.loop import fix_generators, start_epoch

BUDGET = 0.12  # seconds of steps for each number of threads
WORTH = 1.25  # times as fast as one thread
SLOW_STEP = 0.5  # seconds; a step this slow has work for all threads, and one thread would take long to try


def calibrate(job: Job) -> tuple[int, dict[int, float]]:
    """Return the number of threads on which a step is fastest, and the seconds of a step on each that was tried.

    The steps are taken for real and taken back: the state is as before afterwards, bit for bit. More threads must win
    by a quarter: on a busy machine threads wait for each other, and two that gain a little become many times slower
    than one. The number of threads stays set.
    """
    most = torch.get_num_threads()
    if most == 1 or job.device.type != "cpu":
        return most, {}
    kept = _keep(job)
    epoch = start_epoch(job, 0)
    seconds: dict[int, float] = {}
    for threads in (most, 1):
        torch.set_num_threads(threads)
        seconds[threads] = _time_a_step(job, epoch)
        if seconds[most] > SLOW_STEP:
            break
    _put_back(job, kept)
    chosen = 1 if seconds.get(1, math.inf) < seconds[most] * WORTH else most
    torch.set_num_threads(chosen)
    return chosen, seconds


def _time_a_step(job: Job, epoch: Epoch) -> float:
    """Return the fastest of some steps: on a busy machine the median tells more of the others than of the threads."""
    block = job.augmented(epoch.block(0))
    moves = job.moves(0, len(block.sizes))
    times: list[float] = []
    fix_generators(job.recipe.seed, 0)
    job.stepper.take(block, moves)  # recording and first touches are not what a step costs
    while len(times) < 3 or sum(times) < BUDGET:
        start = time.perf_counter()
        job.stepper.take(block, moves)
        times.append(time.perf_counter() - start)
        if times[0] > SLOW_STEP:
            break
    return min(times) / len(block.sizes)


def _keep(job: Job) -> tuple[object, ...]:
    state = job.state
    weights = {name: tensor.clone() for name, tensor in state.weights().items()}
    memory = {slot: {name: t.clone() for name, t in content.items()} for slot, content in state.memory.items()}
    return weights, memory, state.step


def _put_back(job: Job, kept: tuple[object, ...]) -> None:
    state = job.state
    weights, state.memory, state.step = kept  # type: ignore[assignment]
    state.put_weights(weights)  # type: ignore[arg-type]
