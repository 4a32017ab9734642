"""Typed models of rules, requests and results."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mcp_egress_guard.result import AnalyzerFinding, EvaluationResult, PolicyDecision

__all__ = [
    "AnalyzerFinding",
    "EvaluationResult",
    "MatchCondition",
    "PolicyDecision",
    "PolicyRule",
    "ToolCallRequest",
    "ToolCategory",
]


class ToolCategory(StrEnum):
    """What kind of tool a name stands for."""

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


class ToolCallRequest(BaseModel):
    """One `tools/call` to judge."""

    method: str = "tools/call"
    tool_name: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    session_id: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    environment: str = ""
    raw_request: dict[str, Any] | None = Field(default=None, repr=False)

    @property
    def request_hash(self) -> str:
        """16 hex digits over tool and sorted arguments; equal calls have equal hashes."""
        content = json.dumps(
            {"tool": self.tool_name, "arguments": self.arguments}, sort_keys=True, default=str
        )
        return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:16]


class MatchCondition(BaseModel):
    """The conditions of one rule: all fields must hold, of a list one value."""

    model_config = ConfigDict(extra="forbid")

    tool_name_patterns: list[str] = Field(default_factory=list)
    tool_categories: list[ToolCategory] = Field(default_factory=list)
    arg_path_patterns: list[str] = Field(default_factory=list)
    destination_domains: list[str] = Field(default_factory=list)
    secret_types: list[str] = Field(default_factory=list)
    finding_types: list[str] = Field(default_factory=list)
    content_patterns: list[str] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    environments: list[str] = Field(default_factory=list)
    min_risk_score: float | None = Field(default=None, ge=0, le=1)


class PolicyRule(BaseModel):
    """One rule of a policy pack."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1)
    name: str = ""
    description: str = ""
    priority: int = 100
    decision: PolicyDecision
    conditions: MatchCondition = Field(default_factory=MatchCondition)
    policy_code: str = "EGRESS_DENY_POLICY_MATCH"
    remediation_hint: str = ""
    safe_alternative: str = ""
    enabled: bool = True
    pack: str = ""
    version: str = ""
    tags: list[str] = Field(default_factory=list)
    masking: str | None = None
