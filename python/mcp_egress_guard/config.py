"""gateway.yaml: what it may hold, where it is looked for, what its paths mean.

Keys of the original are kept: `downstream_*` is what the rest of the package calls the server.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from .errors import ConfigError
from .places import CONFIG_NAMES, HMAC_VARIABLE, find_config
from .policy.models import Category, Decision, PolicyDecision, ToolCategory
from .shape import Record, YamlFile

__all__ = [
    "CONFIG_NAMES",
    "AuditConfig",
    "EngineConfig",
    "GatewayConfig",
    "HttpConfig",
    "ProxyConfig",
    "UpstreamConfig",
    "find_config",
    "load_config",
    "parse_config",
]

FAIL_CLOSED = ("shell", "filesystem", "git", "network", "upload", "http")


class Section(Record):
    """A part of the file, of which every key may be commented out."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_default(cls, data: Any) -> Any:
        return {} if data is None else data


class UpstreamConfig(Record):
    """http: one more MCP server."""

    path: str = Field(
        min_length=1, description="The path of the guard that leads to it, such as /search."
    )
    url: str = Field(min_length=1, description="Its URL.")
    name: str = Field(
        default="", description="Its name in the audit log; the path, if none is given."
    )


class HttpConfig(Section):
    """What only the HTTP transport needs."""

    upstreams: list[UpstreamConfig] = Field(
        default_factory=list, description="More MCP servers, each at a path of its own."
    )
    workers: int = Field(
        default=0, ge=0, le=64, description="Threads; 0: one for each CPU, at most 4."
    )
    admin_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port on 127.0.0.1 of /healthz, /readyz and /metrics; 0: none.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Host names that clients may use, besides localhost and listen_host.",
    )
    allowed_origins: list[str] = Field(
        default_factory=list,
        description="Web pages that may call, such as https://app.example.com.",
    )
    bearer_token_variable: str = Field(
        default="",
        description="The variable with a token that clients must send as Authorization: Bearer.",
    )
    tls_certificate: str = Field(
        default="",
        description="A PEM file with the guard's certificate and those above it; plain HTTP "
        "without.",
    )
    tls_key: str = Field(default="", description="A PEM file with the key of the certificate.")
    client_ca: str = Field(
        default="",
        description="A PEM file with authorities: clients need a certificate of one of them.",
    )
    max_requests: int = Field(
        default=4096, ge=1, le=1_000_000, description="Most requests and open streams at a time."
    )
    connect_seconds: int = Field(default=10, ge=1, le=3600, description="To connect to a server.")
    answer_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        description="Until a server begins to answer; a stream may then be silent.",
    )
    head_seconds: int = Field(
        default=15, ge=1, le=3600, description="For the head of a request to arrive."
    )
    body_seconds: int = Field(
        default=30, ge=1, le=3600, description="Most time between parts of a body."
    )
    idle_seconds: int = Field(
        default=120, ge=1, le=86_400, description="Until an unused connection is closed."
    )
    drain_seconds: float = Field(
        default=4.0,
        ge=0,
        le=3600,
        description="For running requests to end when the guard is stopped.",
    )


class ProxyConfig(Section):
    """How messages come and go."""

    transport: Literal["stdio", "http"] = Field(default="stdio", description="stdio or http.")
    downstream_command: list[str] = Field(
        default_factory=list, description="stdio: the command of the MCP server, one word an entry."
    )
    listen_host: str = Field(default="127.0.0.1", description="http: the address to listen on.")
    listen_port: int = Field(
        default=8080, ge=0, le=65535, description="http: the port; 0 takes a free one."
    )
    downstream_url: str = Field(default="", description="http: the URL of the MCP server.")
    server_name: str = Field(
        default="", description="The name of the server in the audit log and in rules."
    )
    deny_response: Literal["tool_result", "error"] = Field(
        default="tool_result",
        description="How a blocked call is answered: a tool result with isError, or a "
        "JSON-RPC error.",
    )
    public_url: str = Field(
        default="", description="http: the URL under which clients reach the guard."
    )
    max_message_bytes: int = Field(
        default=64 << 20, ge=1 << 10, le=1 << 30, description="A longer message is refused."
    )
    http: HttpConfig = Field(
        default_factory=HttpConfig,
        description="What only the HTTP transport needs, and more servers.",
    )


