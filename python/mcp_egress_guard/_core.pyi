"""Types of the Rust extension. Only `mcp_egress_guard.core` and `.analyzers` import it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, final

__all__ = [
    "Approvals",
    "AuditLog",
    "Finding",
    "Gateway",
    "Guard",
    "Inspection",
    "Session",
    "__version__",
    "analyze_code",
    "analyze_command",
    "analyze_text",
    "builtin_detector_files",
    "builtin_packs",
    "builtin_profiles",
    "calibrate",
    "detectors",
    "empty_call",
    "mask",
    "measure_stage",
    "policy_codes",
    "profile",
    "verify_log",
]

__version__: Final[str]

# detector id, analyzer, finding type, description, risk, start, end, preview, detail
_Row: TypeAlias = tuple[str, str, str, str, float, int, int, str, str | None]

@final
class Approvals:
    """Who decides about escalated calls: `off`, `elicitation` or `store`.

    `seconds` is how long a person has. `key` is shared by processes that accept each other's
    questions; without it each has its own. `store` is called with a call as JSON (`key`, `tool`,
    `server`, `session`, `rule_id`, `reason`, `findings` and masked `arguments`), and returns
    (approved, waiting, declined or unavailable; its id). Raises ValueError for another way.
    """

    def __new__(
        cls,
        way: str,
        *,
        seconds: int,
        policy_hash: str = "",
        key: bytes | None = None,
        store: Callable[[str], tuple[str, str]] | None = None,
    ) -> Approvals: ...

@final
class Gateway:
    """A reverse proxy for MCP over HTTP that judges every message.

    `config` is JSON: `listen_host`, `listen_port`, `upstreams` (`[{"name", "paths", "url"}]`) and
    optionally `admin_port`, `workers`, `public_url`, `allowed_hosts`, `allowed_origins`,
    `bearer_token`, `deny_response` and bounds. It serves from its construction on. Raises
    ValueError for a setting, OSError for an address that cannot be listened on.

    With `events`, that many audit lines are kept for `events()`, which waits so long for the first
    and gives at most 1,000; what does not fit is counted in `events_dropped`.
    """

    def __new__(
        cls,
        config: str,
        guard: Guard,
        audit_log: AuditLog | None = None,
        *,
        policy_hash: str = "",
        audit_required: bool = True,
        approvals: Approvals | None = None,
        events: int = 0,
    ) -> Gateway: ...
    def events(self, seconds: float) -> list[bytes]: ...
    @property
    def events_dropped(self) -> int: ...
    def run(self) -> None: ...
    def reload(self, guard: Guard, *, policy_hash: str = "") -> None: ...
    def stop(self) -> None: ...
    @property
    def address(self) -> tuple[str, int]: ...
    @property
    def admin_address(self) -> tuple[str, int] | None: ...

@final
class Guard:
    """Analyzers and rules, compiled; shared between threads and sessions.

    `settings` is JSON: `rules`, `allowlists`, `default_decision`, `shadow_mode`,
    `fail_closed_categories`, `environment`, `internal_domains`, `blocked_domains`,
    `org_fingerprints`,
    `tool_categories` (globs of tool names, each with its list), `entropy`,
    `scoped_deletes` (allow, escalate or deny), `record_calls`, `session_tokens`,
    `detectors` (`[{"file": …, "data": {"detectors": […]}}]`, added to the built-in ones) and
    `max_message_bytes`. Raises ValueError, one message a line.

    `time` is in seconds since 1970-01-01 UTC, the system's if not given.

    `literal_search` is given the literals that `content_patterns` need, and may return a search
    for them: bytes in, the indexes of those that stand in them out, in any letter case of ASCII.
    It is called once a message, from any thread; where it raises, the core searches itself.
    """

    def __new__(
        cls,
        settings: str,
        literal_search: Callable[[list[str]], Callable[[bytes], list[int]] | None] | None = None,
    ) -> Guard: ...
    def inspect(
        self,
        frame: bytes,
        environment: str | None = None,
        labels: dict[str, str] | None = None,
        response: bool = False,
        *,
        server: str = "",
        session_id: str = "",
        time: int | None = None,
    ) -> Inspection: ...
    def explain(
        self,
        frame: bytes,
        environment: str | None = None,
        labels: dict[str, str] | None = None,
        response: bool = False,
        *,
        server: str = "",
        session_id: str = "",
        time: int | None = None,
    ) -> list[tuple[int, bool, bool, list[tuple[str, bool]]]] | None:
        """Of each rule, in the order of decision: index, concerned, matched, conditions."""

    def analyze_text(self, text: str, name: str | None = None) -> list[_Row]: ...
    def outline(self, command: str) -> str:
        """What would run if a shell ran the command, as JSON; see `egress-guard explain`.

        `steps` in the order in which they run, each with its `parent` by index, `kind`, `start` and
        `end` in bytes of the command, `argv` (U+FFFC for what cannot be known before it runs),
        `writes`, `source`, `output`, `sink`, `scope`, `privileged`, `many` and `findings`; `cut`
        if there are more than 1,000; and the `findings` of no step. Secrets are masked.
        """

    def rule_ids(self) -> list[str]: ...

@final
class Inspection:
    """The judgement of one frame. Nothing is converted before it is asked for."""

    @property
    def decision(self) -> str: ...
    @property
    def enforced(self) -> str: ...
    @property
    def rule_id(self) -> str: ...
    @property
    def policy_code(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def malformed(self) -> str | None: ...
    @property
    def method(self) -> str: ...
    @property
    def tool_name(self) -> str: ...
    @property
    def risk_score(self) -> float: ...
    @property
    def shadow_mode(self) -> bool: ...
    @property
    def primary_rule(self) -> int | None: ...
    @property
    def matched_rules(self) -> list[int]: ...
    @property
    def simulated(self) -> tuple[str, int] | None: ...
    @property
    def findings(self) -> list[Finding]: ...
    @property
    def finding_count(self) -> int: ...
    @property
    def redaction_count(self) -> int: ...
    @property
    def rewritten(self) -> bytes | None: ...
    @property
    def evaluation_ns(self) -> int: ...

@final
class Finding:
    """What one detector saw. Holds no secret."""

    @property
    def detector_id(self) -> str: ...
    @property
    def analyzer(self) -> str: ...
    @property
    def finding_type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def remediation(self) -> str: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def risk_score(self) -> float: ...
    @property
    def pointer(self) -> str: ...
    @property
    def span(self) -> tuple[int, int]: ...
    @property
    def text_span(self) -> tuple[int, int]: ...
    @property
    def preview(self) -> str: ...
    @property
    def allowlist(self) -> str | None: ...
    @property
    def detail(self) -> str | None: ...

@final
class Session:
    """One conversation.

    Sides: 0 client, 1 server. Kinds of commands: 0 forward the frame as it is, 1 forward these
    bytes, 2 send these bytes back, 3 write this audit line first, 4 show a person this text, 5 a
    call waits for the answer to the question of this number, 6 `settle` the question: outcome and
    number. Those of `server_gone` are as for a frame of the server. `settle` returns the frame that
    waited, for `refuse`, and what to do as for a frame of the client.
    """

    def __new__(
        cls,
        guard: Guard,
        *,
        nonce: str,
        deny_response: str = "tool_result",
        server: str = "",
        session_id: str = "",
        policy_hash: str = "",
        labels: dict[str, str] | None = None,
        approvals: Approvals | None = None,
    ) -> Session: ...
    def reload(self, guard: Guard, *, policy_hash: str) -> None: ...
    def receive(self, side: int, frame: bytes, now_ns: int) -> list[tuple[int, bytes]]: ...
    def refuse(self, side: int, frame: bytes, why: str) -> list[tuple[int, bytes]]: ...
    def skip(self, side: int, part: bytes) -> None: ...
    def skipped(self, side: int) -> list[tuple[int, bytes]]: ...
    def settle(
        self, number: str, outcome: str, now_ns: int
    ) -> tuple[bytes, list[tuple[int, bytes]]]: ...
    def unanswered(self) -> list[str]: ...
    def waiting(self) -> int: ...
    def server_gone(self) -> list[tuple[int, bytes]]: ...

@final
class AuditLog:
    """An audit log, open for appending; threads may share one, processes open it each.

    With `hmac_key` the lines are chained and signed. `fsync` is never, interval or each;
    `mode` is for a new file. Raises OSError for a log that cannot be written or continued: the
    call that a line is about must not be let through then.
    """

    def __new__(
        cls,
        path: str | os.PathLike[str],
        *,
        hmac_key: bytes | None = None,
        fsync: str = "never",
        fsync_seconds: float = 1.0,
        max_bytes: int | None = None,
        max_age_seconds: int | None = None,
        keep: int | None = None,
        mode: int = 0o600,
    ) -> AuditLog: ...
    def append(self, line: bytes) -> None: ...
    def sync(self) -> None: ...
    def fileno(self) -> int: ...
    @property
    def path(self) -> Path: ...

class _VerifyReport(TypedDict):
    """What `verify_log` finds; `problems` are (kind, file, line, first and last number)."""

    files: list[Path]
    lines: int
    signed: int
    unsigned: int
    torn: int
    first: int | None
    last: int | None
    more: int
    problems: list[tuple[str, Path, int, tuple[int, int] | None]]

def verify_log(path: str | os.PathLike[str], hmac_key: bytes) -> _VerifyReport: ...
def analyze_text(text: str, name: str | None = None) -> list[_Row]: ...
def analyze_command(text: str) -> list[_Row]: ...
def analyze_code(text: str) -> list[_Row]: ...
def mask(secret: str, finding_type: str, strategy_name: str = "partial_mask") -> str: ...
def builtin_detector_files() -> str: ...
def builtin_packs() -> str: ...
def builtin_profiles() -> str: ...
def detectors() -> list[tuple[str, str, str, float, str, str, list[str]]]: ...
def policy_codes() -> list[tuple[str, str, str]]: ...

# For measurements; times in nanoseconds.
def calibrate(megabytes: int, rounds: int) -> tuple[int, int, int]: ...
def empty_call() -> None: ...
def measure_stage(guard: Guard, frame: bytes, stage: str, count: int) -> list[int] | None: ...
def profile(
    guard: Guard, frame: bytes, rounds: int
) -> tuple[list[tuple[str, bool, int, int]], list[tuple[int, int]]] | None: ...
