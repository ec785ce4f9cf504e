"""Any rule as a torch.optim.Optimizer: for loops, schedulers, scalers and tools that people have already."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer

from thalweg.core import UsageError
from thalweg.core.types import Params
from thalweg.optim import keeping
from thalweg.optim.closures import at_the_second_point, with_hessian
from thalweg.optim.groups import (
    Group,
    Parameters,
    as_group,
    check_group,
    check_names,
    check_tensors,
    each,
    groups_of,
    hyper_of,
    names_of,
    numbers_of,
    widened,
)
from thalweg.optim.plan import Guide, Plan, agreed, guide, plan, remember
from thalweg.optim.roles import roles
from thalweg.rules import WEIGHTS, Place, Role, Rule, State, layout_by_shape

Closure: TypeAlias = Callable[[], Any]


class RuleOptimizer(torch.optim.Optimizer):
    """Follow a rule of thalweg on parameters, as torch's optimizers do theirs.

    `params` is a network, its parameters, named parameters, or groups with numbers of their own. Given a network, each
    parameter's role is found: decay falls on weights alone, and Muon or LARS treat each as what it is. Otherwise roles
    go by shapes and decay falls on all, as in torch. `maximize` climbs. `capturable` keeps counts on the device, so
    that a step can be recorded in a CUDA graph.
    """

    rule: Rule
    load_report: keeping.LoadReport | None

    def __init__(self, params: Parameters, rule: Rule, *, maximize: bool = False, capturable: bool = False) -> None:
        self.rule, self.load_report = rule, None
        self._roles: dict[str, Role] | None = roles(params) if isinstance(params, torch.nn.Module) else None
        self._module = params if isinstance(params, torch.nn.Module) else None
        self._whole: dict[str, Tensor] = {}
        self._forget()
        defaults = {**as_group(numbers_of(rule)), "maximize": maximize, "capturable": capturable}
        torch.optim.Optimizer.__init__(self, groups_of(params), defaults)
        self._guide_now()

    def add_param_group(self, param_group: Group) -> None:
        """Take in more parameters, with numbers of their own where the group has some."""
        if "params" in param_group and not isinstance(param_group["params"], Tensor):
            param_group["params"] = list(param_group["params"])
            check_tensors(param_group)
        check_group(self.rule, param_group)
        torch.optim.Optimizer.add_param_group(self, param_group)
        check_names(self.param_groups)
        self._forget()

    def names(self) -> list[str]:
        """Return the parameters' names in the order of the groups: those given, else their places."""
        return [name for own in names_of(self.param_groups) for name in own]

    def step(self, closure: Closure | None = None) -> Any:
        """Take a step; return what the closure returned, if one was given.

        A closure clears gradients, goes backward and returns the loss. SAM calls it twice; Newton's method wants the
        loss alone, without going backward. Parameters without a gradient are left alone, with all that is remembered.
        """
        hooks = self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or _global_hooks()
        if hooks or torch.autograd.profiler._is_profiler_enabled:
            return _hooked(self, closure)
        return _eager(self, closure) if torch.compiler.is_compiling() else self._take(closure)

    step.hooked = True  # type: ignore[attr-defined]  # torch need not wrap it: hooks and profiler are seen to above

    def evaluation_weights(self) -> Params:
        """Return copies of the weights that the rule wants to be judged by, an average say, by name."""
        guide, found = self._guide_now(), {}
        with torch.no_grad():
            for group, names in zip(self.param_groups, names_of(self.param_groups), strict=True):
                hyper = hyper_of(group, guide.names)
                for name, param in zip(names, group["params"], strict=True):
                    judged = {name: param.detach()}
                    if self.state.get(param):
                        judged = guide.fitted.evaluation(judged, self._memory_of(name, param), hyper)
                    found[name] = judged[name].clone()
        return found

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Let the parameters be the weights to be judged, for a while."""
        params = list(each(self.param_groups))
        with torch.no_grad():
            training = [param.clone() for param in params]
            _put(params, list(self.evaluation_weights().values()))
        try:
            yield
        finally:
            _put(params, training)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a continuation needs, by parameter name, in plain containers and tensors."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        written = keeping.written(self.rule, self.param_groups, self.state, self._whole)
        for after in self._optimizer_state_dict_post_hooks.values():
            written = after(self, written) or written
        return written

    def load_state_dict(self, state_dict: dict[str, Any], keep_hyper: bool = False) -> None:
        """Take in what `state_dict` wrote, by name; `load_report` then says what fitted and what did not.

        Loaded hyperparameters replace present ones, as in torch, unless `keep_hyper`; the report lists each that
        differed. A state_dict of torch's class for the same rule is read, too.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        guide = self._guide_now()
        params = self._params()
        fresh: dict[str, dict[str, Any]] = {name: {} for name in params}
        whole: dict[str, Tensor] = {}
        with torch.no_grad():
            remember(guide, params, fresh, whole)
        loaded = keeping.read(state_dict, self.rule, self.param_groups, fresh, whole, keep_hyper=keep_hyper)
        tensors = dict(zip(self.names(), each(self.param_groups), strict=True))
        self.state.clear()
        self.state.update({tensors[name]: state for name, state in loaded.states.items()})
        self._whole, self.load_report = loaded.whole, loaded.report
        self._forget()
        for after in self._optimizer_load_state_dict_post_hooks.values():
            after(self)

    def __getstate__(self) -> dict[str, Any]:
        kept = ("defaults", "state", "param_groups", "rule", "load_report", "_roles", "_whole")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        torch.optim.Optimizer.__setstate__(self, state)
        self.defaults.pop("differentiable", None)
        self._module = None
        self._forget()

    def _forget(self) -> None:
        """Forget what was made ready for these parameters; what the rule remembers stays."""
        self._guide: Guide | None = None
        self._plan: Plan | None = None
        self._begun: set[Tensor] = set()  # those that have all memory that the guide asks for

    def _params(self) -> Params:
        tensors = (param.detach() for param in each(self.param_groups))
        return dict(zip(self.names(), tensors, strict=True))

    def layout(self) -> dict[str, Place]:
        """Return each parameter's place: its role, its share of the rate and of the decay."""
        by_shape = layout_by_shape(self._params())
        if self._roles is None:
            return by_shape
        found = {name: self._roles.get(name, place.role) for name, place in by_shape.items()}
        return {name: Place(role, weight_decay=float(role in WEIGHTS)) for name, role in found.items()}

    def _guide_now(self) -> Guide:
        if self._guide is None:
            rule = widened(self.rule, self.param_groups)
            with torch.no_grad():
                self._guide = guide(rule, self.layout(), self._params())
            self._plan = None
        return self._guide

    def _memory_of(self, name: str, param: Tensor) -> State:
        kinds = {slot: kind for slots in self._guide_now().slots for slot, kind in slots.items()}
        found: State = {slot: {"all": number} for slot, number in self._whole.items()}
        for slot, content in self.state[param].items():
            if slot in kinds:
                found[slot] = {"all" if kinds[slot] else name: content}
        return found

    def _take(self, closure: Closure | None) -> Any:
        fitted = self._guide_now().fitted
        loss: Any = None
        extra: State = {}
        if fitted.needs_hessian:
            loss, extra = with_hessian(self.rule, self.param_groups, closure)
        elif fitted.asks_twice:
            loss = at_the_second_point(self.rule, list(each(self.param_groups)), closure, self._offset, self._module)
        elif closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            self._advance(extra)
        return loss

    def _advance(self, extra: State) -> None:
        ready = self._plan
        if ready is not None and not ready.serves(self.param_groups, self.state):
            ready = None
        found = [param.grad for group in self.param_groups for param in group["params"]]
        grads = [grad for grad in found if grad is not None]
        if not grads:
            return
        if ready is None or not ready.is_for(found, len(grads)):
            ready = self._planned(found)
        hypers = ready.hypers()
        if ready.off and any(hyper.get(name) for name in ready.off for hyper in hypers):
            self._forget()
            ready = self._planned(found)
        ready.run(grads, hypers, extra)

    def _planned(self, grads: list[Tensor | None]) -> Plan:
        """Make ready for these parameters to have gradients."""
        guide, names = self._guide_now(), names_of(self.param_groups)
        if any(grad is not None and grad.layout != torch.strided for grad in grads):
            raise UsageError("Rules need dense gradients, got a sparse one; build the embedding with sparse=False.")
        pairs = zip(self.names(), each(self.param_groups), grads, strict=True)
        begun = {name: param for name, param, grad in pairs if grad is not None and not self._has_begun(param)}
        if begun:
            remember(guide, self._params(), {name: self.state[param] for name, param in begun.items()}, self._whole)
            self._begun |= set(begun.values())
        present = [grad is not None for grad in grads]
        self._plan = plan(guide, self.param_groups, names, self.state, self._whole, present)
        return self._plan

    def _has_begun(self, param: Tensor) -> bool:
        return param in self._begun and bool(self.state[param])

    def _offset(self) -> list[Tensor | None]:
        """Return how far from each parameter the second gradient is to be taken."""
        fitted, names = self._guide_now().fitted, names_of(self.param_groups)
        known = numbers_of(self.rule)
        hyper = agreed([hyper_of(group, known) for group in self.param_groups])
        grads: Params = {}
        for group, own in zip(self.param_groups, names, strict=True):
            pairs = [(n, p.grad) for n, p in zip(own, group["params"], strict=True) if p.grad is not None]
            grads |= {name: -grad if group["maximize"] else grad for name, grad in pairs}
        offset = fitted.offset(grads, self._params(), hyper) if grads else None
        return [(offset or {}).get(name) for name in self.names()]


def _put(params: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for param, value in zip(params, values, strict=True):
            param.copy_(value)


def _global_hooks() -> bool:
    return bool(torch_optimizer._global_optimizer_pre_hooks or torch_optimizer._global_optimizer_post_hooks)


_hooked = torch.optim.Optimizer.profile_hook_step(RuleOptimizer._take)
_eager = torch._disable_dynamo(RuleOptimizer._take)  # type: ignore[attr-defined]  # torch.optim does so, too
