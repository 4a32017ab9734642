"""Exports: every format, the harmless spreadsheet, the bundle that a third party can check."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import re
import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from arro3.io import read_parquet

from mcp_egress_guard.audit import export as exports
from mcp_egress_guard.audit.log import Event, Filter
from mcp_egress_guard.errors import AuditError, InputError
from tests.unit.audit_events import KEY, denial, event, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "audit.jsonl", [event(1), denial(2), event(3)])


def test_jsonl_is_the_lines_as_they_are(log: Path, tmp_path: Path) -> None:
    path, count = exports.export(log, "jsonl", tmp_path / "incident_review")
    assert (path.name, count) == ("incident_review.jsonl", 3)
    assert path.read_bytes() == log.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("form", "name", "written"),
    [
        ("csv", "weekly", "weekly.csv"),
        ("csv", "weekly.csv", "weekly.csv"),
        ("jsonl", "v1.2", "v1.2.jsonl"),
        ("cef", "a", "a.cef"),
        ("ocsf", "a", "a.ocsf.jsonl"),
        ("parquet", "a", "a.parquet"),
    ],
)
def test_the_suffix_is_added_where_it_lacks(
    log: Path, tmp_path: Path, form: str, name: str, written: str
) -> None:
    path, _ = exports.export(log, form, tmp_path / name)
    assert path == tmp_path / written
    assert path.exists()


def test_only_the_wanted_events_are_exported(log: Path, tmp_path: Path) -> None:
    path, count = exports.export(log, "jsonl", tmp_path / "x", Filter(decision="DENY"))
    assert count == 1
    assert orjson.loads(path.read_bytes()) == denial(2)


def test_csv_has_the_documented_columns(log: Path, tmp_path: Path) -> None:
    path, _ = exports.export(log, "csv", tmp_path / "report")
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == [
        *("timestamp", "tool_name", "decision", "primary_rule_id", "policy_code", "reason"),
        *("risk_score", "session_id", "shadow_mode"),
    ]
    assert rows[0][3] == ""
    assert rows[1] == [
        *("2026-03-08T23:00:02.123Z", "shell_exec", "DENY", "destructive-deny-rm-rf"),
        *("EGRESS_DENY_DESTRUCTIVE_CMD", "Rule 'rm' (priority 5): deletes", "0.95", "s1", "false"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|'/C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        " =1+1",
        "\t=1+1",
        "\r\n=1+1",
        "'=1+1",
        '"=1+1',
        "\uff1d1+1",
        "|calc",
    ],
)
def test_no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    log = write_log(tmp_path / "audit.jsonl", [event(1, tool_name=name, reason=name)])
    path, _ = exports.export(log, "csv", tmp_path / "report")
    with path.open(newline="", encoding="utf-8") as file:
        row = list(csv.reader(file))[1]
    for cell in (row[1], row[5]):
        assert re.match(r"'|\\x", cell), cell
        assert cell.isprintable()


def test_plain_cells_stay_as_they_are() -> None:
    assert [exports.cell(value) for value in (None, True, 0.95, -1, "a-b", "a=b", ["x"])] == [
        *("", "true", "0.95", "-1", "a-b", "a=b", '["x"]'),
    ]


def test_an_unknown_format_is_an_error_and_writes_nothing(log: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        exports.export(log, "xml", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["audit.jsonl"]


def test_the_log_itself_is_not_overwritten(log: Path) -> None:
    before = log.read_bytes()
    with pytest.raises(InputError):
        exports.export(log, "jsonl", log)
    with pytest.raises(InputError):
        exports.export(log, "jsonl", log.with_name("audit"))
    assert log.read_bytes() == before


def test_a_failed_export_leaves_no_file(log: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditError):
        exports.export(log, "csv", tmp_path / "no" / "report")
    with pytest.raises(AuditError):
        exports.export(tmp_path / "none.jsonl", "csv", tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["audit.jsonl"]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (event(1), (1, 1, 1, 1)),
        (denial(1), (5, 2, 2, 2)),
        (event(1, decision="REDACT", enforced="REDACT", risk_score=0.7), (4, 4, 11, 1)),
        (event(1, decision="ESCALATE", enforced="ESCALATE", risk_score=0.4), (3, 2, 14, 2)),
        (denial(1, enforced="ALLOW", shadow_mode=True), (5, 3, 17, 1)),
    ],
)
def test_ocsf_says_what_was_done(one: Event, expected: tuple[int, ...]) -> None:
    out = exports.ocsf(one)
    keys = ("severity_id", "action_id", "disposition_id", "status_id")
    assert tuple(out[key] for key in keys) == expected
    assert out["type_uid"] == out["class_uid"] * 100 + out["activity_id"]
    assert out["time"] == 1_773_010_801_123
    required = {
        *("activity_id", "actor", "api", "category_uid", "class_uid", "metadata"),
        *("severity_id", "src_endpoint", "time", "type_uid"),
    }
    assert required <= out.keys()


def test_cef_escapes_what_would_split_a_field() -> None:
    line = exports.cef(denial(1, tool_name="a|b\\c\nd", reason="x=1 | y\nz\\", server=""))
    head, _, extension = re.split(r"(?<!\\)\|", line, maxsplit=7)[5:8]
    assert line.startswith(
        "CEF:0|mcp-egress-guard|mcp-egress-guard|0.1.0|EGRESS_DENY_DESTRUCTIVE_CMD|"
    )
    assert head == "DENY a\\|b\\\\c d"
    assert "msg=x\\=1 | y\\nz\\\\ " in extension
    assert "cs1Label=rule cs1=destructive-deny-rm-rf" in extension
    assert "dvchost" not in extension
    assert "\n" not in line


def test_cef_has_no_label_without_a_value() -> None:
    line = exports.cef(event(1, session_id=""))
    labels = set(re.findall(r"(\w+)Label=", line))
    assert labels <= set(re.findall(r" (\w+)=", line))
    assert "cs2" not in labels


def bundle_of(tmp_path: Path) -> Path:
    log = write_log(
        tmp_path / "audit.jsonl", [event(n) for n in range(20)], key=KEY, max_bytes=6_000
    )
    path, lines = exports.export_bundle(log, tmp_path / "review", KEY)
    assert (path.name, lines) == ("review.zip", 20)
    return path


def test_a_bundle_holds_the_whole_log_and_is_verified(tmp_path: Path) -> None:
    path = bundle_of(tmp_path)
    assert exports.verify_bundle(path, KEY) == []
    assert exports.verify_bundle(path, b"another key") != []
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        names = [entry["name"] for entry in manifest["files"]]
        assert names[0] == "log/audit.jsonl.000001"
        assert names[-2:] == ["log/audit.jsonl", "log/audit.jsonl.head"]
        assert (manifest["first"], manifest["last"], manifest["signed"]) == (1, 20, 20)


def test_the_documented_algorithm_alone_verifies_a_bundle(tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle_of(tmp_path)) as bundle:
        manifest = bundle.read("manifest.json")
        signature = bundle.read("manifest.hmac").decode().strip()
        assert hmac.new(KEY, manifest, hashlib.sha256).hexdigest() == signature
        lines: list[bytes] = []
        for entry in json.loads(manifest)["files"]:
            content = bundle.read(entry["name"])
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
            if not entry["name"].endswith(".head"):
                lines += content.splitlines()
    before = "0" * 64
    for number, line in enumerate(lines, 1):
        signed, _, rest = line.rpartition(b',"hmac":"')
        assert hmac.new(KEY, signed, hashlib.sha256).hexdigest() == rest.decode()[:-2]
        assert signed.endswith(f'"seq":{number},"prev":"{before}"'.encode())
        before = hashlib.sha256(line).hexdigest()


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as bundle, zipfile.ZipFile(out, "w") as copy:
        for name in bundle.namelist():
            content = change(name, bundle.read(name))
            if content is not None:
                copy.writestr(name, content)
    return out


def test_every_change_to_a_bundle_is_named(tmp_path: Path) -> None:
    path = bundle_of(tmp_path)
    part = "log/audit.jsonl.000001"
    changed = rewritten(path, lambda n, c: c.replace(b"ALLOW", b"DENY ") if n == part else c)
    assert exports.verify_bundle(changed, KEY) == [f"{part} was changed"]
    shorter = rewritten(path, lambda n, c: c[:-5] if n == part else c)
    assert exports.verify_bundle(shorter, KEY) == [f"{part} was changed"]
    missing = rewritten(path, lambda n, c: None if n == part else c)
    assert exports.verify_bundle(missing, KEY) == [f"{part} is missing or there twice"]
    forged = rewritten(path, lambda n, c: c + b" " if n == "manifest.json" else c)
    assert exports.verify_bundle(forged, KEY) == [
        "manifest.json was changed, or signed with another key"
    ]
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("log/more.jsonl", b"{}\n")
    assert exports.verify_bundle(path, KEY) == ["log/more.jsonl was added"]


def test_what_is_no_bundle_is_an_error(log: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    for path in (log, tmp_path / "other.zip", tmp_path / "none.zip"):
        with pytest.raises(AuditError):
            exports.verify_bundle(path, KEY)


def test_no_bundle_of_a_log_that_is_not_sound_or_without_key(tmp_path: Path) -> None:
    log = write_log(tmp_path / "audit.jsonl", [event(n) for n in range(3)], key=KEY)
    with pytest.raises(InputError):
        exports.export_bundle(log, tmp_path / "review", b"")
    log.write_bytes(log.read_bytes().replace(b"ALLOW", b"DENY ", 1))
    with pytest.raises(AuditError):
        exports.export_bundle(log, tmp_path / "review", KEY)
    assert not (tmp_path / "review.zip").exists()


def test_parquet_has_a_column_for_each_field(log: Path, tmp_path: Path) -> None:
    path, count = exports.export(log, "parquet", tmp_path / "weekly", Filter(decision="DENY"))
    table = read_parquet(path).read_all()
    row = {name: table[name].to_pylist() for name in table.column_names}
    event = denial(2)
    assert (count, stat.S_IMODE(path.stat().st_mode)) == (1, 0o600)
    assert row["timestamp"][0].isoformat(timespec="milliseconds") == "2026-03-08T23:00:02.123+00:00"
    for name in ("tool_name", "decision", "primary_rule_id", "risk_score", "evaluation_ms"):
        assert row[name] == [event[name]]
    assert orjson.loads(row["findings_summary"][0]) == event["findings_summary"]
    assert row["seq"] == [None]


def test_parquet_without_its_extra_says_what_to_install(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "arro3.io", None)
    with pytest.raises(InputError) as caught:
        exports.export(log, "parquet", tmp_path / "weekly")
    assert "mcp-egress-guard[parquet]" in str(caught.value.hint)
    assert list(tmp_path.glob("weekly*")) == []
