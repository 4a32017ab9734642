"""Rules and requests as records. Light on purpose: every command loads this module."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, nonmember
from typing import Any, ClassVar, Self

from mcp_egress_guard.errors import PolicyError, Problem
from mcp_egress_guard.result import AnalyzerFinding, EvaluationResult, PolicyDecision
from mcp_egress_guard.shape import closest, field, fields_of, plain

__all__ = [
    "AnalyzerFinding",
    "EvaluationResult",
    "MaskingStrategy",
    "MatchCondition",
    "PolicyDecision",
    "PolicyPack",
    "PolicyRule",
    "RuleTest",
    "ToolCallRequest",
    "ToolCategory",
    "Way",
]


class ToolCategory(StrEnum):
    """What kind of tool a name stands for."""

    NOUN = nonmember("category")

    SHELL = "shell"
    FILESYSTEM = "filesystem"
    GIT = "git"
    NETWORK = "network"
    UPLOAD = "upload"
    HTTP = "http"
    DATABASE = "database"
    MESSAGING = "messaging"
    CODE = "code"
    OTHER = "other"


class MaskingStrategy(StrEnum):
    """How a secret is masked."""

    NOUN = nonmember("strategy")

    PARTIAL_MASK = "partial_mask"
    FULL_MASK = "full_mask"
    TOKENIZED = "tokenized"
    TYPE_PRESERVING = "type_preserving"


class Way(StrEnum):
    """Which way a message travels."""

    REQUEST = "request"
    RESPONSE = "response"
    ANY = "any"


class Record:
    """What users of pydantic models expect of the records of this module."""

    @classmethod
    def model_validate(cls, data: Any) -> Self:
        """The record of plain data.

        Raises:
            PolicyError: an unknown field, a missing one, or a value of the wrong kind.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise PolicyError(f"{cls.__name__}: not a mapping")
        specs = fields_of(cls)
        for key in data:
            if key not in specs:
                problem = Problem(f'unknown field "{key}"', hint=closest(str(key), specs))
                raise PolicyError(problems=[problem])
        values = {specs[key][0].name: value for key, value in data.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise PolicyError(f"{cls.__name__}: {error}") from None

    def model_dump(
        self, *, mode: str = "python", exclude_none: bool = False, exclude_defaults: bool = False
    ) -> dict[str, Any]:
        """The record as a dict; with `mode="json"`, of JSON's types alone."""
        found: dict[str, Any] = {}
        for key, (spec, _) in fields_of(type(self)).items():
            value = getattr(self, spec.name)
            if exclude_none and value is None:
                continue
            if exclude_defaults and value == _default(spec):
                continue
            found[key] = _dumped(value, mode, exclude_none, exclude_defaults)
        return found

    def model_dump_json(self) -> str:
        """The record as JSON."""
        return json.dumps(self.model_dump(mode="json"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A copy with other values."""
        return dataclasses.replace(self, **dict(update or {}))  # type: ignore[type-var]


def _default(spec: dataclasses.Field[Any]) -> Any:
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    return spec.default


def _dumped(value: Any, mode: str, exclude_none: bool, exclude_defaults: bool) -> Any:
    if isinstance(value, Record):
        return value.model_dump(
            mode=mode, exclude_none=exclude_none, exclude_defaults=exclude_defaults
        )
    if isinstance(value, list):
        return [_dumped(item, mode, exclude_none, exclude_defaults) for item in value]
    return plain(value) if mode == "json" else value


@dataclass
class ToolCallRequest(Record):
    """One `tools/call` to judge."""

    tool_name: str = ""
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    session_id: str = ""
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    environment: str = ""
    method: str = "tools/call"
    raw_request: dict[str, Any] | None = dataclasses.field(default=None, repr=False)

    @functools.cached_property
    def request_hash(self) -> str:
        """16 hex digits over tool and sorted arguments; equal calls have equal hashes."""
        content = json.dumps(
            {"tool": self.tool_name, "arguments": self.arguments}, sort_keys=True, default=str
        )
        return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass
class MatchCondition(Record):
    """The conditions of one rule: all must hold, of the values in a list one."""

    NOUN: ClassVar = "condition"

    tool_name_patterns: list[str] = field(
        factory=list, doc="Globs over the tool's name, in either case; `!glob` takes away."
    )
    tool_categories: list[ToolCategory] = field(
        factory=list, doc="The tool is of one of these categories; a tool may have several."
    )
    arg_path_patterns: list[str] = field(
        factory=list,
        doc="Paths into the arguments: `a.b`, `a.*`, `list[0]`, `**.key`, each with an optional "
        "`=glob` over the value; or RFC 9535 JSONPath, beginning with `$`.",
    )
    destination_domains: list[str] = field(
        factory=list,
        doc="Patterns over the hosts that data goes to: `*example.com` is the domain and all "
        "below it, what follows a slash is over the path, `10.0.0.0/8` a network, `@internal` "
        "the configured internal_domains. `!pattern`: some destination is none of these.",
    )
    sends: bool | None = field(
        None,
        doc="true: data goes to the destination; false: it comes from there. Not given: both.",
    )
    secret_types: list[str] = field(factory=list, doc="A secret of one of these types was found.")
    finding_types: list[str] = field(factory=list, doc="A finding of one of these types.")
    finding_tags: list[str] = field(
        factory=list, doc="A finding whose detector has one of these tags: deny, review."
    )
    finding_ids: list[str] = field(
        factory=list, doc="Globs over the ids of detectors, such as `command.git.*`."
    )
    content_patterns: list[str] = field(
        factory=list,
        doc="Regular expressions without look-around or back-references, in either case, over "
        "each string of the arguments by itself, names of members included.",
    )
    labels: dict[str, str] = field(factory=dict, doc="All of these labels are set on the call.")
    environments: list[str] = field(
        factory=list, doc="Globs over the environment's name; `!glob` takes away."
    )
    min_risk_score: float | None = field(
        None,
        low=0,
        high=1,
        doc="A finding has at least this risk; with other conditions on findings, one and the "
        "same finding fulfils them all.",
    )
    methods: list[str] = field(
        factory=list,
        doc="Globs over the JSON-RPC method. Without it a rule on findings or content is about "
        "every message, any other rule about tools/call.",
    )
    direction: Way | None = field(
        None, doc="request (client to server, if not given), response, or any."
    )
    any: list[MatchCondition] = field(factory=list, doc="One of these groups holds.")
    all: list[MatchCondition] = field(factory=list, doc="Each of these groups holds.")
    not_: MatchCondition | None = field(None, name="not", doc="This group does not hold.")

    def __post_init__(self) -> None:
        self.tool_categories = _each(ToolCategory, self.tool_categories, "tool_categories")
        self.direction = None if self.direction is None else Way(self.direction)
        self.any = [MatchCondition.model_validate(group) for group in self.any]
        self.all = [MatchCondition.model_validate(group) for group in self.all]
        if self.not_ is not None:
            self.not_ = MatchCondition.model_validate(self.not_)


@dataclass
class RuleTest(Record):
    """A call, and the decision that all rules together must give."""

    tool_name: str = field(doc="The tool.")
    expected_decision: PolicyDecision = field(doc="What the rules decide.")
    arguments: dict[str, Any] = field(factory=dict, doc="The arguments.")
    environment: str = field("", doc="Of the call.")
    labels: dict[str, str] = field(factory=dict, doc="Of the session.")
    rule: str = field("", doc="The id of the rule that decides.")


@dataclass(kw_only=True)
class PolicyRule(Record):
    """One rule of a policy pack."""

    NOUN: ClassVar = "field"

    id: str = field(low=1, doc="Unique in all packs.")
    name: str = field("", doc="A few words for lists.")
    description: str = field("", doc="What the call would do; reaches the agent in a denial.")
    priority: int = field(
        100, low=-(1 << 31), high=1 << 31, doc="The lowest number of all rules that match decides."
    )
    decision: PolicyDecision = field(doc="Within a priority DENY beats ESCALATE, REDACT and ALLOW.")
    conditions: MatchCondition = field(factory=MatchCondition, doc="When the rule matches.")
    policy_code: str = field("EGRESS_DENY_POLICY_MATCH", doc="The stable reason.")
    remediation_hint: str = field("", doc="What the agent should do instead.")
    safe_alternative: str = field("", doc="A safer command or tool.")
    enabled: bool = field(True, doc="false switches the rule off.")
    pack: str = field("", doc="The family of files; that of the pack, if not given.")
    version: str = field("", doc="That of the pack, if not given.")
    tags: list[str] = field(factory=list, doc="Free labels.")
    masking: MaskingStrategy | None = field(None, doc="How a REDACT rule masks.")
    unless: MatchCondition | None = field(None, doc="The rule does not match where this holds.")
    simulates: PolicyDecision = field(
        PolicyDecision.DENY, doc="The decision that a SIMULATE rule tries out."
    )
    expires: datetime.date | None = field(
        None, doc="The last day of the rule, in UTC; for exceptions that must not stay."
    )
    reason: str = field("", doc="Why the rule is there; for exceptions.")
    tests: list[RuleTest] = field(factory=list, doc="Calls and what is decided on them.")

    def __post_init__(self) -> None:
        (self.decision,) = _each(PolicyDecision, [self.decision], "decision")
        (self.simulates,) = _each(PolicyDecision, [self.simulates], "simulates")
        if self.masking is not None:
            (self.masking,) = _each(MaskingStrategy, [self.masking], "masking")
        self.conditions = MatchCondition.model_validate(self.conditions)
        if self.unless is not None:
            self.unless = MatchCondition.model_validate(self.unless)
        if isinstance(self.expires, str):
            self.expires = datetime.date.fromisoformat(self.expires)
        self.tests = [RuleTest.model_validate(test) for test in self.tests]

    def for_engine(self) -> dict[str, Any]:
        """The rule as the engine takes it: without what only people and tests need."""
        data = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for key in ("tests", "expires", "reason"):
            data.pop(key, None)
        return {"decision": str(self.decision)} | data

    def is_over(self, today: datetime.date) -> bool:
        """Whether the rule has expired."""
        return self.expires is not None and today > self.expires


@dataclass
class PolicyPack(Record):
    """One file of rules."""

    rules: list[PolicyRule] = field(doc="The rules; their order does not matter.")
    pack: str = field("", doc="The name of the family.")
    version: str = field("", doc="Of the pack.")
    description: str = field("", doc="What the pack is for.")
    author: str = field("", doc="Who keeps it.")


def _each(kind: Any, values: Any, name: str) -> list[Any]:
    try:
        return [kind(value) for value in values]
    except ValueError:
        known = [str(member.value) for member in kind]
        bad = next(str(value) for value in values if str(value) not in known)
        problem = Problem(f'unknown value "{bad}"', field=name, hint=closest(bad, known))
        raise PolicyError(problems=[problem]) from None
