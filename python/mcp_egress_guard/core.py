"""The guard: rules in, calls in, judgements out.

The only module that stands on the extension, together with `analyzers`. It loads neither pydantic
nor YAML, so that a proxy without configuration starts at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from mcp_egress_guard._core import (
    Approvals,
    AuditLog,
    Finding,
    Gateway,
    Guard,
    Inspection,
    Session,
    __version__,
    builtin_packs,
    builtin_profiles,
    calibrate,
    detectors,
    empty_call,
    mask,
    measure_stage,
    policy_codes,
    profile,
    verify_log,
)
from mcp_egress_guard.result import EvaluationResult, PolicyDecision, RuleTrace, request_hash

if TYPE_CHECKING:
    from mcp_egress_guard.policy.models import PolicyRule, ToolCallRequest

__all__ = [
    "Approvals",
    "AuditLog",
    "EgressGuard",
    "Finding",
    "Gateway",
    "Guard",
    "Inspection",
    "PolicyEngine",
    "Session",
    "builtin_hash",
    "builtin_packs",
    "builtin_profiles",
    "builtin_rules",
    "calibrate",
    "check_rules",
    "compile_guard",
    "core_version",
    "detector_files",
    "detectors",
    "empty_call",
    "mask",
    "measure_stage",
    "policy_codes",
    "profile",
    "verify_log",
]

Settings = Mapping[str, Any]
BLOCKED = frozenset({PolicyDecision.DENY, PolicyDecision.ESCALATE})


def core_version() -> str:
    """The version of the extension; equals the package's in a sound installation."""
    return __version__


def builtin_rules() -> list[dict[str, Any]]:
    """The rules of the built-in packs as plain data, in load order."""
    rules = []
    for entry in orjson.loads(builtin_packs()):
        data = entry["data"]
        for rule in data["rules"]:
            plain = {key: value for key, value in rule.items() if key != "tests"}
            rules.append({"pack": data["pack"], "version": data.get("version", "")} | plain)
    return rules


def builtin_hash() -> str:
    """16 hex digits that name the built-in packs, for the audit log."""
    return hashlib.sha256(builtin_packs().encode()).hexdigest()[:16]


def detector_files() -> list[dict[str, Any]]:
    """The built-in detectors in full, with examples and references: `file` and `data` of each."""
    from mcp_egress_guard._core import builtin_detector_files  # noqa: PLC0415  (rarely asked for)

    files: list[dict[str, Any]] = orjson.loads(builtin_detector_files())
    return files


def compile_guard(rules: Sequence[Mapping[str, Any]], settings: Settings | None = None) -> Guard:
    """Compiles rules, given as plain data, with the engine's settings.

    Raises:
        ValueError: a rule, detector or setting that does not compile, or a scanner that is not
            installed; one message a line.
    """
    plain = dict(settings or {}) | {"rules": list(rules)}
    scanner = plain.pop("scanner", "auto")
    make = None
    if scanner != "rust":
        from mcp_egress_guard.scanner import literal_search  # noqa: PLC0415  (start-up)

        make = literal_search(scanner)
    return Guard(json.dumps(plain), make)


def check_rules(rules: Sequence[Mapping[str, Any]], settings: Settings | None = None) -> list[str]:
    """Why the rules do not compile, one message each; empty where they do."""
    try:
        compile_guard(rules, settings)
    except ValueError as error:
        return str(error).splitlines()
    return []


def frame_of(message: Any) -> bytes:
    """The JSON bytes of a message that came as Python objects, exact in its integers.

    Raises:
        TypeError, ValueError: something that is not JSON.
    """
    try:
        return orjson.dumps(message)
    except TypeError:
        # Integers beyond 64 bits, and what only the standard library takes.
        return json.dumps(message, allow_nan=False).encode()