class EngineConfig(Section):
    """How calls are judged."""

    shadow_mode: bool = Field(
        default=False, description="true: decisions are recorded and nothing is blocked or masked."
    )
    default_decision: Decision = Field(
        default=PolicyDecision.ALLOW, description="For tool calls that no rule matches."
    )
    fail_closed_categories: list[Category] = Field(
        default_factory=lambda: [ToolCategory(name) for name in FAIL_CLOSED],
        description="Calls of these categories are denied where they could not be fully analyzed.",
    )
    entropy: bool = Field(
        default=False, description="true: random-looking strings are reported, at a low risk."
    )
    session_tokens: bool = Field(
        default=False,
        description="true: masking: tokenized adds a number that is the same for equal secrets "
        "of one session, and tells nothing of the secret.",
    )
    scanner: Literal["auto", "rust", "hyperscan"] = Field(
        default="auto",
        description="What searches for content_patterns: rust; hyperscan, an extra, for thousands "
        "of them; or auto, which takes hyperscan for 1000 and more where it is installed.",
    )
    scoped_deletes: Literal["allow", "escalate", "deny"] = Field(
        default="deny",
        description="For rm -rf of build output below the working directory: allow, escalate "
        "or deny.",
    )
    tool_categories: dict[str, list[Category]] = Field(
        default_factory=dict,
        description="Categories of tools by a glob over the name, where the name does not "
        "tell them.",
    )


class AuditConfig(Section):
    """What is written down."""

    enabled: bool = Field(default=True, description="false: no audit log.")
    log_file: str = Field(
        default="egress_audit.jsonl", min_length=1, description="One JSON object a line."
    )
    otel_enabled: bool = Field(default=False, description="true: also to OpenTelemetry.")
    otel_endpoint: str = Field(default="", description="The gRPC endpoint of the collector.")
    signed_bundles: bool = Field(
        default=False, description="true: each line is chained to the one before and signed."
    )
    hmac_key: str = Field(
        # A factory: the schema shows no default of a secret.
        default_factory=str,
        repr=False,
        description=f"The key of the signature; better in the variable {HMAC_VARIABLE}.",
    )
    hmac_key_file: str = Field(default="", description="A file that holds the key.")
    fsync: Literal["never", "interval", "each"] = Field(
        default="never", description="When lines are forced to the disk."
    )
    max_bytes: int = Field(default=0, ge=0, description="The log is rotated at this size; 0 never.")
    max_age_hours: int = Field(
        default=0, ge=0, description="The log is rotated at this age; 0 never."
    )
    max_files: int = Field(default=10, ge=1, le=10_000, description="Rotated logs that are kept.")
    on_failure: Literal["refuse", "continue"] = Field(
        default="refuse",
        description="Where a line cannot be written: refuse the call, or go on and say so on "
        "stderr.",
    )
    file_mode: Literal["0600", "0640", "0644"] = Field(
        default="0600", description="Of the log file."
    )
    record_calls: bool = Field(
        default=False, description="true: the redacted call is recorded, for replay --audit."
    )


