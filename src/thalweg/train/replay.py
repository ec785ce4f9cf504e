"""A step recorded once and played again: the same kernels as autograd, without its book-keeping.

For a network of ten thousand weights, half of the time of a step goes into building and walking the autograd graph. Our
own models are pure and have no control flow that depends on data, so the operations of one step (forward, backward) are
the operations of every step with the same shapes. They are recorded with `make_fx`, freed of what does nothing (detach,
double transposes), and written out as one flat Python function. The numbers are those of autograd, bit for bit.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

_ATEN = torch.ops.aten
_TRANSPOSE = _ATEN.t.default
_ALIASES = {_ATEN.detach.default, _ATEN.alias.default}
_VIEWS = {_ATEN.view.default, _ATEN.t.default, _ATEN._unsafe_view.default, _ATEN.expand.default, _ATEN.transpose.int}


def record(function: Callable[..., Any], arguments: Sequence[Tensor]) -> Callable[..., Any]:
    """Return a function that plays the tensor operations of `function(*arguments)` on other tensors of those shapes.

    `arguments` are used up by the recording (buffers among them are changed in place): give copies.
    """
    graph = make_fx(function)(*arguments).graph
    _drop_aliases(graph)
    _drop_idle_views(graph)
    return _write_out(graph)


def _drop_aliases(graph: fx.Graph) -> None:
    """Replace detach, and a transpose of a transpose, by what they started from."""
    for node in list(graph.nodes):
        if node.target in _ALIASES:
            node.replace_all_uses_with(node.args[0])
        elif node.target is _TRANSPOSE and getattr(node.args[0], "target", None) is _TRANSPOSE:
            node.replace_all_uses_with(node.args[0].args[0])
        else:
            continue
        graph.erase_node(node)


def _drop_idle_views(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if not node.users and node.target in _VIEWS:
            graph.erase_node(node)


def _write_out(graph: fx.Graph) -> Callable[..., Any]:
    """Write the graph as straight-line Python whose operators and constants are local names."""
    names: dict[fx.Node, str] = {}
    bound: dict[str, Any] = {}
    inputs: list[str] = []
    lines: list[str] = []
    last_use = {used: node for node in graph.nodes for used in node.all_input_nodes}

    def spell(value: Any) -> str:
        if isinstance(value, fx.Node):
            return names[value]
        if isinstance(value, list | tuple):
            inner = ", ".join(spell(item) for item in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
        if value is None or isinstance(value, bool | int):
            return repr(value)
        bound[f"c{len(bound)}"] = value
        return f"c{len(bound) - 1}"

    for k, node in enumerate(graph.nodes):
        names[node] = f"v{k}"
        if node.op == "placeholder":
            inputs.append(names[node])
        elif node.op == "output":
            lines.append(f"return {spell(node.args[0])}")
        else:
            target = _constant(graph, node) if node.op == "get_attr" else node.target
            call = spell(getattr(target, "_op", target))
            arguments = [spell(a) for a in node.args] + [f"{key}={spell(v)}" for key, v in node.kwargs.items()]
            result = call if node.op == "get_attr" else f"{call}({', '.join(arguments)})"
            lines.append(f"{names[node]} = {result}")
        done = [names[used] for used in node.all_input_nodes if last_use[used] is node and used.op != "placeholder"]
        if done and node.op != "output":
            lines.append(f"{' = '.join(done)} = None")  # frees memory as early as autograd would
    defaults = ", ".join(f"{name}={name}" for name in bound)
    head = f"def play({', '.join(inputs)}{', *, ' + defaults if defaults else ''}):"
    scope = dict(bound)
    exec(compile("\n    ".join([head, *lines]), "<recorded step>", "exec"), scope)
    played: Callable[..., Any] = scope["play"]
    return played


def _constant(graph: fx.Graph, node: fx.Node) -> Any:
    owner: Any = graph.owning_module
    for part in str(node.target).split("."):
        owner = getattr(owner, part)
    return owner
