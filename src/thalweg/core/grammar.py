"""Components as text, for the command line: `adam(lr=0.1)+clip-norm(max_norm=1)`, `sequence(parts=[warmup, cosine])`.

    components := component {"+" component}
    component  := NAME ["(" [NAME "=" value {"," NAME "=" value}] ")"]
    value      := component | NUMBER | WORD | "[" [value {"," value}] "]"

What comes out is plain: a dict with `kind` for a component with brackets, a list, or the word as it stands; the fields
that it is for decide what it becomes.
"""

import re
from typing import Any

from thalweg.core.errors import UsageError

_TOKEN = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.:/-])|[^\s()\[\]=,+]+|[()\[\]=,+])")
_MARKS = set("()[]=,+")
_DEEPEST = 20


def read_text(text: str, what: str) -> list[dict[str, Any]]:
    """Return the components of a text as plain dicts, the innermost first. Raises `UsageError` with the place."""
    reader = _Reader(text, what)
    found = [reader.component()]
    while reader.next_is("+"):
        found.append(reader.component())
        if len(found) > _DEEPEST:
            raise reader.wrong("is nested too deeply")
    reader.must_end()
    return found


def read_list(text: str, what: str) -> list[Any]:
    """Return the values of a text "[a, b(c=1)]". Raises `UsageError` with the place."""
    reader = _Reader(text, what)
    found: list[Any] = reader.value()
    reader.must_end()
    return found


class _Reader:
    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.place, self.depth = text, what, 0, 0

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.place)
        return match[1] if match else ""

    def take(self) -> str:
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise self.wrong("ends too early")
        self.place = match.end()
        return match[1]

    def next_is(self, mark: str) -> bool:
        """Take the next token if it is this mark."""
        if self.peek() != mark:
            return False
        self.take()
        return True

    def must(self, mark: str) -> None:
        if not self.next_is(mark):
            raise self.wrong(f"needs {mark!r} there")

    def must_end(self) -> None:
        if self.text[self.place :].strip():
            raise self.wrong("has something left over there")

    def name(self) -> str:
        if self.peek() in _MARKS or not self.peek():
            raise self.wrong("needs a name there")
        return self.take()

    def component(self) -> dict[str, Any]:
        return {"kind": self.name(), **(self.fields() if self.next_is("(") else {})}

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self.next_is(")"):
            if found:
                self.must(",")
            name = self.name()
            if name in found or name == "kind":
                raise self.wrong("gives a field twice" if name in found else "names the kind before the brackets")
            self.must("=")
            found[name] = self.value()
        return found

    def value(self) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong("is nested too deeply")
        if self.next_is("["):
            value: Any = []
            while not self.next_is("]"):
                if value:
                    self.must(",")
                value.append(self.value())
        else:
            word = self.name()
            value = {"kind": word, **self.fields()} if self.next_is("(") else word
        self.depth -= 1
        return value

    def wrong(self, why: str) -> UsageError:
        shown = f"{self.text[: self.place]}▸{self.text[self.place :]}"
        return UsageError(f"`{self.what}` {why}: {shown!r}; write it as kind(field=value, ...).")
