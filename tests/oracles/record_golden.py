"""Record what other libraries do with one fixed problem; not a test, and nothing of thalweg is used.

In an environment of its own, from the repository's root:

    pip install -c constraints.txt torch
    pip install optax jax keras schedulefree prodigyopt lion-pytorch pytorch_optimizer
    python tests/oracles/record_golden.py            # or with names: optax keras schedulefree prodigyopt lion kozistr

Each library is optional: a missing one is skipped and said. Everything is float64. `golden/problem.json` holds the
start, the gradients (drawn as in tests/rules/test_oracles.py) and the curvature of a bowl: cases with gradients "bowl"
see curvature * weights instead. The other files hold one case a line, named in golden_cases.py: the weights after
steps 1, 2, 6, 20 (and 40), row by row. A case's `rates` replaces its learning rate from the step named on.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import golden_cases as tables
import torch

FOLDER = Path(__file__).parent / "golden"
KEPT = (1, 2, 6, 20, 40)
STEPS = 40
SHAPES = {"w": (7, 5), "b": (5,), "z": (3,), "wide": (4, 6), "square": (5, 5)}
"""A tall matrix, a vector, one that starts at zero, a wide matrix, a square one whose gradients are all of a size."""


def make_problem():
    problem = {"start": {}, "gradients": {}, "curvature": {}}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        count = torch.Size(shape).numel()
        generator = torch.Generator().manual_seed(2 * seed + 1)
        scales = torch.logspace(-3, 2, count, dtype=torch.float64).reshape(shape)
        scales = torch.ones_like(scales) if name == "square" else scales
        draw = torch.randn(shape, generator=torch.Generator().manual_seed(2 * seed), dtype=torch.float64)
        grads = [torch.randn(shape, generator=generator, dtype=torch.float64) * scales for _ in range(STEPS)]
        problem["start"][name] = (0 * draw if name == "z" else draw).tolist()
        problem["gradients"][name] = [g.tolist() for g in grads]
        problem["curvature"][name] = torch.logspace(-2, 0.5, count, dtype=torch.float64).reshape(shape).tolist()
    return problem


def rate(head, step):
    """Return the rate of step 1, 2, ... of a case with `rates`."""
    return [value for begin, value in head["rates"] if step >= begin][-1]


class Problem:
    """The arrays of one case: `start()` and `gradient(name, weights, step)`, as torch tensors."""

    def __init__(self, problem, head):
        self.names, self.kind = head["params"], head["gradients"]
        tensor = {key: {n: torch.tensor(v[n], dtype=torch.float64) for n in SHAPES} for key, v in problem.items()}
        self.tensor = tensor

    def start(self):
        return {name: self.tensor["start"][name].clone() for name in self.names}

    def gradient(self, name, weights, step):
        if self.kind == "bowl":
            return self.tensor["curvature"][name] * weights
        return self.tensor["gradients"][name][step - 1].clone()


def rows(weights):
    """Return named arrays as flat lists of Python floats."""
    return {
        name: [float(x) for x in torch.as_tensor(value, dtype=torch.float64).reshape(-1).tolist()]
        for name, value in weights.items()
    }


def torch_run(make, head, problem, *, averaged=False, closure=False):
    """Drive a torch.optim-like optimiser; `averaged` records the evaluation weights, too."""
    side = Problem(problem, head)
    params = {name: torch.nn.Parameter(value) for name, value in side.start().items()}
    optimiser = make(list(params.values()), **head["settings"])
    path, evaluated = {}, {}
    for step in range(1, head["steps"] + 1):

        def backward(step=step):
            for name, param in params.items():
                param.grad = side.gradient(name, param.detach(), step)

        if "rates" in head:
            for group in optimiser.param_groups:
                group["lr"] = rate(head, step)
        if averaged:
            optimiser.train()
        backward()
        optimiser.step(backward) if closure else optimiser.step()
        if step in KEPT:
            path[step] = rows({n: p.detach().clone() for n, p in params.items()})
            if averaged:
                optimiser.eval()
                evaluated[step] = rows({n: p.detach().clone() for n, p in params.items()})
                optimiser.train()
    return head | {"path": path} | ({"evaluated": evaluated} if averaged else {})


def optax_make(head):
    import optax
    import optax.contrib

    call, settings = head["call"], dict(head["settings"])
    if "rates" in head:
        settings["learning_rate"] = lambda count: rate_of(head, count)
    if call == "optax.contrib.sam(sgd)":
        adversary = optax.chain(optax.contrib.normalize(), optax.sgd(settings["rho"]))
        return optax.contrib.sam(optax.sgd(settings["learning_rate"]), adversary, sync_period=2)
    if call.startswith("optax.lookahead"):
        fast = {"sgd": optax.sgd, "adam": optax.adam}[call[16:-1]](settings.pop("learning_rate"))
        return optax.lookahead(fast, **settings)
    if call.startswith("optax.clip"):
        sgd = optax.sgd(settings.pop("learning_rate"))
        clip = optax.clip if call == "optax.clip, sgd" else optax.clip_by_global_norm
        return optax.chain(clip(**settings), sgd)
    if head["rule"] == "ema":
        return optax.sgd(settings["learning_rate"])
    where = optax.contrib if "contrib" in call else optax
    return getattr(where, call.rpartition(".")[2])(**settings)


def rate_of(head, count):
    import jax.numpy as jnp

    return jnp.where(count >= head["rates"][1][0] - 1, head["rates"][1][1], head["rates"][0][1])


def optax_run(head, problem):
    import jax.numpy as jnp
    import optax
    import optax.contrib

    side, rule = Problem(problem, head), head["rule"]
    params = {name: jnp.asarray(value.numpy()) for name, value in side.start().items()}
    if rule == "lookahead":
        params = optax.LookaheadParams.init_synced(params)
    rules, path, evaluated = optax_make(head), {}, {}
    state = rules.init(params)
    average = optax.ema(head["settings"]["decay"], debias=head["settings"]["debias"]) if rule == "ema" else None
    average_state = average.init(params) if average else None
    for step in range(1, head["steps"] + 1):
        for _ in range(2 if rule == "sam" else 1):
            at = params.fast if rule == "lookahead" else params
            grads = {
                n: jnp.asarray(side.gradient(n, torch.tensor(p.tolist(), dtype=torch.float64), step).numpy())
                for n, p in at.items()
            }
            updates, state = rules.update(grads, state, params)
            params = optax.apply_updates(params, updates)
        if average:
            mean, average_state = average.update(params, average_state)
        if step in KEPT:
            path[step] = rows({n: p.tolist() for n, p in (params.fast if rule == "lookahead" else params).items()})
            if rule.startswith("schedule-free"):
                evaluated[step] = rows(
                    {n: p.tolist() for n, p in optax.contrib.schedule_free_eval_params(state, params).items()}
                )
            if average:
                evaluated[step] = rows({n: p.tolist() for n, p in mean.items()})
    return head | {"path": path} | ({"evaluated": evaluated} if evaluated else {})


def keras_run(head, problem):
    import keras
    import numpy

    keras.config.set_floatx("float64")
    side = Problem(problem, head)
    params = {n: keras.Variable(v.numpy(), dtype="float64", name=n) for n, v in side.start().items()}
    optimiser = getattr(keras.optimizers, head["call"].rpartition(".")[2])(**head["settings"])
    optimiser.build(list(params.values()))
    path, evaluated = {}, {}
    for step in range(1, head["steps"] + 1):
        if "rates" in head:
            optimiser.learning_rate = rate(head, step)
        now = {n: torch.tensor(numpy.array(p.value)) for n, p in params.items()}
        optimiser.apply(
            [keras.ops.convert_to_tensor(side.gradient(n, v, step).numpy()) for n, v in now.items()],
            list(params.values()),
        )
        if step in KEPT:
            path[step] = rows({n: numpy.array(p.value) for n, p in params.items()})
            if head["rule"] == "ema":
                kept = optimiser._model_variables_moving_average
                evaluated[step] = rows({n: numpy.array(p.value) for n, p in zip(params, kept, strict=True)})
    return head | {"path": path} | ({"evaluated": evaluated} if evaluated else {})


def schedulefree_run(head, problem):
    import schedulefree

    return torch_run(getattr(schedulefree, head["call"].rpartition(".")[2]), head, problem, averaged=True)


def prodigyopt_run(head, problem):
    from prodigyopt import Prodigy

    return torch_run(Prodigy, head, problem)


def lion_run(head, problem):
    from lion_pytorch import Lion

    return torch_run(Lion, head, problem)


def kozistr_run(head, problem):
    import pytorch_optimizer

    name = head["call"].removeprefix("pytorch_optimizer.").partition("(")[0]
    kind = getattr(pytorch_optimizer, name)

    def make(params, **settings):
        if name == "Lookahead":
            return kind(torch.optim.SGD(params, lr=settings.pop("lr")), **settings)
        if name == "SAM":
            return kind(params, torch.optim.SGD, foreach=False, **settings)
        if name == "Muon":
            return kind([{"params": params, "use_muon": True}], foreach=False, **settings)
        return kind(params, **settings)

    return torch_run(make, head, problem, closure=name == "SAM")


LIBRARIES = {
    "optax": ("optax", tables.optax_cases, optax_run),
    "keras": ("keras", tables.keras_cases, keras_run),
    "schedulefree": ("schedulefree", tables.schedulefree_cases, schedulefree_run),
    "prodigyopt": ("prodigyopt", tables.prodigyopt_cases, prodigyopt_run),
    "lion": ("lion-pytorch", tables.lion_cases, lion_run),
    "kozistr": ("pytorch_optimizer", tables.kozistr_cases, kozistr_run),
}


def main(wanted):
    problem = make_problem()
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(f'"{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in problem.items())
    (FOLDER / "problem.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    for name in wanted or LIBRARIES:
        package, cases, run = LIBRARIES[name]
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"{name}: not installed, skipped")
            continue
        records = []
        for head in cases():
            with contextlib.redirect_stdout(io.StringIO()):
                records.append(run(head, problem))
        body = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
        head = f'{{"library": "{package}", "version": "{version}", "torch": "{torch.__version__}", "cases": [\n'
        (FOLDER / f"{name}.json").write_text(head + body + "\n]}\n", encoding="utf-8")
        print(f"{name} {version}: {len(records)} cases")


if __name__ == "__main__":
    main(sys.argv[1:])
