"""gateway.yaml: what is read, where from, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_egress_guard.config import GatewayConfig, find_config, load_config, parse_config
from mcp_egress_guard.errors import ConfigError, Problem
from mcp_egress_guard.policy.builtins import profile, profile_names
from mcp_egress_guard.policy.models import PolicyDecision, ToolCategory


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        ("proxy:\n  transprt: stdio\n", 2, "proxy.transprt", 'did you mean "transport"?'),
        ("proxy:\n  transport: htp\n", 2, "proxy.transport", 'did you mean "http"?'),
        ("engine:\n  default_decision: deny\n", 2, "engine.default_decision", "DENY"),
        ("engine:\n  shadow_mode: 'yes'\n", 2, "engine.shadow_mode", "true or false"),
        (
            "engine:\n  fail_closed_categories: [shel]\n",
            2,
            "engine.fail_closed_categories[0]",
            'did you mean "shell"?',
        ),
        ("proxy:\n  listen_port: 99999\n", 2, "proxy.listen_port", ""),
        ("proxy:\n  listen_port: http\n", 2, "proxy.listen_port", ""),
        ("proxy:\n  downstream_command: npx -y x\n", 2, "proxy.downstream_command", "npx -y x"),
        ("proxy:\n  downstream_command: ['']\n", 2, "proxy.downstream_command", ""),
        ("proxy:\n  downstream_url: localhost\n", 2, "proxy.downstream_url", "http://"),
        ("environment: 5\n", 1, "environment", "quotes"),
        ("environment:\n", 1, "environment", "leave the key out"),
        ("a: b: c\n", 1, "", "quotes"),
        ("proxy:\n\ttransport: stdio\n", 2, "", "tabs"),
        ("proxy: {}\nproxy: {}\n", 2, "proxy", ""),
        ("- a\n", 1, "", ""),
        ("org_fingerprints:\n  - sha256:12\n", 2, "org_fingerprints[0]", "sha256sum"),
        ("internal_domains:\n  - '*'\n", 2, "internal_domains[0]", "*.internal"),
        ("audit:\n  hmac_key: a\n  hmac_key_file: b\n", 3, "audit.hmac_key_file", "one of them"),
        ("audit: {log_file: ''}\n", 1, "audit.log_file", ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_way_out(
    text: str, line: int, field: str, hint: str
) -> None:
    (problem,) = problems(text)
    assert (problem.file, problem.line, problem.field) == ("gateway.yaml", line, field)
    assert problem.message
    assert hint in problem.hint


def test_all_mistakes_are_named_at_once() -> None:
    found = problems("proxy:\n  transprt: x\nengin: {}\naudit:\n  enabled: 1\n")
    assert [problem.line for problem in found] == [2, 3, 5]


def test_a_value_that_could_be_a_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("audit:\n  hmac_key: [hunter2hunter2]\n")
    assert "hunter2" not in str(caught.value)
    config = parse_config("audit:\n  hmac_key: hunter2hunter2\n")
    assert config.hmac_key() == b"hunter2hunter2"
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(config.as_dict())


@pytest.mark.parametrize("text", ["", "# nothing\n", "proxy:\n  # transport: stdio\nengine:\n"])
def test_what_is_left_out_is_the_default(text: str) -> None:
    config = parse_config(text)
    assert config.as_dict() == GatewayConfig().as_dict()
    assert config.engine.default_decision == PolicyDecision.ALLOW
    assert ToolCategory.SHELL in config.engine.fail_closed_categories


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("policy_paths: [rules/, /etc/rules.yaml]\ndb_path: x.db\n")
    config = load_config(file)
    assert config.policy_files == [tmp_path / "rules", Path("/etc/rules.yaml")]
    assert config.db_file == tmp_path / "x.db"
    assert config.audit_file == tmp_path / "egress_audit.jsonl"


def test_the_first_name_that_is_there_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config() is None
    assert load_config().path is None
    for name in (".egress-guard.yaml", "gateway.yml", "gateway.yaml"):
        (tmp_path / name).write_text(f"environment: {name}\n")
        assert load_config().environment == name


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "nosuch.yaml")
    assert "egress-guard init" in caught.value.hint
    with pytest.raises(ConfigError):
        load_config(tmp_path)


def test_the_key_comes_from_the_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("of-the-file\n")
    file = tmp_path / "gateway.yaml"
    file.write_text("audit: {hmac_key_file: key}\n")
    monkeypatch.delenv("EGRESS_GUARD_HMAC_KEY", raising=False)
    assert load_config(file).hmac_key() == b"of-the-file"
    monkeypatch.setenv("EGRESS_GUARD_HMAC_KEY", "of-the-environment")
    assert load_config(file).hmac_key() == b"of-the-environment"
    monkeypatch.delenv("EGRESS_GUARD_HMAC_KEY")
    (tmp_path / "key").unlink()
    with pytest.raises(ConfigError) as caught:
        load_config(file).hmac_key()
    assert caught.value.field == "hmac_key_file"


def test_an_alias_cannot_blow_a_file_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    text = "\n".join([*lines, "policy_paths: *a8"])
    assert any(problem.field.startswith("policy_paths") for problem in problems(text))


def test_the_profiles_are_read_and_differ() -> None:
    assert profile_names() == ["default", "enterprise"]
    default, enterprise = (parse_config(profile(name).gateway) for name in profile_names())
    assert default.as_dict() == GatewayConfig(policy_paths=["policies/"]).as_dict()
    assert set(enterprise.engine.fail_closed_categories) == set(ToolCategory)
    assert enterprise.engine.entropy
    assert enterprise.audit.signed_bundles
    assert enterprise.audit.file_mode == "0600"
    assert set(profile("enterprise").packs) - set(profile("default").packs) == {"enterprise.yaml"}


def test_what_becomes_of_build_output_is_handed_to_the_engine() -> None:
    assert "scoped_deletes" not in parse_config("").engine_settings()
    config = parse_config("engine: {scoped_deletes: allow}\n")
    assert config.engine_settings()["scoped_deletes"] == "allow"
    (problem,) = problems("engine: {scoped_deletes: maybe}\n")
    assert problem.field == "engine.scoped_deletes"
