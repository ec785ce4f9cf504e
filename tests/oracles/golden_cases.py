"""Name what record_golden.py records: for each library its rules, as that library calls them, and their settings."""

LR = 0.03
HEAVY = {"eps": 1e-3, "weight_decay": 0.1}
DROP = [[1, 0.03], [11, 0.003]]


def case(rule, call, settings, *, params="wb", gradients="random", steps=20, rates=None):
    """Return the head of a record: what to call with what; `params` "wbz" or a tuple of names."""
    head = {"rule": rule, "call": call, "settings": settings, "params": list(params)}
    head |= {"gradients": gradients, "steps": steps}
    return head | ({"rates": rates} if rates else {})


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
        "amsgrad": [*adams, {"eps": 0.0, "bias_correction_mu": False, "bias_correction_nu": False}],
        "nadam": adams,
        "nadamw": [{}, {**HEAVY, **beta}],
        "radam": [*adams, {"eps": 0.0, "threshold": 4.0}],
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
    for choice in [{}, {"warmup_steps": 10, **HEAVY, "betas": [0.95, 0.97]}]:
        yield case("schedule-free-adamw-paper", "schedulefree.AdamWScheduleFreePaper", lr | choice, steps=40)


def prodigyopt_cases():
    far = {"d0": 1e-2}
    for choice in [
        {},
        far,
        far | {"use_bias_correction": True, "weight_decay": 0.1, "d_coef": 0.5},
        far | {"betas": [0.8, 0.97], "eps": 1e-3, "growth_rate": 1.2},
        far | {"safeguard_warmup": True, "weight_decay": 0.1, "decouple": False},
        far | {"beta3": 0.9, "betas": [0.5, 0.999], "lr": 0.5},
        far | {"eps": 1e-30, "lr": 0.5},
    ]:
        yield case("prodigy", "prodigyopt.Prodigy", choice, params="wbz", gradients="bowl", steps=40)


def lion_cases():
    for choice in [{}, {"betas": [0.95, 0.98], "weight_decay": 0.1}]:
        yield case("lion", "lion_pytorch.Lion", {"lr": LR} | choice)


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
        yield case("soap", module + "SOAP", lr | choice, params=("square", "b"))
    for choice in [{"k": 5, "alpha": 0.5}, {"k": 3, "alpha": 0.8}]:
        yield case("lookahead", module + "Lookahead(torch.optim.SGD)", lr | choice)
    for choice in [{"rho": 0.05}, {"rho": 0.5}]:
        yield case("sam", module + "SAM(torch.optim.SGD)", lr | choice, gradients="bowl")
    for choice in [{}, {"nesterov": False, "weight_decay": 0.1}]:
        yield case("muon", module + "Muon", lr | choice, params=("w", "wide"))
