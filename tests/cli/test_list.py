import json
from typing import Any

import pytest

from thalweg.cli.pages import width_of
from thalweg.report.catalogue import FAMILIES

MEMBERS = [(family, name) for family, home in FAMILIES.items() for name in home.members()]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_families_with_their_counts(call: Any) -> None:
    lines = call("list").stdout.splitlines()
    for name, home in FAMILIES.items():
        assert any(line.split()[:2] == [name, str(len(home.members()))] for line in lines), name
    assert call("list", "--quiet").stdout.split() == list(FAMILIES)


def test_a_family_with_a_sentence_for_each_member(call: Any) -> None:
    page = call("list", "rules").stdout
    assert "  muon " in page and "thalweg list rules NAME" in page
    assert "动量" in call("list", "rules", "--lang", "zh").stdout
    names = call("list", "schedules", "--quiet").stdout.split()
    assert names == sorted(names) and "cosine" in names


def test_a_member_in_full(call: Any) -> None:
    page = call("list", "rules", "adam").stdout
    for text in ("m = beta1 * m", "lr = 0.001", "(0, inf)", "1e-05 to 1", "Kingma", '--rule "adam(lr=0.001)"'):
        assert text in page, text
    chinese = call("list", "rules", "adam", "--lang", "zh").stdout
    for text in ("公式", "字段", "学习率", "出处", "用法", "m = beta1 * m"):
        assert text in chinese, text


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("family", "name"), [*MEMBERS, *((family, "") for family in FAMILIES), ("", "")])
def test_every_page_fits_80_columns(call: Any, family: str, name: str, lang: str) -> None:
    result = call("list", *filter(None, (family, name)), "--lang", lang)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if not line.startswith(("    thalweg ", "    tw."))]
    assert [line for line in lines if width_of(line) > 80] == [] and len(lines) > 4


def test_records(call: Any) -> None:
    families = json.loads(call("list", "--json").stdout)
    assert families["kind"] == "families" and families["schema"] == 1
    assert [each["name"] for each in families["families"]] == list(FAMILIES)
    family = json.loads(call("list", "norms", "--json").stdout)
    assert family["kind"] == "family" and {each["name"] for each in family["members"]} >= {"batch", "layer"}
    member = json.loads(call("list", "models", "convnet", "--json").stdout)
    fields = {field["name"]: field for field in member["fields"]}
    assert member["kind"] == "member" and member["class"] == "ConvNet"
    assert fields["kernel"]["default"] == 3 and fields["kernel"]["knob"]["low"] == 3
    assert fields["norm"]["default"]["kind"] == "batch" and fields["channels"]["default"] == [32, 64]


def test_unknown_names(fails: Any) -> None:
    assert "did you mean 'rules'" in fails("list", "rulse")
    assert "did you mean 'cosine'" in fails("list", "schedules", "cosin")
