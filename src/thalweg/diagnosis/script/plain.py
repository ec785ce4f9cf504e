"""An answer as plain values and back: so that it can leave a process as JSON, in any language."""

import dataclasses
from enum import Enum
from typing import Any

from thalweg.core import Message
from thalweg.diagnosis.answer import Diagnosis, Hypothesis
from thalweg.findings import Change, Evidence, Finding, Picture, Severity, Tried, Where

_KINDS = {
    kind.__name__: kind
    for kind in (Message, Diagnosis, Hypothesis, Change, Evidence, Finding, Picture, Tried, Where)
}  # fmt: skip
_KIND = "kind of value"  # a key that no message has


def to_json(value: Any) -> Any:
    """Return an answer as values that JSON knows; numbers of numpy and torch become Python's.

    >>> from thalweg.findings import Where
    >>> from_json(to_json(Where(line=3))) == Where(line=3)
    True
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if dataclasses.is_dataclass(value):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {_KIND: type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    try:
        return value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return str(value)


def from_json(value: Any) -> Any:
    """Return what `to_json` was given; lists come back as tuples."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    content = {key: from_json(item) for key, item in value.items() if key != _KIND}
    if _KIND not in value:
        return content
    if value[_KIND] == "Finding":
        content["severity"] = Severity(content["severity"])
    return _KINDS[value[_KIND]](**content)
