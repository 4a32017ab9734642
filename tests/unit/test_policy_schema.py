"""The schemas say of a file what the loader says; CI gets problems in its own forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from mcp_egress_guard.errors import Problem
from mcp_egress_guard.policy.builtins import builtin_pack_files, profile
from mcp_egress_guard.policy.report import github, sarif
from mcp_egress_guard.schema import SCHEMAS, schema


def properties(name: str, record: str) -> dict[str, Any]:
    found: dict[str, Any] = schema(name)["$defs"][record]["properties"]
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described(name: str) -> None:
    found = schema(name)
    assert json.loads(json.dumps(found)) == found
    for record in found["$defs"].values():
        assert record["additionalProperties"] is False
        assert all(entry["description"] for entry in record["properties"].values())


def test_the_schemas_know_names_choices_and_bounds() -> None:
    assert "not" in properties("pack", "MatchCondition")
    assert properties("pack", "PolicyRule")["decision"]["enum"][1] == "DENY"
    assert schema("pack")["$defs"]["PolicyRule"]["required"] == ["id", "decision"]
    assert properties("pack", "MatchCondition")["min_risk_score"]["maximum"] == 1
    assert properties("gateway", "ProxyConfig")["transport"]["enum"] == ["stdio", "http"]
    assert "default" not in properties("gateway", "AuditConfig")["hmac_key"]


@pytest.mark.parametrize("name", ["default", "enterprise"])
def test_what_init_writes_has_no_key_that_the_schema_does_not_know(name: str) -> None:
    data = yaml.safe_load(profile(name).gateway)
    assert set(data) <= set(properties("gateway", "GatewayConfig"))
    for section, record in (("proxy", "Proxy"), ("engine", "Engine"), ("audit", "Audit")):
        assert set(data[section]) <= set(properties("gateway", f"{record}Config"))
    for text in builtin_pack_files().values():
        for rule in yaml.safe_load(text)["rules"]:
            assert set(rule) <= set(properties("pack", "PolicyRule"))


PROBLEM = Problem("bad,\nthing", "a,b.yaml", 3, 5, "rules[0].id", "mend 100% of it")


def test_github_annotations_are_escaped() -> None:
    assert github([PROBLEM, Problem("x", severity="warning")]) == (
        "::error file=a%2Cb.yaml,line=3,col=5::rules[0].id: bad,%0Athing (mend 100%25 of it)\n"
        "::warning::x\n"
    )


def test_sarif_has_the_place() -> None:
    (run,) = sarif([PROBLEM])["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("policy-error", "error")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a,b.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
