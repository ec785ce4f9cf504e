"""How a check says what it found: its sentences are `causes.<code>` and `causes.<code>_cure`."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from thalweg.core import Message, message
from thalweg.diagnosis.codes import CATEGORY
from thalweg.diagnosis.watching import Case, Op, Place
from thalweg.findings import Evidence, Finding, Picture, Severity, Where


def found(
    code: str, severity: Severity, confidence: float, *, place: Place | None = None, where: Mapping[str, Any] = {},  # noqa: B006 - read only
    evidence: Sequence[Evidence] = (), said: str = "", values: Mapping[str, Any] = {}, reckoned: Message | None = None,  # noqa: B006
    explains: Sequence[str] = (), picture: Picture | None = None,
) -> Finding:  # fmt: skip  # noqa: PLR0913
    """Make a finding; `said` names another pair of sentences than the code's own."""
    key = said or code
    spot = {"file": place.file, "line": place.line} if place is not None else {}
    return Finding(
        code=code, category=CATEGORY[code], severity=severity, confidence=confidence,
        reckoned=reckoned or message("findings.fact"), cause=message(f"causes.{key}", **values),
        remedy=message(f"causes.{key}_cure", **values), where=Where(**{**spot, **where}), evidence=tuple(evidence),
        explains=tuple(explains), picture=picture,
    )  # fmt: skip


def seen(what: str, value: float, healthy: str = "", unit: str = "") -> Evidence:
    """Make a piece of evidence; its name is `evidence.<what>`."""
    return Evidence(what=message(f"evidence.{what}"), value=float(value), healthy=healthy, unit=unit)


def place_of(case: Case, op: Op | None) -> Place | None:
    """Return the line to change for an operation: where its module was made if that is one of torch's, else the call."""
    if op is None:
        return None
    module = op.func if op.kind == "module" else op.module
    if isinstance(module, nn.Module) and type(module).__module__.startswith("torch.") and not isinstance(module, nn.Sequential):
        return case.made.get(id(module)) or op.place
    return op.place