class GatewayConfig(Section):
    """The whole of gateway.yaml."""

    proxy: ProxyConfig = Field(
        default_factory=ProxyConfig,
        description="How messages come and go, and the server behind the guard.",
    )
    engine: EngineConfig = Field(
        default_factory=EngineConfig, description="How calls are judged, besides the rules."
    )
    audit: AuditConfig = Field(
        default_factory=AuditConfig, description="What is written down, and where."
    )
    policy_paths: list[str] = Field(
        default_factory=list,
        description="Files and folders of rules and detectors; without it policies/, if that "
        "is there.",
    )
    db_path: str = Field(default="egress_guard.db", min_length=1, description="The rule store.")
    environment: str = Field(
        default="development", description="Rules may ask for it: development, production."
    )
    internal_domains: list[str] = Field(
        default_factory=list, description="Your own domains: uploads there are not flagged."
    )
    blocked_domains: list[str] = Field(
        default_factory=list,
        description="Hosts that are reported as custom_blocked, at a risk of 0.9.",
    )
    org_fingerprints: list[str] = Field(
        default_factory=list,
        description="Your code names: as they are, or sha256: and 64 hex digits.",
    )

    approvals: Literal["elicitation", "store", "off"] = Field(
        default="elicitation",
        description="Who decides about escalated calls: the person at the client where it can ask, "
        "whoever runs egress-guard approvals, or nobody. A call that nobody decides about is "
        "blocked.",
    )
    approval_seconds: int = Field(
        default=300, ge=1, le=86_400, description="How long that person has."
    )
    approval_key_variable: str = Field(
        default="",
        description="The variable with a key that guards share which serve the same clients; "
        "without it each has its own.",
    )

    # Where it was read; no keys of the file.
    _path: Path | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default=Path())

    @property
    def path(self) -> Path | None:
        """The file; `None` for the defaults."""
        return self._path

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self._folder

    def placed(self, path: Path | None, folder: Path) -> GatewayConfig:
        """Says where the configuration was read."""
        self._path, self._folder = path, folder
        return self

    def resolve(self, name: str) -> Path:
        """A path of the file: relative to the file's folder."""
        return self.folder / Path(name).expanduser()

    @property
    def policy_files(self) -> list[Path]:
        """`policy_paths`, resolved."""
        if not self.policy_paths and self.path and (default := self.resolve("policies")).is_dir():
            return [default]
        return [self.resolve(name) for name in self.policy_paths]

    @property
    def db_file(self) -> Path:
        """`db_path`, resolved."""
        return self.resolve(self.db_path)

    @property
    def audit_file(self) -> Path:
        """`audit.log_file`, resolved."""
        return self.resolve(self.audit.log_file)

    def hmac_key(self) -> bytes:
        """The signing key: of the environment, of the key file, or of the file; never shown.

        Raises:
            ConfigError: the key file cannot be read.
        """
        if key := os.environ.get(HMAC_VARIABLE):
            return key.encode()
        if self.audit.hmac_key_file:
            path = self.resolve(self.audit.hmac_key_file)
            try:
                return path.read_bytes().strip()
            except OSError as error:
                raise ConfigError(
                    f"the key cannot be read: {error.strerror}", file=path, field="hmac_key_file"
                ) from None
        return self.audit.hmac_key.encode()

    def engine_settings(self) -> dict[str, Any]:
        """What the engine is built with, without the rules."""
        scoped = self.engine.scoped_deletes
        return {
            **({} if scoped == "deny" else {"scoped_deletes": scoped}),
            "default_decision": str(self.engine.default_decision),
            "shadow_mode": self.engine.shadow_mode,
            "fail_closed_categories": [str(c) for c in self.engine.fail_closed_categories],
            "tool_categories": {
                glob: [str(category) for category in categories]
                for glob, categories in self.engine.tool_categories.items()
            },
            "entropy": self.engine.entropy,
            "session_tokens": self.engine.session_tokens,
            **({} if self.engine.scanner == "auto" else {"scanner": self.engine.scanner}),
            "record_calls": self.audit.record_calls,
            "environment": self.environment,
            "internal_domains": self.internal_domains,
            "blocked_domains": self.blocked_domains,
            "org_fingerprints": self.org_fingerprints,
            "max_message_bytes": self.proxy.max_message_bytes,
        }

    def as_dict(self) -> dict[str, Any]:
        """The keys of the file; the signing key is left out."""
        return self.model_dump(mode="json", exclude={"audit": {"hmac_key"}})


