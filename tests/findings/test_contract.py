"""What every finding owes its reader, whichever check made it."""

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from thalweg.core import Message, Outcome
from thalweg.findings import CHECKS, Evidence, Finding, Severity, Where, find_all, ranked

_spec = importlib.util.spec_from_file_location("traces", Path(__file__).with_name("traces.py"))
traces = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(traces)

RISING = np.concatenate([np.linspace(2, 0.5, 12), np.linspace(0.55, 1.2, 28)])
DOWN = traces.falling(40, floor=0.0)
SICK = {
    "overfitting": {"validation": RISING, "training": DOWN},
    "overfitting restored": {"validation": RISING, "training": DOWN, "restored": True},
    "stopped-too-early": {"validation": np.linspace(2.3, 0.6, 30), "training": np.linspace(2.3, 0.6, 30)},
    "lr-too-high": {"training": [], "losses": [2.3, 9.0, 1e5, math.inf], "outcome": Outcome.DIVERGED},
    "lr-too-high from zero": {
        "training": [],
        "losses": [0.0, 9.0, 1e5, math.inf],
        "outcome": Outcome.DIVERGED,
    },
    "non-finite": {"training": [], "losses": [2.3, 2.2, math.nan], "outcome": Outcome.DIVERGED},
}
FIELDS = {"code", "category", "severity", "confidence", "reckoned", "where", "evidence", "cause", "remedy", "picture"}


@pytest.fixture(params=SICK)
def found(request, tmp_path):
    trace = traces.make_trace(tmp_path, **SICK[request.param])
    findings = find_all(trace)
    trace.close()
    assert [finding.code for finding in findings] == [request.param.split()[0]]
    return findings[0]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_record_is_whole_and_can_be_said(found, lang):
    plain = json.loads(json.dumps(found.to_plain(lang), allow_nan=False))
    assert set(plain) == FIELDS
    assert plain["severity"] in ("critical", "warning", "note") and 0 <= plain["confidence"] <= 1
    assert set(plain["where"]) == {"file", "line", "layer", "parameter", "step"}
    assert plain["evidence"] and all(set(e) == {"what", "value", "unit", "healthy"} for e in plain["evidence"])
    assert set(plain["remedy"]) == {"sentence", "change", "tried"}
    sentences = [plain["cause"], plain["remedy"]["sentence"]]
    assert all(text.endswith("." if lang == "en" else "。") for text in sentences)
    for text in [*sentences, plain["reckoned"], *(e["what"] for e in plain["evidence"])]:
        assert text and "{" not in text and "nan" not in text
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text) == (lang == "zh")


def test_evidence_holds_plain_numbers(found):
    assert all(type(e.value) in (int, float) and math.isfinite(e.value) for e in found.evidence)
    assert type(found.confidence) is float and type(found.where.step) is int


def test_looking_changes_nothing_and_repeats(tmp_path):
    trace = traces.make_trace(tmp_path, **SICK["overfitting"])
    before = trace.path.read_bytes()
    assert find_all(trace) == find_all(trace) != []
    assert trace.path.read_bytes() == before
    trace.close()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_has_nothing_to_say_of_an_empty_trace(name, tmp_path):
    for outcome in [*Outcome, None]:
        trace = traces.make_trace(tmp_path / str(outcome), training=[], losses=[], outcome=outcome)
        assert CHECKS[name]().look(trace) == []
        trace.close()


def test_a_healthy_run_has_no_finding(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(20):
        curves = {
            "validation": traces.falling(40, share=0.3) * (1 + 0.02 * rng.normal(size=40)),
            "training": traces.falling(40, floor=0.2, share=0.3) * (1 + 0.02 * rng.normal(size=40)),
        }
        trace = traces.make_trace(tmp_path / str(k), **curves)
        assert find_all(trace) == []
        trace.close()


def finding(severity, confidence, code="x"):
    said = Message("findings.fact")
    return Finding(
        code=code,
        category="rate",
        severity=severity,
        confidence=confidence,
        reckoned=said,
        cause=said,
        remedy=said,
    )


def test_ranked():
    critical, sure, unsure, note = (
        finding(Severity.CRITICAL, 0.2),
        finding(Severity.WARNING, 0.9),
        finding(Severity.WARNING, 0.5),
        finding(Severity.NOTE, 1.0),
    )
    for order in ([note, unsure, sure, critical], [sure, critical, note, unsure]):
        given = list(order)
        assert ranked(order) == [critical, sure, unsure, note]
        assert order == given
    first, second = finding(Severity.NOTE, 0.5, "a"), finding(Severity.NOTE, 0.5, "b")
    assert ranked([first, second]) == [first, second]
    assert ranked([]) == []


def test_what_is_not_known_is_null():
    plain = finding(Severity.NOTE, 1 / 3).to_plain("en")
    assert plain["where"] == dict.fromkeys(("file", "line", "layer", "parameter", "step"))
    assert plain["evidence"] == [] and plain["confidence"] == 0.333
    assert dataclasses.asdict(Where(layer="a", step=3))["layer"] == "a"
    assert Evidence(what=Message("findings.fact"), value=1.0).unit == ""
