"""Where a setting is written in a script: the literal to change, found from the line that makes the optimizer.

Only a literal whose value is the one that was seen is taken, and only where it is the one such: a value that comes from
a command line, a file or a sum is left alone.
"""

import ast
import dataclasses
import functools
import linecache
from collections.abc import Iterator
from typing import Any, final

from thalweg.diagnosis.watching import Place
from thalweg.findings import Change


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """Hold where a value stands: its line, the characters of it, and the place for an answer."""

    place: Place
    start: int
    end: int

    def become(self, value: Any) -> Change:
        """Return the change that puts another value there."""
        line = linecache.getline(self.place.file, self.place.line).rstrip("\n")
        after = f"{line[: self.start]}{_written(value)}{line[self.end :]}"
        return Change(before=line.strip(), after=after.strip())


def literal_of(place: Place | None, setting: str, value: Any) -> Literal | None:
    """Return where the call at `place` gets a setting from, if that is one literal of this value in the same file."""
    tree = _parsed(place.file) if place is not None else None
    if place is None or tree is None:
        return None
    call = _call_at(tree, place.line)
    if call is None:
        return None
    given = list(_bound(call, setting))
    if not given and setting == "lr" and len(call.args) > 1:
        given = [call.args[1]]
    for expression in given:
        node = _resolved(tree, expression, value)
        if node is not None and node.lineno == node.end_lineno:
            where = dataclasses.replace(place, line=node.lineno)
            return Literal(
                place=where, start=_column(where, node.col_offset), end=_column(where, node.end_col_offset or 0)
            )
    return None


@functools.lru_cache(maxsize=8)
def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None


def _call_at(tree: ast.Module, line: int) -> ast.Call | None:
    """Return the call that begins at a line and spans most: the optimizer's, not one among its arguments."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno <= line <= _last(node)]
    first = [node for node in calls if node.lineno == line] or calls
    return max(first, key=lambda node: (_last(node) - node.lineno, node.end_col_offset or 0), default=None)


def _last(node: ast.expr) -> int:
    return node.end_lineno or node.lineno


def _resolved(tree: ast.Module, expression: ast.expr, value: Any) -> ast.expr | None:
    """Return the literal behind an expression: itself, or the one literal that its name is bound to."""
    if _is_literal(expression):
        return expression if _same(expression, value) else None
    name = _name_of(expression)
    if name is None:
        return None
    found = {(node.lineno, node.col_offset): node for node in _bound(tree, name) if _is_literal(node)}
    same = [node for node in found.values() if _same(node, value)]
    return same[0] if len(same) == 1 else None


def _name_of(expression: ast.expr) -> str | None:
    if isinstance(expression, ast.Name):
        return expression.id
    if isinstance(expression, ast.Attribute):
        return expression.attr
    if isinstance(expression, ast.Subscript) and isinstance(expression.slice, ast.Constant):
        return str(expression.slice.value)
    return None


def _bound(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield what a name is bound to: by assignment, keyword, default of a parameter or an option, or key of a dict."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name:
            yield node.value
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (value for target in targets for key, value in _pairs(target, node.value) if key == name)
        elif isinstance(node, ast.Dict):
            keys = zip(node.keys, node.values, strict=True)
            yield from (value for key, value in keys if isinstance(key, ast.Constant) and key.value == name)
        elif isinstance(node, ast.arguments):
            yield from (value for key, value in _defaults(node) if key == name)
        elif isinstance(node, ast.Call) and _declares(node, name):
            yield from (word.value for word in node.keywords if word.arg == "default")


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str | None, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield _name_of(one), other
    else:
        yield _name_of(target), value


def _defaults(node: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    placed = [*node.posonlyargs, *node.args]
    yield from ((a.arg, d) for a, d in zip(placed[len(placed) - len(node.defaults) :], node.defaults, strict=True))
    yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None)


def _declares(call: ast.Call, name: str) -> bool:
    """Return whether a call declares an option of the command line of this name."""
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(text.startswith("-") and text.lstrip("-").replace("-", "_") == name for text in texts)


def _is_literal(node: ast.expr) -> bool:
    try:
        return isinstance(ast.literal_eval(node), int | float | tuple)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def _same(node: ast.expr, value: Any) -> bool:
    told = ast.literal_eval(node)
    if isinstance(told, tuple) or isinstance(value, tuple | list):
        return isinstance(told, tuple) and isinstance(value, tuple | list) and list(told) == list(value)
    try:
        return abs(float(told) - float(value)) <= 1e-9 * abs(float(value))
    except (TypeError, ValueError):
        return False


def _column(place: Place, count: int) -> int:
    """Return the character that begins after so many bytes of a line."""
    return len(linecache.getline(place.file, place.line).encode()[:count].decode(errors="ignore"))


def _written(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
