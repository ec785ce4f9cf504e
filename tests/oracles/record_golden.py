"""Record what other libraries do with one fixed problem; not a test, and nothing of thalweg is used.

In an environment of its own, from the repository's root:

    pip install -c constraints.txt torch
    pip install optax jax keras schedulefree prodigyopt lion-pytorch pytorch_optimizer
    python tests/oracles/record_golden.py            # or with names: optax keras schedulefree prodigyopt lion kozistr

Each library is optional: a missing one is skipped and said. Everything is float64. `golden/problem.json` holds the start,
the gradients (drawn as in tests/rules/test_oracles.py) and the curvature of a bowl: cases with gradients "bowl" see
curvature * weights instead. The other files hold one case a line: the weights after steps 1, 2, 6, 20 (and 40), row by
row. A case's `rates` replaces its learning rate from the step named on.
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

import torch

FOLDER = Path(__file__).parent / "golden"
KEPT = (1, 2, 6, 20, 40)
STEPS = 40
SHAPES = {"w": (7, 5), "b": (5,), "z": (3,), "wide": (4, 6)}
"""A tall matrix, a vector, a vector that starts at zero, a wide matrix."""
LR = 0.03
HEAVY = {"eps": 1e-3, "weight_decay": 0.1}
DROP = [[1, 0.03], [11, 0.003]]


def make_problem():
    problem = {"start": {}, "gradients": {}, "curvature": {}}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        count = torch.Size(shape).numel()
        generator = torch.Generator().manual_seed(2 * seed + 1)
        scales = torch.logspace(-3, 2, count, dtype=torch.float64).reshape(shape)
        draw = torch.randn(shape, generator=torch.Generator().manual_seed(2 * seed), dtype=torch.float64)
        grads = [torch.randn(shape, generator=generator, dtype=torch.float64) * scales for _ in range(STEPS)]
        problem["start"][name] = (0 * draw if name == "z" else draw).tolist()
        problem["gradients"][name] = [g.tolist() for g in grads]
        problem["curvature"][name] = torch.logspace(-2, 0.5, count, dtype=torch.float64).reshape(shape).tolist()
    return problem


def case(rule, call, settings, *, params="wb", gradients="random", steps=20, rates=None):
    """Return the head of a record: what to call with what; `params` "wbz" or a tuple of names."""
    head = {"rule": rule, "call": call, "settings": settings, "params": list(params)}
    head |= {"gradients": gradients, "steps": steps}
    return head | ({"rates": rates} if rates else {})


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
    return {name: [float(x) for x in torch.as_tensor(value).reshape(-1).tolist()] for name, value in weights.items()}


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


def optax_cases():
    beta = {"b1": 0.8, "b2": 0.97}
    adams = [{}, {"eps": 1e-3}, beta]
    lr = {"learning_rate": LR}
    table = {
        "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
        "adagrad": [{}, {"eps": 1e-3}, {"initial_accumulator_value": 0.0}],
        "adadelta": [{}, {"rho": 0.95, "eps": 1e-3, "weight_decay": 0.1}],
        "rmsprop": [
            {},
            {"eps": 1e-3},
            {"decay": 0.99, "eps": 1e-3, "centered": True},
            {"momentum": 0.9},
            {"momentum": 0.9, "nesterov": True},
            {"initial_scale": 1.0},
            {"centered": True, "momentum": 0.9},
            {"eps": 1e-3, "eps_in_sqrt": False, "bias_correction": True},
        ],
        "adam": [*adams, {"eps_root": 1e-3}],
        "adamw": [{}, {**HEAVY, **beta}],
        "adamax": adams,
        "amsgrad": [*adams, {"bias_correction_mu": False, "bias_correction_nu": False}],
        "nadam": adams,
        "nadamw": [{}, {**HEAVY, **beta}],
        "radam": [*adams, {"threshold": 4.0}],
        "adabelief": [{}, beta],
        "lion": [{}, {"b1": 0.95, "b2": 0.98, "weight_decay": 0.1}],
    }
    for rule, choices in table.items():
        for choice in choices:
            yield case(rule, f"optax.{rule}", lr | choice)
    momentum = {"momentum": 0.9}
    yield case("sgd", "optax.sgd", lr | momentum, rates=DROP)
    yield case("rmsprop", "optax.rmsprop", lr | momentum, rates=DROP)
    yield case("lars", "optax.lars", {**lr, **momentum}, params="wbz", rates=DROP)
    for choice in [{}, {"weight_decay": 0.1}, {"momentum": 0.0, "trust_coefficient": 0.02, "eps": 1e-3}]:
        yield case("lars", "optax.lars", lr | choice, params="wbz")
    yield case("lars", "optax.lars", lr | {"weight_decay": 0.1, "nesterov": True}, params="wbz")
    for choice in [{}, HEAVY, {"weight_decay": 0.1, **beta}]:
        yield case("lamb", "optax.lamb", lr | choice, params="wbz")
    small = {"min_dim_size_to_factor": 2}
    for choice in [{}, small, small | {"clipping_threshold": 0.5, "multiply_by_parameter_scale": False}]:
        yield case("adafactor", "optax.adafactor", lr | choice, params=("w", "b", "z", "wide"))
    yield case("adafactor", "optax.adafactor", lr | small | {"weight_decay_rate": 0.1, "decay_rate": 0.5})
    matrices = ("w", "b", "wide")
    for choice in [{}, {"nesterov": False, "beta": 0.8}, {"weight_decay": 0.1}, {"consistent_rms": 0.2}]:
        yield case("muon", "optax.contrib.muon", lr | choice, params=matrices)
    for choice in [{}, {"warmup_steps": 10}, {"weight_decay": 0.1, "b1": 0.8}]:
        yield case("schedule-free-sgd", "optax.contrib.schedule_free_sgd", lr | choice, steps=40)
    for choice in [{}, {"warmup_steps": 10}, {**HEAVY, "b1": 0.95, "b2": 0.97}]:
        yield case("schedule-free-adamw", "optax.contrib.schedule_free_adamw", lr | choice, steps=40)
    far = {"estim_lr0": 1e-2}
    for choice in [{}, far | {"weight_decay": 0.1, "estim_lr_coef": 0.5}, far | {"safeguard_warmup": True}]:
        yield case("prodigy", "optax.contrib.prodigy", choice, params="wbz", gradients="bowl", steps=40)
    for rho in (0.05, 0.5):
        yield case("sam", "optax.contrib.sam(sgd)", lr | {"rho": rho}, gradients="bowl")
    yield case("lookahead", "optax.lookahead(sgd)", lr | {"sync_period": 5, "slow_step_size": 0.5})
    yield case("lookahead", "optax.lookahead(adam)", lr | {"sync_period": 3, "slow_step_size": 0.8})
    yield case("clip-value", "optax.clip, sgd", lr | {"max_delta": 1.0})
    yield case("clip-norm", "optax.clip_by_global_norm, sgd", lr | {"max_norm": 1.0})
    yield case("ema", "optax.ema of the weights, sgd", lr | {"decay": 0.9, "debias": True})
    yield case("ema", "optax.ema of the weights, sgd", lr | {"decay": 0.9, "debias": False})


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


def keras_cases():
    lr, decay = {"learning_rate": LR}, {"weight_decay": 0.1}
    heavy = {"epsilon": 1e-3, **decay}
    beta = {"beta_1": 0.8, "beta_2": 0.97}
    momentum = {"momentum": 0.9}
    table = {
        "SGD": [{}, decay, momentum, {**momentum, "nesterov": True, **decay}],
        "RMSprop": [{}, heavy, {"rho": 0.95, "centered": True}, momentum, {**momentum, "centered": True, **heavy}],
        "Adam": [{}, heavy, beta, {"amsgrad": True}, {"amsgrad": True, "epsilon": 1e-3}],
        "AdamW": [{}, heavy | beta],
        "Adadelta": [{}, heavy | {"rho": 0.9}],
        "Adagrad": [{}, heavy, {"initial_accumulator_value": 0.0}],
        "Adamax": [{}, heavy | beta],
        "Nadam": [{}, heavy | beta],
        "Lion": [{}, decay | {"beta_1": 0.95, "beta_2": 0.98}],
    }
    for call, choices in table.items():
        for choice in choices:
            rule = "amsgrad" if choice.get("amsgrad") else call.lower()
            yield case(rule, f"keras.optimizers.{call}", lr | choice)
    yield case("sgd", "keras.optimizers.SGD", lr | momentum, rates=DROP)
    yield case("sgd", "keras.optimizers.SGD", lr | momentum | {"nesterov": True}, rates=DROP)
    yield case("rmsprop", "keras.optimizers.RMSprop", lr | momentum, rates=DROP)
    everything = ("w", "b", "z", "wide")
    for choice in [{}, decay | {"clip_threshold": 0.5}, {"relative_step": False, "beta_2_decay": -0.5}]:
        yield case("adafactor", "keras.optimizers.Adafactor", lr | choice, params=everything)
    for choice in [{}, heavy | beta]:
        yield case("lamb", "keras.optimizers.Lamb", lr | choice, params="wbz")
    for choice in [{}, {"rms_rate": None, "nesterov": False, "weight_decay": None}]:
        yield case("muon", "keras.optimizers.Muon", lr | choice, params=("w", "b", "wide"))
    for choice in [{}, heavy | {"warmup_steps": 10, "beta_1": 0.95}]:
        yield case("schedule-free-adamw", "keras.optimizers.ScheduleFreeAdamW", lr | choice, steps=40)
    for choice in [{"clipnorm": 1.0}, {"clipvalue": 1.0}, {"global_clipnorm": 1.0}]:
        name = {"clipnorm": "clip-norm-each", "clipvalue": "clip-value", "global_clipnorm": "clip-norm"}[
            next(iter(choice))
        ]
        yield case(name, "keras.optimizers.SGD", lr | choice)
    for choice in [{"ema_momentum": 0.9}, {"ema_momentum": 0.9, "ema_overwrite_frequency": 5}]:
        yield case("ema", "keras.optimizers.SGD", lr | {"use_ema": True} | choice)


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


def schedulefree_cases():
    lr, drop = {"lr": LR, "foreach": False}, [[1, 0.03], [21, 0.003]]
    for choice in [
        {},
        {"momentum": 0.8, "weight_decay": 0.1},
        {"warmup_steps": 10},
        {"r": 1.0, "weight_lr_power": 0.0},
    ]:
        yield case("schedule-free-sgd", "schedulefree.SGDScheduleFree", lr | choice, steps=40)
    yield case("schedule-free-sgd", "schedulefree.SGDScheduleFree", lr, steps=40, rates=drop)
    for choice in [{}, HEAVY | {"betas": [0.95, 0.97]}, {"warmup_steps": 10, "weight_decay": 0.1}]:
        yield case("schedule-free-adamw", "schedulefree.AdamWScheduleFree", lr | choice, steps=40)
    yield case("schedule-free-adamw", "schedulefree.AdamWScheduleFree", lr, steps=40, rates=drop)


def schedulefree_run(head, problem):
    import schedulefree

    return torch_run(getattr(schedulefree, head["call"].rpartition(".")[2]), head, problem, averaged=True)


def prodigyopt_cases():
    far = {"d0": 1e-2}
    for choice in [
        {},
        far,
        far | {"use_bias_correction": True, "weight_decay": 0.1, "d_coef": 0.5},
        far | {"betas": [0.8, 0.97], "eps": 1e-3, "growth_rate": 1.2},
        far | {"safeguard_warmup": True, "weight_decay": 0.1, "decouple": False},
        far | {"beta3": 0.9, "betas": [0.0, 0.999], "lr": 0.5},
    ]:
        yield case("prodigy", "prodigyopt.Prodigy", choice, params="wbz", gradients="bowl", steps=40)


def prodigyopt_run(head, problem):
    from prodigyopt import Prodigy

    return torch_run(Prodigy, head, problem)


def lion_cases():
    for choice in [{}, {"betas": [0.95, 0.98], "weight_decay": 0.1}]:
        yield case("lion", "lion_pytorch.Lion", {"lr": LR} | choice)


def lion_run(head, problem):
    from lion_pytorch import Lion

    return torch_run(Lion, head, problem)


def kozistr_cases():
    lr, plain = {"lr": LR}, {"foreach": False}
    module = "pytorch_optimizer."
    for bound in (False, True):
        for choice in [
            {},
            HEAVY | {"betas": [0.8, 0.97], "final_lr": 0.01, "gamma": 0.1},
            {"weight_decay": 0.1, "weight_decouple": False},
        ]:
            yield case(
                "amsbound" if bound else "adabound", module + "AdaBound", lr | plain | {"ams_bound": bound} | choice
            )
    for choice in [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "nesterov": True, "trust_coefficient": 0.02}]:
        yield case("lars", module + "LARS", lr | plain | choice, params="wbz")
    for choice in [{}, HEAVY | {"weight_decouple": False}]:
        yield case("lamb", module + "Lamb", lr | plain | choice, params="wbz")
    yield case("lion", module + "Lion", lr | plain | {"weight_decay": 0.1})
    for choice in [
        {},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ]:
        yield case("sgdw", module + "SGDW", lr | plain | choice)
    for choice in [{}, HEAVY | {"degenerated_to_sgd": True}]:
        yield case("radam", module + "RAdam", lr | plain | choice)
    for choice in [{}, {"relative_step": False, "scale_parameter": False, "clip_threshold": 0.5, "weight_decay": 0.1}]:
        yield case(
            "adafactor",
            module + "AdaFactor",
            lr | plain | {"betas": [None, 0.999]} | choice,
            params=("w", "b", "z", "wide"),
        )
    yield case(
        "adafactor",
        module + "AdaFactor",
        plain | {"betas": [None, 0.999], "warmup_init": True},
        params=("w", "b", "z", "wide"),
    )
    for choice in [
        {},
        {"precondition_frequency": 3, "weight_decay": 0.1},
        {"precondition_frequency": 1, "betas": [0.9, 0.99], "shampoo_beta": 0.8, "eps": 1e-3},
    ]:
        yield case("soap", module + "SOAP", lr | choice, params=("w", "b", "wide"))
    for choice in [{"k": 5, "alpha": 0.5}, {"k": 3, "alpha": 0.8}]:
        yield case("lookahead", module + "Lookahead(torch.optim.SGD)", lr | choice)
    for choice in [{"rho": 0.05}, {"rho": 0.5}]:
        yield case("sam", module + "SAM(torch.optim.SGD)", lr | choice, gradients="bowl")
    for choice in [{}, {"nesterov": False, "weight_decay": 0.1}]:
        yield case("muon", module + "Muon", lr | choice, params=("w", "wide"))


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
    "optax": ("optax", optax_cases, optax_run),
    "keras": ("keras", keras_cases, keras_run),
    "schedulefree": ("schedulefree", schedulefree_cases, schedulefree_run),
    "prodigyopt": ("prodigyopt", prodigyopt_cases, prodigyopt_run),
    "lion": ("lion-pytorch", lion_cases, lion_run),
    "kozistr": ("pytorch_optimizer", kozistr_cases, kozistr_run),
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
