"""A step of Muon and of SOAP, the rule alone: thalweg beside what people write by hand.

    python benchmarks/muon.py [--rounds 9] [--soap]

Both get the same gradients. By hand: in place, torch's foreach for what is element-wise, all matrices of one shape in
one batched Newton-Schulz in float32, AdamW's fused kernel for the rest. `--soap` races pytorch_optimizer's SOAP too,
where it is installed.
"""

import argparse
import importlib
import importlib.util
from collections.abc import Callable

import torch
from timing import Timing, keep, race, table
from torch import Tensor

from thalweg.rules import SOAP, Muon, Place, Rule, fit

LR, MOMENTUM, DECAY = 2e-3, 0.95, 0.1
CASES = {
    "ten layers of 512 x 512": [(512, 512)] * 10,
    "64-128-128-128-10": [(128, 64), (128, 128), (128, 128), (10, 128)],
    "64-32-32-10": [(32, 64), (32, 32), (10, 32)],
}
Parts = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Place]]


def network(shapes: list[tuple[int, int]]) -> Parts:
    """Return weights, gradients and layout; the last matrix is a head unless all are alike."""
    generator = torch.Generator().manual_seed(0)
    params, layout = {}, {}
    for k, (rows, columns) in enumerate(shapes):
        head = k == len(shapes) - 1 and len(set(shapes)) > 1
        params[f"{k}.weight"] = torch.randn(rows, columns, generator=generator) / columns**0.5
        params[f"{k}.bias"] = torch.zeros(rows)
        layout |= {f"{k}.weight": Place("head" if head else "matrix"), f"{k}.bias": Place("bias", weight_decay=0.0)}
    return params, {n: torch.randn(t.shape, generator=generator) for n, t in params.items()}, layout


def ours(rule: Rule, parts: Parts) -> Callable[[int], None]:
    params, grads, layout = parts
    params = {name: tensor.clone() for name, tensor in params.items()}
    fitted, count = fit(rule, layout), 0
    state, hyper = fitted.init(params), rule.hyper()

    def run(steps: int) -> None:
        nonlocal state, count
        for _ in range(steps):
            change, state = fitted.update(grads, state, params, hyper, count)
            torch._foreach_add_(list(params.values()), [change[name] for name in params])
            count += 1

    return run


def by_hand(parts: Parts) -> Callable[[int], None]:
    params, grads, layout = parts
    mine = [name for name, place in layout.items() if place.role == "matrix"]
    params = {name: tensor.clone() for name, tensor in params.items()}
    weights, slopes = [params[n] for n in mine], [grads[n] for n in mine]
    velocity = [torch.zeros_like(w) for w in weights]
    rest = {n: torch.nn.Parameter(t) for n, t in params.items() if n not in mine}
    for name, param in rest.items():
        param.grad = grads[name]
    adamw = torch.optim.AdamW(rest.values(), lr=LR, weight_decay=DECAY, fused=True)
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, w in enumerate(weights):
        groups.setdefault(tuple(sorted(w.shape)), []).append(k)

    def run(steps: int) -> None:
        with torch.no_grad():
            for _ in range(steps):
                torch._foreach_lerp_(velocity, slopes, 1 - MOMENTUM)
                ahead = torch._foreach_lerp(slopes, velocity, MOMENTUM)
                torch._foreach_mul_(weights, 1 - LR * DECAY)
                for group in groups.values():
                    x = torch.stack([ahead[k].mT if ahead[k].shape[0] > ahead[k].shape[1] else ahead[k] for k in group])
                    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
                    for _ in range(5):
                        a = torch.bmm(x, x.mT)
                        x = torch.baddbmm(x, torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
                    for k, o in zip(group, x, strict=True):
                        w = weights[k]
                        w.add_(o.mT if w.shape[0] > w.shape[1] else o, alpha=-LR * 0.2 * max(w.shape) ** 0.5)
                adamw.step()

    return run


def theirs_soap(parts: Parts) -> Callable[[int], None]:
    params, grads, _ = parts
    made = [torch.nn.Parameter(tensor.clone()) for tensor in params.values()]
    for param, grad in zip(made, grads.values(), strict=True):
        param.grad = grad
    optimizer = importlib.import_module("pytorch_optimizer").SOAP(made, lr=3e-3, precondition_frequency=10)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--soap", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/muon.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, Timing]] = {}
    for title, shapes in CASES.items():
        parts, steps = network(shapes), 1 if "512" in title else 40
        contenders = {"by hand": by_hand(parts), "thalweg Muon": ours(Muon(lr=LR, weight_decay=DECAY), parts)}
        results[title] = race(contenders, steps=steps, rounds=given.rounds)
        print(table(title, results[title], base="by hand", unit=1e3, name="ms"))
        if given.soap and importlib.util.find_spec("pytorch_optimizer"):
            soap = {"pytorch_optimizer SOAP": theirs_soap(parts), "thalweg SOAP": ours(SOAP(), parts)}
            results[f"{title}, SOAP"] = race(soap, steps=10 if "512" in title else 40, rounds=min(given.rounds, 5))
            print(table("", results[f"{title}, SOAP"], base="pytorch_optimizer SOAP", unit=1e3, name="ms"))
    if given.keep:
        keep("muon.json", {name: dict(timings) for name, timings in results.items()})


if __name__ == "__main__":
    main()
