"""A step of every rule, the rule alone: `tw.optim` and the trainer beside torch's loop, foreach and fused paths.

    python benchmarks/rules.py [--rounds 21] [--threads 1 2] [--sizes 9k 1M 10M] [--few]

All get the same gradients, which stay. Three rules are raced at three sizes against every path of torch's; every other
rule once at 9k and 1M, against the best path of torch's class where there is one. On a machine with a GPU the same
again there. Newton's methods need a Hessian and are left out. Ratios below 1 are for us.
"""

import argparse
import functools
import itertools
import math
import statistics
from collections.abc import Callable

import torch
from timing import Timing, keep, race, table
from torch import nn

import thalweg as tw
from thalweg.rules import RULES, SGD, Around, Rule
from thalweg.train.fused import fused_step
from thalweg.train.state import begin

WIDTHS = {"9k": (64, 64, 64, 10), "1M": (512, 512, 512, 512, 512), "10M": (1024,) * 11}
STEPS = {"9k": 100, "1M": 5, "10M": 1}
MAIN: dict[str, Rule] = {
    "SGD+momentum": tw.rules.SGD(lr=1e-3, momentum=0.9),
    "Adam": tw.rules.Adam(),
    "AdamW": tw.rules.AdamW(),
}
TORCH: dict[str, tuple[str, dict[str, object]]] = {
    "SGD+momentum": ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "adadelta": ("Adadelta", {}),
    "adafactor": ("Adafactor", {}),
    "adagrad": ("Adagrad", {}),
    "adamax": ("Adamax", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "rmsprop": ("RMSprop", {}),
}
"""Muon is raced in muon.py: torch's takes matrices alone, and bfloat16."""
PATHS = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
Run = Callable[[int], None]


def network(size: str, device: str) -> nn.Module:
    """Return an MLP whose parameters have gradients."""
    torch.manual_seed(0)
    layers = [nn.Linear(width, after) for width, after in itertools.pairwise(WIDTHS[size])]
    module = nn.Sequential(*layers).to(device)
    for param in module.parameters():
        param.grad = torch.randn_like(param)
    return module


def steps_of(step: Callable[[], object], device: str) -> Run:
    def run(count: int) -> None:
        for _ in range(count):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def theirs(kind: str, fields: dict[str, object], path: dict[str, bool], size: str, device: str) -> Run | None:
    """Return torch's class on one of its paths; None where it has no such path."""
    try:
        optimizer = getattr(torch.optim, kind)(network(size, device).parameters(), **fields, **path)
        optimizer.step()
    except (TypeError, RuntimeError):
        return None
    return steps_of(optimizer.step, device)


def ours(rule: Rule, size: str, device: str) -> Run:
    optimizer = tw.optim.from_rule(rule, network(size, device).parameters())
    if not optimizer.rule.name == "sam":
        return steps_of(optimizer.step, device)
    params = [param for group in optimizer.param_groups for param in group["params"]]
    grads = [param.grad for param in params]

    def closure() -> float:
        for param, grad in zip(params, grads, strict=True):
            param.grad = grad
        return 0.0

    return steps_of(functools.partial(optimizer.step, closure), device)


def trainer(rule: Rule, size: str, device: str) -> Run:
    """The update as `tw.train` does it: one flat tensor for a small network, torch's kernel for a large one."""
    module = network(size, device)
    grads = {name: param.grad for name, param in module.named_parameters() if param.grad is not None}
    state, hyper = begin(module, rule), rule.hyper()
    if state.is_flat:
        grads = {"flat": torch.cat([grad.reshape(-1) for grad in grads.values()])}
    kernel = fused_step(state)

    def step() -> None:
        with torch.inference_mode():
            if kernel is not None:
                kernel(grads, state.memory, hyper, state.step)
            else:
                change, state.memory = state.fitted.update(grads, state.memory, state.params, hyper, state.step)
                for name, param in state.params.items():
                    param.add_(change[name])
        state.step += 1

    return steps_of(step, device)


def contenders(name: str, rule: Rule, size: str, device: str) -> dict[str, Run]:
    kind, fields = TORCH.get(name, ("", {}))
    found = {path: theirs(kind, fields, flags, size, device) for path, flags in PATHS.items()} if kind else {}
    kept = {f"torch {path}": run for path, run in found.items() if run is not None}
    kept["tw.optim"] = ours(rule, size, device)
    if name in MAIN:
        kept["trainer"] = trainer(rule, size, device)
    return kept


def ratio(timings: dict[str, Timing], name: str = "tw.optim") -> float:
    """Return our time over the best of torch's, round by round, in the median; NaN where torch has no such rule."""
    theirs = [timing for path, timing in timings.items() if path.startswith("torch")]
    if not theirs:
        return math.nan
    best = min(theirs, key=lambda timing: timing.median)
    return statistics.median(a / b for a, b in zip(timings[name].rounds, best.rounds, strict=True))


def default(kind: type[Rule]) -> Rule:
    return kind(rule=SGD(momentum=0.9)) if issubclass(kind, Around) else kind()


def measure(device: str, sizes: list[str], rounds: int, *, few: bool) -> dict[str, dict[str, Timing]]:
    found: dict[str, dict[str, Timing]] = {}
    for (name, rule), size in itertools.product(MAIN.items(), sizes):
        found[f"{name}, {size}"] = race(contenders(name, rule, size, device), steps=STEPS[size], rounds=rounds)
        print(table(f"\n{name}, {size}, {device}", found[f"{name}, {size}"], base="tw.optim"), flush=True)
    others = (
        {} if few else {k: default(v) for k, v in RULES.items() if not v.needs_hessian and k not in ("adam", "adamw")}
    )
    for (name, rule), size in itertools.product(others.items(), [size for size in sizes if size != "10M"]):
        steps = max(STEPS[size] // (20 if name in ("soap", "muon") else 2), 1)
        found[f"{name}, {size}"] = race(contenders(name, rule, size, device), steps=steps, rounds=max(rounds // 2, 3))
    return found


def summary(title: str, found: dict[str, dict[str, Timing]]) -> str:
    lines = [title, f"{'':32s}{'tw.optim, µs':>14s}{'/ best of torch':>17s}{'trainer / best':>16s}"]
    for name, timings in found.items():
        own = f"{ratio(timings):17.2f}" if not math.isnan(ratio(timings)) else f"{'–':>17s}"
        last = f"{ratio(timings, 'trainer'):16.2f}" if "trainer" in timings else ""
        lines.append(f"{name:32s}{timings['tw.optim'].median * 1e6:14.1f}{own}{last}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--threads", type=int, nargs="*", default=[1])
    parser.add_argument("--sizes", nargs="*", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--few", action="store_true", help="the three rules alone")
    given = parser.parse_args()
    kept: dict[str, object] = {}
    for threads in dict.fromkeys(given.threads):
        torch.set_num_threads(threads)
        title = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        found = measure("cpu", given.sizes, given.rounds, few=given.few)
        print(summary(f"\n{title}", found))
        kept[title] = found
    if torch.cuda.is_available():
        found = measure("cuda", given.sizes, given.rounds, few=given.few)
        print(summary(f"\n{torch.cuda.get_device_name()}", found))
        kept[torch.cuda.get_device_name()] = found
    keep("rules.json", kept)


if __name__ == "__main__":
    main()
