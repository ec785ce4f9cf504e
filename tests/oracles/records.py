"""Read the golden trajectories and the plain references; needs torch only.

oracles = ...                       # load this file by its path, as tests/rules/test_oracles.py loads references.py
case = oracles.cases("optax", rule="adamax")[0]      # .library .version .rule .call .settings .params .rates .path
case.start()                        # {"w": tensor, "b": tensor}
case.gradient("w", weights, step)   # step counts from 1; only a "bowl" looks at the weights
case.path[20]["w"]                  # the weights after step 20; case.evaluated likewise where there is an average
oracles.papers().adamax(theta, grads, alpha=..., beta1=..., beta2=...)
"""

import dataclasses
import functools
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import torch

FOLDER = Path(__file__).parent
LIBRARIES = tuple(sorted(path.stem for path in (FOLDER / "golden").glob("*.json") if path.stem != "problem"))


@functools.cache
def problem():
    """Return the arrays all cases share: start, gradients (step by step), curvature, each by name."""
    read = json.loads((FOLDER / "golden" / "problem.json").read_text(encoding="utf-8"))
    return {
        key: {name: torch.tensor(value, dtype=torch.float64) for name, value in arrays.items()}
        for key, arrays in read.items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One recorded run: what was called with what, and where the weights went."""

    library: str
    version: str
    rule: str
    call: str
    settings: dict
    params: tuple
    gradients: str
    steps: int
    rates: list | None
    path: dict
    evaluated: dict | None

    def __str__(self):
        text = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.call}({text})" + (" with a drop of the rate" if self.rates else "") + f" on {self.gradients}"

    def start(self):
        return {name: problem()["start"][name].clone() for name in self.params}

    def gradient(self, name, weights, step):
        if self.gradients == "bowl":
            return problem()["curvature"][name] * weights
        return problem()["gradients"][name][step - 1].clone()

    def grads(self, name, steps=None):
        """Return the gradients of one array as a list; a "bowl" has none before there are weights."""
        assert self.gradients != "bowl", "a bowl's gradients depend on the weights"
        return [self.gradient(name, None, step) for step in range(1, (steps or self.steps) + 1)]

    def rate(self, step):
        """Return the learning rate of step 1, 2, ... where the case has `rates`, else None."""
        return [value for begin, value in self.rates if step >= begin][-1] if self.rates else None


@functools.cache
def _read(library):
    read = json.loads((FOLDER / "golden" / f"{library}.json").read_text(encoding="utf-8"))

    def weights(path, names):
        shapes = {name: value.shape for name, value in problem()["start"].items()}
        return {
            int(step): {n: torch.tensor(arrays[n], dtype=torch.float64).reshape(shapes[n]) for n in names}
            for step, arrays in path.items()
        }

    return tuple(
        Case(
            library=library,
            version=read["version"],
            rule=one["rule"],
            call=one["call"],
            settings=one["settings"],
            params=tuple(one["params"]),
            gradients=one["gradients"],
            steps=one["steps"],
            rates=one.get("rates"),
            path=weights(one["path"], one["params"]),
            evaluated=weights(one["evaluated"], one["params"]) if "evaluated" in one else None,
        )
        for one in read["cases"]
    )


def cases(library=None, *, rule=None, call=None):
    """Return the recorded cases of a library ("optax", "keras", ...; None is all), of one rule or call if asked."""
    found = [case for name in ([library] if library else LIBRARIES) for case in _read(name)]
    found = [c for c in found if rule in (None, c.rule) and (call is None or c.call.endswith(call))]
    assert found, f"no golden case for library={library}, rule={rule}, call={call}"
    return found


def one(library, rule, **settings):
    """Return the only case of a library and rule with just these settings besides the rate, and without `rates`."""
    rate = {"lr", "learning_rate", "foreach"}
    found = [c for c in cases(library, rule=rule) if not c.rates and _without(c.settings, rate) == settings]
    assert len(found) == 1, f"{len(found)} cases: {[str(c) for c in cases(library, rule=rule)]}"
    return found[0]


def _without(settings, names):
    return {key: value for key, value in settings.items() if key not in names}


@functools.cache
def papers():
    """Return every reference function of references.py and papers_*.py by its name."""
    found = {}
    for path in [FOLDER / "references.py", *sorted(FOLDER.glob("papers_*.py"))]:
        spec = importlib.util.spec_from_file_location(f"oracles_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == spec.name}
    return SimpleNamespace(**found)


def relative(got, wanted, begin):
    """Return the largest deviation over the largest distance travelled: what research/training.md's table shows."""
    return float((got - wanted).abs().max() / (wanted - begin).abs().max())


def assert_same(got, wanted, begin, *, rtol=1e-12, atol=1e-15):
    """Compare relative to how far each weight moved: a small mistake would hide behind a large weight."""
    off = (got - wanted).abs() - rtol * (wanted - begin).abs()
    assert (off <= atol).all(), (
        f"off by {float((got - wanted).abs().max()):.3g}, {relative(got, wanted, begin):.3g} of the way"
    )