def load_config(path: Path | str | None = None) -> GatewayConfig:
    """The configuration of this file, or of the first that `find_config` finds, or the defaults.

    Raises:
        ConfigError: the file is not there, or something in it is wrong; with all problems.
    """
    if path is None:
        path = find_config()
        if path is None:
            # A folder that happens to be called policies/ is not taken for the user's rules.
            return GatewayConfig().placed(None, Path.cwd())
    path = Path(path)
    if not path.is_file():
        hint = f"make one with: egress-guard init --output-dir {path.parent}"
        what = "is not a file" if path.exists() else "no such file"
        raise ConfigError(what, file=path, hint=hint)
    return _checked(YamlFile.read(path), path)


def parse_config(text: str, name: str = "gateway.yaml") -> GatewayConfig:
    """The configuration of a text; its paths are relative to the current folder.

    Raises:
        ConfigError: something is wrong; with all problems.
    """
    return _checked(YamlFile(text, name), None)


def _checked(source: YamlFile, path: Path | None) -> GatewayConfig:
    config = source.record(GatewayConfig)
    if config is not None:
        _check(config, source)
    errors = [problem for problem in source.problems if problem.severity == "error"]
    if errors or config is None:
        raise ConfigError(problems=errors)
    folder = path.parent if path else Path()
    return config.placed(path, folder)


def _check(config: GatewayConfig, source: YamlFile) -> None:
    proxy, audit = config.proxy, config.audit
    if config.engine.scanner == "hyperscan" and find_spec("hyperscan") is None:
        hint = "pip install 'mcp-egress-guard[hyperscan]', or set scanner: auto"
        source.add(("engine", "scanner"), "hyperscan is not installed", hint)
    if proxy.downstream_command and not proxy.downstream_command[0].strip():
        source.add(("proxy", "downstream_command"), "names no program")
    for key in ("downstream_url", "public_url"):
        url = getattr(proxy, key)
        if url and not url.startswith(("http://", "https://")):
            source.add(("proxy", key), "is not an http(s) URL", "http://127.0.0.1:3000/mcp")
    for index, upstream in enumerate(proxy.http.upstreams):
        where = ("proxy", "http", "upstreams", index)
        if not upstream.url.startswith(("http://", "https://")):
            source.add((*where, "url"), "is not an http(s) URL", "http://127.0.0.1:3000/mcp")
        if not upstream.path.startswith("/"):
            source.add((*where, "path"), "does not begin with /", "such as /search")
    http = proxy.http
    if bool(http.tls_certificate) != bool(http.tls_key):
        key = "tls_key" if http.tls_certificate else "tls_certificate"
        source.add(("proxy", "http", key), "is missing", "a certificate and its key go together")
    elif http.client_ca and not http.tls_certificate:
        hint = "set tls_certificate and tls_key as well"
        source.add(("proxy", "http", "client_ca"), "needs TLS", hint)
    if audit.hmac_key and audit.hmac_key_file:
        source.add(("audit", "hmac_key_file"), "stands beside hmac_key", "keep one of them")
    for index, domain in enumerate(config.internal_domains):
        if not domain.strip() or "/" in domain or domain.strip("*.") == "":
            hint = "such as *.internal.example.com"
            source.add(("internal_domains", index), "is not a domain", hint)
    for index, term in enumerate(config.org_fingerprints):
        digest = term.removeprefix("sha256:")
        if digest != term and (len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef")):
            hint = "printf %s the-term-in-lower-case | sha256sum"
            source.add(("org_fingerprints", index), "is not sha256: and 64 hex digits", hint)
        elif len(term.strip()) < 3:
            source.add(("org_fingerprints", index), "is too short to mean anything")
