"""Rules and requests as pydantic models. Only commands that show or read rules load this module."""

from __future__ import annotations

import datetime
import functools
from enum import StrEnum, nonmember
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from mcp_egress_guard.errors import PolicyError, Problem
from mcp_egress_guard.result import (
    AnalyzerFinding,
    EvaluationResult,
    PolicyDecision,
    request_hash,
)
from mcp_egress_guard.shape import Record, dotted, faults

__all__ = [
    "Allowlist",
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
    "ToolHints",
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


class PolicyRecord(Record):
    """A record whose mistakes are told as those of a policy."""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The record of plain data.

        Raises:
            PolicyError: an unknown field, a missing one, or a value of the wrong kind; with all.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            problems = [
                Problem(fault.message, field=dotted(fault.path), hint=fault.hint)
                for fault in faults(error, cls)
            ]
        raise PolicyError(problems=problems)


def _date(value: Any) -> Any:
    # Dates are text in JSON; a number of seconds, which pydantic would take, is a mistake.
    if isinstance(value, str):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            return value
    return value


def _hint(name: str, description: str) -> Any:
    return Field(
        default=None, validation_alias=name, serialization_alias=name, description=description
    )


# A choice comes as its name, out of YAML or JSON: that is why it is not strict.
Category = Annotated[
    ToolCategory, Field(strict=False), WithJsonSchema({"enum": list(ToolCategory)})
]
Masking = Annotated[
    MaskingStrategy, Field(strict=False), WithJsonSchema({"enum": list(MaskingStrategy)})
]
Decision = Annotated[
    PolicyDecision, Field(strict=False), WithJsonSchema({"enum": list(PolicyDecision)})
]
Day = Annotated[datetime.date, BeforeValidator(_date)]
Direction = Annotated[Way, Field(strict=False), WithJsonSchema({"enum": list(Way)})]


class ToolCallRequest(PolicyRecord):
    """One `tools/call` to judge."""

    tool_name: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    session_id: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    environment: str = ""
    server: str = ""
    method: str = "tools/call"
    raw_request: dict[str, Any] | None = Field(default=None, repr=False)

    @functools.cached_property
    def request_hash(self) -> str:
        """16 hex digits over tool and sorted arguments; equal calls have equal hashes."""
        return request_hash(self.tool_name, self.arguments)


class ToolHints(PolicyRecord):
    """What the server must have said of the tool in `tools/list`. It may say what it likes."""

    NOUN: ClassVar[str] = "hint"

    read_only: bool | None = _hint("readOnlyHint", "The tool changes nothing.")
    destructive: bool | None = _hint("destructiveHint", "The tool may destroy something.")
    idempotent: bool | None = _hint("idempotentHint", "A second equal call changes nothing more.")
    open_world: bool | None = _hint("openWorldHint", "The tool reaches beyond the server.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == ToolHints.model_construct():
            raise ValueError("names no hint")
        return self


class MatchCondition(PolicyRecord):
    """The conditions of one rule: all must hold, of the values in a list one."""

    NOUN: ClassVar[str] = "condition"

    tool_name_patterns: list[str] = Field(
        default_factory=list,
        description="Globs over the tool's name, in either case; `!glob` takes away.",
    )
    tool_categories: list[Category] = Field(
        default_factory=list,
        description="The tool is of one of these categories; a tool may have several.",
    )
    arg_path_patterns: list[str] = Field(
        default_factory=list,
        description="Paths into the arguments: `a.b`, `a.*`, `list[0]`, `**.key`, each with "
        "an optional "
        "`=glob` over the value; or RFC 9535 JSONPath, beginning with `$`.",
    )
    destination_domains: list[str] = Field(
        default_factory=list,
        description="Patterns over the hosts that data goes to: `*example.com` is the domain "
        "and all "
        "below it, what follows a slash is over the path, `10.0.0.0/8` a network, `@internal` "
        "the configured internal_domains. `!pattern`: some destination is none of these.",
    )
    sends: bool | None = Field(
        default=None,
        description="true: data goes to the destination; false: it comes from there. Not "
        "given: both.",
    )
    secret_types: list[str] = Field(
        default_factory=list, description="A secret of one of these types was found."
    )
    finding_types: list[str] = Field(
        default_factory=list, description="A finding of one of these types."
    )
    finding_tags: list[str] = Field(
        default_factory=list,
        description="A finding whose detector has one of these tags: deny, review.",
    )
    finding_ids: list[str] = Field(
        default_factory=list,
        description="Globs over the ids of detectors, such as `command.git.*`.",
    )
    content_patterns: list[str] = Field(
        default_factory=list,
        description="Regular expressions without look-around or back-references, in either "
        "case, over "
        "each string of the arguments by itself, names of members included.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="All of these labels are set on the call."
    )
    environments: list[str] = Field(
        default_factory=list, description="Globs over the environment's name; `!glob` takes away."
    )
    servers: list[str] = Field(
        default_factory=list, description="Globs over the MCP server's name; `!glob` takes away."
    )
    tool_hints: ToolHints | None = Field(
        default=None,
        description="The server has said so of the tool. Untrusted: good for rules that are "
        "stricter, a reason to allow only for servers of your own.",
    )
    min_risk_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A finding has at least this risk; with other conditions on findings, one "
        "and the "
        "same finding fulfils them all.",
    )
    methods: list[str] = Field(
        default_factory=list,
        description="Globs over the JSON-RPC method. Without it a rule on findings or content "
        "is about "
        "every message, any other rule about tools/call.",
    )
    direction: Direction | None = Field(
        default=None, description="request (client to server, if not given), response, or any."
    )
    any: list[MatchCondition] = Field(
        default_factory=list, description="One of these groups holds."
    )
    all: list[MatchCondition] = Field(
        default_factory=list, description="Each of these groups holds."
    )
    not_: MatchCondition | None = Field(
        default=None,
        validation_alias="not",
        serialization_alias="not",
        description="This group does not hold.",
    )


class RuleTest(PolicyRecord):
    """A call, and the decision that all rules together must give."""

    tool_name: str = Field(description="The tool.")
    expected_decision: Decision = Field(description="What the rules decide.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="The arguments.")
    environment: str = Field(default="", description="Of the call.")
    labels: dict[str, str] = Field(default_factory=dict, description="Of the session.")
    server: str = Field(default="", description="The MCP server.")
    rule: str = Field(default="", description="The id of the rule that decides.")


class PolicyRule(PolicyRecord):
    """One rule of a policy pack."""

    NOUN: ClassVar[str] = "field"

    id: str = Field(min_length=1, description="Unique in all packs.")
    name: str = Field(default="", description="A few words for lists.")
    description: str = Field(
        default="", description="What the call would do; reaches the agent in a denial."
    )
    priority: int = Field(
        default=100,
        ge=-(1 << 31),
        le=1 << 31,
        description="The lowest number of all rules that match decides.",
    )
    decision: Decision = Field(
        description="Within a priority DENY beats ESCALATE, REDACT and ALLOW."
    )
    conditions: MatchCondition = Field(
        default_factory=MatchCondition, description="When the rule matches."
    )
    policy_code: str = Field(default="EGRESS_DENY_POLICY_MATCH", description="The stable reason.")
    remediation_hint: str = Field(default="", description="What the agent should do instead.")
    safe_alternative: str = Field(default="", description="A safer command or tool.")
    enabled: bool = Field(default=True, description="false switches the rule off.")
    pack: str = Field(
        default="", description="The family of files; that of the pack, if not given."
    )
    version: str = Field(default="", description="That of the pack, if not given.")
    tags: list[str] = Field(default_factory=list, description="Free labels.")
    masking: Masking | None = Field(default=None, description="How a REDACT rule masks.")
    unless: MatchCondition | None = Field(
        default=None, description="The rule does not match where this holds."
    )
    when: str = Field(
        default="",
        description="An expression in CEL that must hold as well, over tool, server, method, "
        "direction, categories, arguments, findings, risk, destinations, environment, labels, "
        "hints and session.",
    )
    simulates: Decision = Field(
        default=PolicyDecision.DENY, description="The decision that a SIMULATE rule tries out."
    )
    expires: Day | None = Field(
        default=None,
        description="The last day of the rule, in UTC; for exceptions that must not stay.",
    )
    reason: str = Field(default="", description="Why the rule is there; for exceptions.")
    tests: list[RuleTest] = Field(
        default_factory=list, description="Calls and what is decided on them."
    )

    def for_engine(self) -> dict[str, Any]:
        """The rule as the engine takes it: without what only people and tests need."""
        data = self.model_dump(
            mode="json",
            exclude={"tests", "reason"},
            exclude_none=True,
            exclude_defaults=True,
        )
        return {"decision": str(self.decision)} | data

    def is_over(self, today: datetime.date) -> bool:
        """Whether the rule has expired."""
        return self.expires is not None and today > self.expires


class Allowlist(PolicyRecord):
    """Findings that are known to be harmless with some tools or servers, until a day.

    The rules do not see them; the audit does.
    """

    NOUN: ClassVar[str] = "field"

    id: str = Field(min_length=1, description="Unique in all packs.")
    reason: str = Field(min_length=1, description="Why it is harmless.")
    expires: Day = Field(description="The last day of the entry, in UTC.")
    tools: list[str] = Field(
        default_factory=list, description="Globs over the tool's name; `!glob` takes away."
    )
    servers: list[str] = Field(
        default_factory=list, description="Globs over the MCP server's name; `!glob` takes away."
    )
    finding_types: list[str] = Field(
        default_factory=list, description="The finding is of one of these types."
    )
    finding_ids: list[str] = Field(
        default_factory=list, description="Globs over the id of the finding's detector."
    )
    fingerprints: list[str] = Field(
        default_factory=list,
        description="What was found is one of these: sha256: and 64 hex digits of the text.",
    )

    def for_engine(self) -> dict[str, Any]:
        """The entry as the engine takes it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def is_over(self, today: datetime.date) -> bool:
        """Whether the entry has expired."""
        return today > self.expires


class PolicyPack(PolicyRecord):
    """One file of rules and allowlists."""

    rules: list[PolicyRule] = Field(
        default_factory=list, description="The rules; their order does not matter."
    )
    allowlists: list[Allowlist] = Field(
        default_factory=list, description="Exceptions for tools and servers, each with its end."
    )
    pack: str = Field(default="", description="The name of the family.")
    version: str = Field(default="", description="Of the pack.")
    description: str = Field(default="", description="What the pack is for.")
    author: str = Field(default="", description="Who keeps it.")
