"""Hands the audit log on: as JSONL, CSV, OCSF or CEF, or as a signed bundle."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from mcp_egress_guard.errors import AuditError, InputError

from .log import RELOAD, Event, Filter, log_parts, read_lines, verify

__all__ = ["COLUMNS", "FORMATS", "export", "export_bundle", "verify_bundle"]

COLUMNS = (
    "timestamp",
    "tool_name",
    "decision",
    "primary_rule_id",
    "policy_code",
    "reason",
    "risk_score",
    "session_id",
    "shadow_mode",
)

BUNDLE_FORMAT = "egress-guard-audit-bundle/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.hmac"
HOWTO = """\
How to verify this bundle, with the key that signed it:

1. manifest.hmac is the HMAC-SHA256 of manifest.json under the key, in hex:
     openssl dgst -sha256 -hmac "$KEY" manifest.json
2. manifest.json names the SHA-256 of every other file:
     sha256sum log/*
3. Each line of the log ends in "seq":N,"prev":"P","hmac":"H"}. N counts from 1. P is the SHA-256 of
   the line before it, without its line end. H is the HMAC-SHA256, under the key, of the line up to
   and without  ,"hmac":  . The file *.head holds the number and the hash of the last line, signed
   in the same way.
"""


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for the owner only that takes its name when it is whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AuditError(f"cannot be written: {reason}", file=path) from None
    finally:
        part.unlink(missing_ok=True)


def export(log: Path, form: str, out: str | Path, wanted: Filter | None = None) -> tuple[Path, int]:
    """Writes the wanted events in one of `FORMATS`; the file written, and how many they are.

    The format's suffix is added where the name lacks it.

    Raises:
        InputError: unknown format, or one whose extra is not installed.
        AuditError: the log cannot be read, or the file not be written.
    """
    if form not in FORMATS:
        raise InputError(f"unknown format {form!r}", hint=f"one of {', '.join(FORMATS)}")
    suffix, write = FORMATS[form]
    path = _with_suffix(Path(out), suffix)
    parts = {part.resolve() for part in log_parts(log)}
    if path.resolve() in parts:
        raise InputError("the export would replace the log itself", file=path)
    lines = ((line, event) for line, event in read_lines(log) if wanted is None or wanted(event))
    with _new_file(path) as file:
        return path, write(file, lines)


def _with_suffix(path: Path, suffix: str) -> Path:
    return path if path.name.endswith(suffix) else path.with_name(path.name + suffix)


Lines = Iterable[tuple[bytes, Event]]
Writer = Callable[[bytes, Event], object]
# Writes the events, and says how many they were.
Form = Callable[[BinaryIO, Lines], int]


def _jsonl(file: BinaryIO) -> Writer:
    return lambda line, _event: file.write(line + b"\n")


# What a spreadsheet takes for a formula, also behind blanks and in full width.
_FORMULA = re.compile(r"[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20|]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def cell(value: Any) -> str:
    """A value as a spreadsheet shows it and never runs it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    text = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _csv(file: BinaryIO) -> Writer:
    def write(row: list[str]) -> None:
        buffer.seek(0)
        buffer.truncate()
        rows.writerow(row)
        file.write(buffer.getvalue().encode())

    buffer = io.StringIO()
    rows = csv.writer(buffer)
    write(list(COLUMNS))
    return lambda _line, event: write([cell(event.get(name)) for name in COLUMNS])


def _number(event: Event, key: str) -> float:
    value = event.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _milliseconds(event: Event) -> int:
    try:
        moment = datetime.fromisoformat(str(event.get("timestamp")))
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000)


# Decision → OCSF action, disposition: 1 allowed, 2 denied, 3 observed, 4 modified; 1 allowed,
# 2 blocked, 11 corrected, 14 delayed, 17 logged.
_ACTIONS = {
    "ALLOW": (1, "Allowed", 1, "Allowed"),
    "DENY": (2, "Denied", 2, "Blocked"),
    "REDACT": (4, "Modified", 11, "Corrected"),
    "ESCALATE": (2, "Denied", 14, "Delayed"),
    "SIMULATE": (3, "Observed", 17, "Logged"),
}
_SEVERITIES = ((0.9, 5, "Critical"), (0.7, 4, "High"), (0.4, 3, "Medium"), (1e-9, 2, "Low"))


def ocsf(event: Event) -> dict[str, Any]:
    """The event as OCSF 1.5 API Activity (class 6003) with the security control profile."""
    reload = event.get("event_type") == RELOAD
    failed = reload and event.get("outcome") == "failed"
    decision = "SIMULATE" if reload else str(event.get("decision") or "ALLOW")
    enforced = str(event.get("enforced") or decision)
    # What was only observed is not said to have been done.
    seen = decision if enforced == decision else "SIMULATE"
    action, action_name, disposition, disposition_name = _ACTIONS.get(seen, _ACTIONS["SIMULATE"])
    risk = _number(event, "risk_score")
    severity, severity_name = next(
        ((number, name) for least, number, name in _SEVERITIES if risk >= least),
        (1, "Informational"),
    )
    out: dict[str, Any] = {
        "activity_id": 99,
        "activity_name": RELOAD if reload else event.get("method") or "tools/call",
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "type_uid": 600399,
        "time": _milliseconds(event),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": 1 if action in (1, 3, 4) and not failed else 2,
        "action_id": action,
        "action": action_name,
        "disposition_id": disposition,
        "disposition": disposition_name,
        "is_alert": failed or decision not in ("ALLOW", "SIMULATE"),
        "risk_score": round(risk * 100),
        "message": event.get("reason") or "",
        "api": {
            "operation": event.get("tool_name") or event.get("method") or "",
            "service": {"name": event.get("server") or "mcp"},
            "request": {"uid": event.get("request_hash") or ""},
        },
        "actor": {"session": {"uid": event.get("session_id") or ""}, "app_name": "mcp-client"},
        "src_endpoint": {"svc_name": "mcp-client"},
        "metadata": {
            "version": "1.5.0",
            "uid": event.get("decision_id") or "",
            "event_code": event.get("policy_code") or "",
            "profiles": ["security_control"],
            "labels": [f"{k}:{v}" for k, v in (event.get("labels") or {}).items()],
            "product": {
                "name": "mcp-egress-guard",
                "vendor_name": "mcp-egress-guard",
                "version": event.get("version") or "",
            },
        },
        "unmapped": {
            key: event[key]
            for key in (
                *("decision", "enforced", "matched_rule_ids", "findings_summary", "redactions"),
                *("environment", "shadow_mode", "evaluation_ms", "policy_hash"),
                *("previous_policy_hash", "outcome"),
            )
            if key in event
        },
    }
    if rule := event.get("primary_rule_id"):
        out["policy"] = {"uid": rule, "name": rule}
        out["firewall_rule"] = {"uid": rule, "name": rule}
    return out


def _ocsf(file: BinaryIO) -> Writer:
    return lambda _line, event: file.write(orjson.dumps(ocsf(event)) + b"\n")


def cef(event: Event) -> str:
    """The event as one line of ArcSight's Common Event Format."""

    def header(value: Any) -> str:
        text = _CONTROL.sub(" ", str(value or ""))
        return text.replace("\\", "\\\\").replace("|", "\\|")

    def extension(value: Any) -> str:
        text = str(value).replace("\\", "\\\\").replace("=", "\\=")
        text = text.replace("\r", "\\r").replace("\n", "\\n")
        return _CONTROL.sub(" ", text)

    decision = str(event.get("decision") or "")
    enforced = str(event.get("enforced") or decision)
    fields = {
        "rt": _milliseconds(event),
        "act": enforced,
        "outcome": "failure" if enforced in ("DENY", "ESCALATE") else "success",
        "requestMethod": event.get("method"),
        "externalId": event.get("decision_id"),
        "reason": event.get("policy_code"),
        "msg": event.get("reason"),
        "dvchost": event.get("server"),
        "cs1Label": "rule",
        "cs1": event.get("primary_rule_id"),
        "cs2Label": "session",
        "cs2": event.get("session_id"),
        "cs3Label": "requestHash",
        "cs3": event.get("request_hash"),
        "cs4Label": "decision",
        "cs4": decision,
        "cs5Label": "environment",
        "cs5": event.get("environment"),
        "cfp1Label": "risk",
        "cfp1": _number(event, "risk_score"),
        "cfp2Label": "evaluationMs",
        "cfp2": _number(event, "evaluation_ms"),
    }
    head = [
        *("CEF:0", "mcp-egress-guard", "mcp-egress-guard", header(event.get("version"))),
        header(event.get("policy_code") or decision or event.get("event_type")),
        header(
            f"{decision} {event.get('tool_name') or event.get('method') or ''}".strip()
            or event.get("event_type")
        ),
        str(min(10, max(0, round(_number(event, "risk_score") * 10)))),
    ]
    pairs: list[str] = []
    for key, value in fields.items():
        if value is None or value == "":
            # A label without its value would name nothing.
            if pairs and pairs[-1].startswith(f"{key}Label="):
                pairs.pop()
            continue
        pairs.append(f"{key}={extension(value)}")
    return "|".join(head) + "|" + " ".join(pairs)


def _cef(file: BinaryIO) -> Writer:
    return lambda _line, event: file.write(cef(event).encode() + b"\n")


def _each(make: Callable[[BinaryIO], Writer]) -> Form:
    """A format that writes one event after the other."""

    def write(file: BinaryIO, lines: Lines) -> int:
        one, count = make(file), 0
        for line, event in lines:
            one(line, event)
            count += 1
        return count

    return write


def _parquet(file: BinaryIO, lines: Lines) -> int:
    from .parquet import write  # noqa: PLC0415  (an extra)

    return write(file, (event for _, event in lines))


FORMATS: dict[str, tuple[str, Form]] = {
    "jsonl": (".jsonl", _each(_jsonl)),
    "csv": (".csv", _each(_csv)),
    "ocsf": (".ocsf.jsonl", _each(_ocsf)),
    "cef": (".cef", _each(_cef)),
    "parquet": (".parquet", _parquet),
}


def export_bundle(log: Path, out: str | Path, key: bytes) -> tuple[Path, int]:
    """Writes a ZIP of the log, its record and a signed manifest; the file, and its log lines.

    Raises:
        InputError: no key.
        AuditError: the log cannot be read or is not sound, or the file not be written.
    """
    if not key:
        raise InputError(
            "a bundle is signed, and there is no key", hint="set EGRESS_GUARD_HMAC_KEY"
        )
    path = _with_suffix(Path(out), ".zip")
    head = log.with_name(f"{log.name}.head")
    files = [*log_parts(log), *([head] if head.exists() else [])]
    with _new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        entries = []
        for part in files:
            name = f"log/{part.name}"
            digest, size = _copy(part, bundle, name)
            entries.append({"name": name, "sha256": digest, "bytes": size})
        verdict = verify(log, key)
        if verdict.signed and not verdict.sound:
            raise AuditError(
                f"the log is not sound: {verdict.problems[0]}", hint="run audit verify"
            )
        manifest = orjson.dumps(
            {
                "format": BUNDLE_FORMAT,
                "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                "log": log.name,
                "lines": verdict.lines,
                "signed": verdict.signed,
                "first": verdict.first,
                "last": verdict.last,
                "files": entries,
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )
        bundle.writestr(MANIFEST, manifest)
        bundle.writestr(SIGNATURE, hmac.new(key, manifest, hashlib.sha256).hexdigest() + "\n")
        bundle.writestr("VERIFY.txt", HOWTO)
    return path, verdict.lines


def _copy(part: Path, bundle: zipfile.ZipFile, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("rb") as source, bundle.open(name, "w", force_zip64=True) as target:
            while block := source.read(1 << 20):
                digest.update(block)
                size += len(block)
                target.write(block)
    except OSError as error:
        raise AuditError(error.strerror or str(error), file=part) from None
    return digest.hexdigest(), size


def verify_bundle(path: Path, key: bytes) -> list[str]:
    """What is wrong with a bundle; nothing if it is as it was signed.

    Raises:
        AuditError: it cannot be read as a bundle.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            # The manifest is small; a bomb in its place is not unpacked.
            if bundle.getinfo(MANIFEST).file_size > 1 << 20:
                raise AuditError("the manifest is too long", file=path)
            manifest = bundle.read(MANIFEST)
            with bundle.open(SIGNATURE) as file:
                signature = file.read(1 << 10).decode("ascii", "replace").strip()
            expected = hmac.new(key, manifest, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(signature.encode(), expected.encode()):
                return ["manifest.json was changed, or signed with another key"]
            return _bundle_problems(bundle, orjson.loads(manifest))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise AuditError("not an audit bundle", file=path) from None


def _bundle_problems(bundle: zipfile.ZipFile, manifest: dict[str, Any]) -> list[str]:
    problems = []
    known = {MANIFEST, SIGNATURE, "VERIFY.txt"}
    names = bundle.namelist()
    for entry in manifest["files"]:
        name = entry["name"]
        known.add(name)
        if names.count(name) != 1:
            problems.append(f"{name} is missing or there twice")
            continue
        digest, left = hashlib.sha256(), int(entry["bytes"])
        with bundle.open(name) as file:
            while left >= 0 and (block := file.read(1 << 20)):
                digest.update(block)
                left -= len(block)
        if left or digest.hexdigest() != entry["sha256"]:
            problems.append(f"{name} was changed")
    problems += [f"{name} was added" for name in names if name not in known]
    return problems
