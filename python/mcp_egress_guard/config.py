"""gateway.yaml: what it may hold, where it is looked for, what its paths mean.

Keys of the original are kept: `downstream_*` is what the rest of the package calls the server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from .errors import ConfigError
from .policy.models import PolicyDecision, ToolCategory
from .shape import YamlFile, field, hidden, plain

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

CONFIG_NAMES = ("gateway.yaml", "gateway.yml", ".egress-guard.yaml")
HMAC_VARIABLE = "EGRESS_GUARD_HMAC_KEY"
FAIL_CLOSED = ("shell", "filesystem", "git", "network", "upload", "http")


@dataclass
class UpstreamConfig:
    """http: one more MCP server."""

    path: str = field("", low=1, doc="The path of the guard that leads to it, such as /search.")
    url: str = field("", low=1, doc="Its URL.")
    name: str = field("", doc="Its name in the audit log; the path, if none is given.")


@dataclass
class HttpConfig:
    """What only the HTTP transport needs."""

    NULL_IS_DEFAULT: ClassVar = True

    upstreams: list[UpstreamConfig] = field(
        factory=list, doc="More MCP servers, each at a path of its own."
    )
    workers: int = field(0, low=0, high=64, doc="Threads; 0: one for each CPU, at most 4.")
    admin_port: int = field(
        0,
        low=0,
        high=65535,
        doc="Port on 127.0.0.1 of /healthz, /readyz and /metrics; 0: none.",
    )
    allowed_hosts: list[str] = field(
        factory=list, doc="Host names that clients may use, besides localhost and listen_host."
    )
    allowed_origins: list[str] = field(
        factory=list, doc="Web pages that may call, such as https://app.example.com."
    )
    bearer_token_variable: str = field(
        "",
        doc="The variable with a token that clients must send as Authorization: Bearer.",
    )
    max_requests: int = field(
        4096, low=1, high=1_000_000, doc="Most requests and open streams at a time."
    )
    connect_seconds: int = field(10, low=1, high=3600, doc="To connect to a server.")
    answer_seconds: int = field(
        600, low=1, high=86_400, doc="Until a server begins to answer; a stream may then be silent."
    )
    head_seconds: int = field(15, low=1, high=3600, doc="For the head of a request to arrive.")
    body_seconds: int = field(30, low=1, high=3600, doc="Most time between parts of a body.")
    idle_seconds: int = field(120, low=1, high=86_400, doc="Until an unused connection is closed.")
    drain_seconds: float = field(
        4.0, low=0, high=3600, doc="For running requests to end when the guard is stopped."
    )


@dataclass
class ProxyConfig:
    """How messages come and go."""

    NULL_IS_DEFAULT: ClassVar = True

    transport: str = field("stdio", choices=("stdio", "http"), doc="stdio or http.")
    downstream_command: list[str] = field(
        factory=list, doc="stdio: the command of the MCP server, one word an entry."
    )
    listen_host: str = field("127.0.0.1", doc="http: the address to listen on.")
    listen_port: int = field(8080, low=0, high=65535, doc="http: the port; 0 takes a free one.")
    downstream_url: str = field("", doc="http: the URL of the MCP server.")
    server_name: str = field("", doc="The name of the server in the audit log and in rules.")
    deny_response: str = field(
        "tool_result",
        choices=("tool_result", "error"),
        doc="How a blocked call is answered: a tool result with isError, or a JSON-RPC error.",
    )
    public_url: str = field("", doc="http: the URL under which clients reach the guard.")
    max_message_bytes: int = field(
        64 << 20, low=1 << 10, high=1 << 30, doc="A longer message is refused."
    )
    http: HttpConfig = field(factory=HttpConfig, doc="What only the HTTP transport needs.")


@dataclass
class EngineConfig:
    """How calls are judged."""

    NULL_IS_DEFAULT: ClassVar = True

    shadow_mode: bool = field(
        False,
        doc="true: decisions are recorded and nothing is blocked or masked.",
    )
    default_decision: PolicyDecision = field(
        PolicyDecision.ALLOW, doc="For tool calls that no rule matches."
    )
    fail_closed_categories: list[ToolCategory] = field(
        factory=lambda: [ToolCategory(name) for name in FAIL_CLOSED],
        doc="Calls of these categories are denied where they could not be fully analyzed.",
    )
    entropy: bool = field(
        False,
        doc="true: random-looking strings are reported, at a low risk.",
    )
    tool_categories: dict[str, list[ToolCategory]] = field(
        factory=dict,
        doc="Categories of tools by a glob over the name, where the name does not tell them.",
    )


@dataclass
class AuditConfig:
    """What is written down."""

    NULL_IS_DEFAULT: ClassVar = True

    enabled: bool = field(True, doc="false: no audit log.")
    log_file: str = field("egress_audit.jsonl", low=1, doc="One JSON object a line.")
    otel_enabled: bool = field(False, doc="true: also to OpenTelemetry.")
    otel_endpoint: str = field("", doc="The gRPC endpoint of the collector.")
    signed_bundles: bool = field(
        False,
        doc="true: each line is chained to the one before and signed.",
    )
    hmac_key: str = field(
        "", secret=True, doc=f"The key of the signature; better in the variable {HMAC_VARIABLE}."
    )
    hmac_key_file: str = field("", doc="A file that holds the key.")
    fsync: str = field(
        "never", choices=("never", "interval", "each"), doc="When lines are forced to the disk."
    )
    max_bytes: int = field(0, low=0, doc="The log is rotated at this size; 0 never.")
    max_age_hours: int = field(0, low=0, doc="The log is rotated at this age; 0 never.")
    max_files: int = field(10, low=1, high=10_000, doc="Rotated logs that are kept.")
    on_failure: str = field(
        "refuse",
        choices=("refuse", "continue"),
        doc="Where a line cannot be written: refuse the call, or go on and say so on stderr.",
    )
    file_mode: str = field("0600", choices=("0600", "0640", "0644"), doc="Of the log file.")
    record_calls: bool = field(
        False,
        doc="true: the redacted call is recorded, for replay --audit.",
    )


@dataclass
class GatewayConfig:
    """The whole of gateway.yaml."""

    NOUN: ClassVar = "key"
    NULL_IS_DEFAULT: ClassVar = True

    proxy: ProxyConfig = field(factory=ProxyConfig, doc="How messages come and go.")
    engine: EngineConfig = field(factory=EngineConfig, doc="How calls are judged.")
    audit: AuditConfig = field(factory=AuditConfig, doc="What is written down.")
    policy_paths: list[str] = field(
        factory=list,
        doc="Files and folders of rules and detectors; without it policies/, if that is there.",
    )
    db_path: str = field("egress_guard.db", low=1, doc="The rule store.")
    environment: str = field("development", doc="Rules may ask for it: development, production.")
    internal_domains: list[str] = field(
        factory=list, doc="Your own domains: uploads there are not flagged."
    )
    blocked_domains: list[str] = field(
        factory=list, doc="Hosts that are reported as custom_blocked, at a risk of 0.9."
    )
    org_fingerprints: list[str] = field(
        factory=list, doc="Your code names: as they are, or sha256: and 64 hex digits."
    )

    # Where it was read; no keys of the file.
    path: Path | None = hidden(None)
    folder: Path = hidden(Path())

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
        return {
            "default_decision": str(self.engine.default_decision),
            "shadow_mode": self.engine.shadow_mode,
            "fail_closed_categories": [str(c) for c in self.engine.fail_closed_categories],
            "tool_categories": {
                glob: [str(category) for category in categories]
                for glob, categories in self.engine.tool_categories.items()
            },
            "entropy": self.engine.entropy,
            "record_calls": self.audit.record_calls,
            "environment": self.environment,
            "internal_domains": self.internal_domains,
            "blocked_domains": self.blocked_domains,
            "org_fingerprints": self.org_fingerprints,
            "max_message_bytes": self.proxy.max_message_bytes,
        }

    def as_dict(self) -> dict[str, Any]:
        """The keys of the file; the signing key is left out."""
        data: dict[str, Any] = plain(self)
        data["audit"].pop("hmac_key", None)
        return data


def find_config(folder: Path | None = None) -> Path | None:
    """The first of `CONFIG_NAMES` in the folder (the current one, if none is given)."""
    folder = folder or Path.cwd()
    return next((path for name in CONFIG_NAMES if (path := folder / name).is_file()), None)


def load_config(path: Path | str | None = None) -> GatewayConfig:
    """The configuration of this file, or of the first that `find_config` finds, or the defaults.

    Raises:
        ConfigError: the file is not there, or something in it is wrong; with all problems.
    """
    if path is None:
        path = find_config()
        if path is None:
            # A folder that happens to be called policies/ is not taken for the user's rules.
            return GatewayConfig(folder=Path.cwd())
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
    return replace(config, path=path, folder=folder)


def _check(config: GatewayConfig, source: YamlFile) -> None:
    proxy, audit = config.proxy, config.audit
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