class RuleTable:
    """Rules in load order. A result keeps the table that it was judged by, whatever comes later."""

    def __init__(self, plain: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._plain = plain
        self._models: dict[int, PolicyRule] = {}

    @property
    def plain(self) -> Sequence[Mapping[str, Any]]:
        """The rules as plain data; the built-in ones, read when they are first asked for."""
        if self._plain is None:
            self._plain = builtin_rules()
        return self._plain

    def __getitem__(self, index: int) -> PolicyRule:
        from mcp_egress_guard.policy.models import PolicyRule  # noqa: PLC0415  (start-up)

        if index not in self._models:
            self._models[index] = PolicyRule.model_validate(self.plain[index])
        return self._models[index]


class PolicyEngine:
    """The rules of one guard. Compiled when a call is first judged by them."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        rules: Sequence[Mapping[str, Any]] | None = None,
        compiled: Guard | None = None,
    ) -> None:
        """Without `rules`, which are plain data, the built-in ones.

        `compiled` is the guard of these rules and settings, where the caller has it.

        Raises:
            ValueError: one of `rules` does not compile.
        """
        self.settings: dict[str, Any] = dict(settings or {})
        self.table = RuleTable(rules)
        if rules is not None and compiled is None:
            compiled = compile_guard(rules, self.settings)
        self._guard = compiled

    @property
    def plain_rules(self) -> list[Mapping[str, Any]]:
        """The rules as plain data, in load order."""
        return list(self.table.plain)

    @property
    def rules(self) -> list[PolicyRule]:
        """The rules, in load order."""
        return [self.rule_at(index) for index in range(len(self.table.plain))]

    @property
    def shadow_mode(self) -> bool:
        """Whether decisions are only recorded."""
        return bool(self.settings.get("shadow_mode", False))

    @shadow_mode.setter
    def shadow_mode(self, value: bool) -> None:
        self.settings["shadow_mode"] = value
        self._guard = None

    @property
    def guard(self) -> Guard:
        """The compiled form.

        Raises:
            ValueError: a rule that does not compile.
        """
        if self._guard is None:
            self._guard = compile_guard(self.table.plain, self.settings)
        return self._guard

    def load_rules(self, rules: Iterable[PolicyRule | Mapping[str, Any]]) -> None:
        """Replaces the rules by these.

        Raises:
            ValueError: a rule that does not compile; the old rules stay.
        """
        plain = [rule if isinstance(rule, Mapping) else rule.for_engine() for rule in rules]
        self._guard = compile_guard(plain, self.settings)
        self.table = RuleTable(plain)

    def rule_at(self, index: int) -> PolicyRule:
        """The rule at this place of the load order."""
        return self.table[index]


class EgressGuard:
    """Judges tool calls by rules; with the built-in rules if none are loaded.

    `settings` are the engine's (see the stub of the extension): `default_decision`,
    `shadow_mode`, `environment`, `internal_domains`, `org_fingerprints` and others; and `scanner`,
    the engine that searches for `content_patterns`: `auto`, `rust` or `hyperscan`.
    """

    def __init__(
        self, settings: Settings | None = None, *, engine: PolicyEngine | None = None
    ) -> None:
        self.engine = engine or PolicyEngine(settings)

    def evaluate_tool_call(self, request: ToolCallRequest) -> EvaluationResult:
        """Judges one call."""
        return self.evaluate(
            request.tool_name,
            request.arguments,
            environment=request.environment,
            labels=request.labels,
            server=request.server,
            session_id=request.session_id,
        )

    def evaluate(
        self,
        tool_name: str,
        arguments: Mapping[str, Any],
        *,
        environment: str = "",
        labels: Mapping[str, str] | None = None,
        server: str = "",
        session_id: str = "",
    ) -> EvaluationResult:
        """Judges one call given as plain data."""
        message = _call(tool_name, arguments)
        inspection = self.engine.guard.inspect(
            _frame_or_nothing(message),
            environment or None,
            dict(labels or {}) or None,
            server=server,
            session_id=session_id,
        )
        return EvaluationResult(inspection, self.engine.table, lambda: _request_hash_of(message))

    def explain(
        self,
        tool_name: str,
        arguments: Mapping[str, Any],
        *,
        environment: str = "",
        labels: Mapping[str, str] | None = None,
        server: str = "",
        session_id: str = "",
    ) -> list[RuleTrace]:
        """Why each rule matches the call or not, in the order in which the rules decide.

        Empty for what is no call, which the engine refuses without asking the rules.
        """
        frame = _frame_or_nothing(_call(tool_name, arguments))
        rows = self.engine.guard.explain(
            frame,
            environment or None,
            dict(labels or {}) or None,
            server=server,
            session_id=session_id,
        )
        return [
            RuleTrace(self.engine.rule_at(index), concerned, matched, conditions)
            for index, concerned, matched, conditions in rows or ()
        ]

    def outline(self, command: str) -> dict[str, Any]:
        """What would run if a shell ran the command: `steps`, `cut` and `findings`.

        The stub of the extension describes them. Secrets are masked, and nothing is run.
        """
        text = command.encode(errors="replace").decode()
        tree: dict[str, Any] = json.loads(self.engine.guard.outline(text))
        return tree

    def evaluate_mcp_message(
        self, message: dict[str, Any]
    ) -> tuple[dict[str, Any] | None, EvaluationResult]:
        """Judges one JSON-RPC message.

        Returns the message to forward, which is `None` for a blocked one and a masked copy for a
        redacted one, and the judgement.
        """
        inspection = self.engine.guard.inspect(_frame_or_nothing(message))
        result = EvaluationResult(inspection, self.engine.table, lambda: _request_hash_of(message))
        if inspection.enforced in BLOCKED:
            return None, result
        if (rewritten := inspection.rewritten) is not None:
            return _load(rewritten), result
        return message, result

    def build_block_response(
        self, result: EvaluationResult, request_id: Any = None
    ) -> dict[str, Any]:
        """The JSON-RPC error for a blocked call."""
        code = result.policy_code or "EGRESS_DENY_POLICY_MATCH"
        severity, category = _code_table().get(code, ("medium", "A rule of the policy"))
        rule = result.plain_rule
        data = {
            "policy_code": code,
            "severity": severity,
            "category": category,
            "rule_id": result.rule_id,
            "reason": result.reason,
            "remediation_hint": rule.get("remediation_hint", ""),
            "safe_alternative": rule.get("safe_alternative", ""),
            "matched_patterns": sorted({finding.finding_type for finding in result.findings}),
        }
        error = {"code": -32001, "message": f"Policy violation: {code}", "data": data}
        return {"jsonrpc": "2.0", "id": request_id, "error": error}

    def inspect(self, frame: bytes) -> Inspection:
        """Judges one JSON-RPC message as bytes."""
        return self.engine.guard.inspect(frame)


def _call(tool_name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    params = {"name": tool_name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": params}


def _frame_or_nothing(message: Any) -> bytes:
    try:
        return frame_of(message)
    except (TypeError, ValueError, RecursionError):
        # What is no JSON cannot be forwarded either; the engine says so in its own words.
        return b""


_codes: dict[str, tuple[str, str]] = {}


def _code_table() -> dict[str, tuple[str, str]]:
    if not _codes:
        _codes.update({code: (severity, text) for code, severity, text in policy_codes()})
    return _codes


def _request_hash_of(message: dict[str, Any]) -> str:
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    name, arguments = params.get("name"), params.get("arguments")
    return request_hash(
        name if isinstance(name, str) else "", arguments if isinstance(arguments, dict) else {}
    )


def _load(frame: bytes) -> dict[str, Any]:
    # orjson would read an integer beyond 64 bits as a float.
    loaded = json.loads(frame)
    if not isinstance(loaded, dict):
        raise TypeError("a message is a JSON object")
    return loaded
