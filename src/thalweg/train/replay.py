"""A step recorded once and played again: the same kernels as autograd, without its book-keeping.

For a network of ten thousand weights, half of the time of a step goes into building and walking the autograd graph. Our
own models are pure and have no control flow that depends on data, so the operations of one step (forward, backward) are
the operations of every step with the same shapes. They are recorded with `make_fx`, freed of what does nothing (detach,
double transposes, views that change no shape), and written out as one flat Python function. The numbers are those of
autograd, bit for bit.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

_ATEN = torch.ops.aten
_TRANSPOSE = _ATEN.t.default
_ALIASES = {_ATEN.detach.default, _ATEN.alias.default}
_RESHAPES = {_ATEN.view.default, _ATEN._unsafe_view.default}
_VIEWS = {*_RESHAPES, _TRANSPOSE, _ATEN.expand.default, _ATEN.transpose.int, _ATEN.permute.default}
_INTO = {_ATEN.mm.default: _ATEN.mm.out, _ATEN.sum.dim_IntList: _ATEN.sum.IntList_out}
"""Operations that can write their result where we say."""


def record(
    function: Callable[..., Any], arguments: Sequence[Tensor], *, fixed: Sequence[Tensor] = ()
) -> Callable[..., Any]:
    """Return a function that plays the tensor operations of `function(*fixed, *arguments)` on other arguments.

    The arguments must keep their shapes; the `fixed` tensors stay the same objects, changed in place between calls.
    Recording leaves all of them as they were.
    """
    copies = [tensor.clone() for tensor in (*fixed, *arguments)]
    graph = record_graph(function, copies).graph
    return _write_out(graph, list(fixed))


def record_graph(function: Callable[..., Any], arguments: Sequence[Tensor]) -> fx.GraphModule:
    """Return the operations of `function(*arguments)`, freed of what does nothing, as a graph.

    The arguments are used up: buffers among them are changed in place.
    """
    module: fx.GraphModule = make_fx(function)(*arguments)
    _drop_aliases(module.graph)
    _drop_idle_views(module.graph)
    module.recompile()
    return module


def _shape(node: Any) -> Any:
    return node.meta["tensor_meta"].shape if isinstance(node, fx.Node) and "tensor_meta" in node.meta else None


def _drop_aliases(graph: fx.Graph) -> None:
    """Replace what gives its input back: detach, a transpose of a transpose, a view of a view, a view of the same
    shape.
    """
    for node in list(graph.nodes):
        source: Any = node.args[0] if node.args else None
        if node.target in _RESHAPES and getattr(source, "target", None) in _RESHAPES:
            node.args = (source.args[0], *node.args[1:])
            source = node.args[0]
        if node.target in _ALIASES or (node.target in _RESHAPES and _shape(source) == _shape(node) is not None):
            node.replace_all_uses_with(source)
        elif node.target is _TRANSPOSE and getattr(source, "target", None) is _TRANSPOSE:
            node.replace_all_uses_with(source.args[0])
        else:
            continue
        graph.erase_node(node)


def _drop_idle_views(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if not node.users and node.target in _VIEWS:
            graph.erase_node(node)


class _Writer:
    """Write a graph as straight-line Python whose operators, constants and fixed tensors are local names."""

    def __init__(self, fixed: list[Tensor]) -> None:
        self.names: dict[fx.Node, str] = {}
        self.known: dict[fx.Node, Tensor] = {}  # fixed tensors and views of them: computed once, here
        self.bound: dict[str, Any] = {}
        self.inputs: list[str] = []
        self.lines: list[str] = []
        self._fixed = iter(fixed)

    def bind(self, value: Any) -> str:
        self.bound[f"c{len(self.bound)}"] = value
        return f"c{len(self.bound) - 1}"

    def spell(self, value: Any) -> str:
        if isinstance(value, fx.Node):
            return self.names[value]
        if isinstance(value, list | tuple) and any(isinstance(item, fx.Node) for item in value):
            return f"[{', '.join(self.spell(item) for item in value)}]"
        return repr(value) if value is None or isinstance(value, bool | int) else self.bind(value)

    def take_input(self, node: fx.Node) -> None:
        tensor = next(self._fixed, None)
        if tensor is None:
            self.names[node] = f"v{len(self.names)}"
            self.inputs.append(self.names[node])
        else:
            self.known[node], self.names[node] = tensor, self.bind(tensor)

    def write(self, node: fx.Node, into: Tensor | None) -> None:
        if node.target in _VIEWS and node.args[0] in self.known:
            self.known[node] = view = node.target(self.known[node.args[0]], *node.args[1:])  # type: ignore[index]
            self.names[node] = self.bind(view)
            return
        self.names[node] = f"v{len(self.names)}"
        target = node.target if into is None else _INTO[node.target]  # type: ignore[index]
        arguments = [self.spell(a) for a in node.args] + [f"{key}={self.spell(v)}" for key, v in node.kwargs.items()]
        if into is not None:
            arguments.append(f"out={self.bind(into)}")
        self.lines.append(f"{self.names[node]} = {self.bind(getattr(target, '_op', target))}({', '.join(arguments)})")


def _write_out(graph: fx.Graph, fixed: list[Tensor]) -> Callable[..., Any]:
    writer = _Writer(fixed)
    gathered, places = _gather_in_place(graph)
    last_use = {used: node for node in graph.nodes for used in node.all_input_nodes}
    for node in graph.nodes:
        if node.op == "placeholder":
            writer.take_input(node)
        elif node.op == "get_attr":
            writer.names[node] = writer.bind(_constant(graph, node))
        elif node.op == "output":
            writer.lines.append(f"return {writer.spell(node.args[0])}")
        elif node in gathered:
            writer.names[node] = writer.bind(gathered[node])
        else:
            writer.write(node, places.get(node))
            done = [writer.names[used] for used in node.all_input_nodes if last_use[used] is node]
            if done := [name for name in done if name.startswith("v") and name not in writer.inputs]:
                writer.lines.append(f"{' = '.join(done)} = None")  # frees memory as early as autograd would
    defaults = ", ".join(f"{name}={name}" for name in writer.bound)
    head = f"def play({', '.join(writer.inputs)}{', *, ' + defaults if defaults else ''}):"
    scope = dict(writer.bound)
    exec(compile("\n    ".join([head, *writer.lines]), "<recorded step>", "exec"), scope)
    played: Callable[..., Any] = scope["play"]
    return played


def _gather_in_place(graph: fx.Graph) -> tuple[dict[fx.Node, Tensor], dict[fx.Node, Tensor]]:
    """Find concatenations of flattened results; let each result be written into its place at once.

    Returns the concatenations with the tensor that stands for them, and the results with their place in it.
    """
    gathered: dict[fx.Node, Tensor] = {}
    places: dict[fx.Node, Tensor] = {}
    for node in [n for n in graph.nodes if n.target is _ATEN.cat.default and len(n.args) == 1]:
        flattened: list[Any] = list(node.args[0])
        sources = [source for part in flattened if (source := _unflattened(part)) is not None]
        if len(sources) < len(flattened):
            continue
        meta = node.meta["tensor_meta"]
        gathered[node] = torch.empty(meta.shape, dtype=meta.dtype)
        shapes = [source.meta["tensor_meta"].shape for source in sources]
        parts = gathered[node].split([shape.numel() for shape in shapes])
        places |= {source: part.view(s) for source, part, s in zip(sources, parts, shapes, strict=True)}
        node.args = ([],)
        for view in flattened:
            graph.erase_node(view)
    return gathered, places


def _unflattened(part: Any) -> fx.Node | None:
    """Return the operation whose result `part` flattens, if it can write into a place of ours and nobody else reads
    it.
    """
    if not isinstance(part, fx.Node) or part.target not in _RESHAPES or len(part.users) > 1:
        return None
    source = part.args[0]
    if (
        not isinstance(source, fx.Node)
        or source.target not in _INTO
        or len(source.users) > 1
        or "tensor_meta" not in source.meta
    ):
        return None
    return source


def _constant(graph: fx.Graph, node: fx.Node) -> Any:
    owner: Any = graph.owning_module
    for part in str(node.target).split("."):
        owner = getattr(owner, part)
    return owner
