"""How a check says what it found: its sentences are `causes.<code>` and `causes.<code>_cure`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from thalweg.core import Message, message
from thalweg.diagnosis.codes import CATEGORY
from thalweg.diagnosis.watching import Case, Op, Place
from thalweg.findings import Change, Evidence, Finding, Picture, Severity, Tried, Where

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def found(  # noqa: PLR0913 - a finding has that many sides
    code: str,
    severity: Severity,
    confidence: float,
    *,
    place: Place | None = None,
    where: Mapping[str, Any] = _NOTHING,
    evidence: Sequence[Evidence] = (),
    said: str = "",
    values: Mapping[str, Any] = _NOTHING,
    reckoned: Message | None = None,
    explains: Sequence[str] = (),
    picture: Picture | None = None,
    change: Change | None = None,
    tried: Tried | None = None,
) -> Finding:
    """Make a finding; `said` names another pair of sentences than the code's own."""
    key = said or code
    spot = {"file": place.file, "line": place.line} if place is not None else {}
    return Finding(
        code=code,
        category=CATEGORY[code],
        severity=severity,
        confidence=confidence,
        reckoned=reckoned or message("findings.fact"),
        cause=message(f"causes.{key}", **values),
        remedy=message(f"causes.{key}_cure", **values),
        where=Where(**{**spot, **where}),
        evidence=tuple(evidence),
        explains=tuple(explains),
        picture=picture,
        change=change,
        tried=tried,
    )


def seen(what: str, value: float, healthy: str = "", unit: str = "") -> Evidence:
    """Make a piece of evidence; its name is `evidence.<what>`."""
    return Evidence(what=message(f"evidence.{what}"), value=float(value), healthy=healthy, unit=unit)


def place_of(case: Case, op: Op | None) -> Place | None:
    """Return the line to change for an operation: where its module was made if that is torch's own, else the call."""
    if op is None:
        return None
    module = op.func if op.kind == "module" else op.module
    if _is_of_torch(module):
        return case.made.get(id(module)) or op.place
    return op.place


def _is_of_torch(module: object) -> bool:
    """Return whether a module is a layer of torch's own; a chain of layers is its maker's."""
    ours = isinstance(module, nn.Module) and not isinstance(module, nn.Sequential)
    return ours and type(module).__module__.startswith("torch.")
