"""Rules and detectors out of YAML files. One mistake in one file loads nothing at all.

`load_rules` is the one place that says which rules are in force: for evaluation and for lists;
`load_guard` the one that compiles them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcp_egress_guard import core
from mcp_egress_guard.errors import PolicyError, Problem
from mcp_egress_guard.shape import Path_, YamlFile, closest

from .builtins import load_builtin_rules
from .models import Allowlist, PolicyPack, PolicyRule

if TYPE_CHECKING:
    from mcp_egress_guard.config import GatewayConfig

__all__ = [
    "LoadedRules",
    "PackFile",
    "PolicySet",
    "find_files",
    "load_guard",
    "load_path",
    "load_rules",
    "read_files",
]

SUFFIXES = (".yaml", ".yml")
MOST_FILES = 10_000
# Settings that are no part of the hash of what decides.
UNHASHED = frozenset({"org_fingerprints", "record_calls", "scanner"})
DETECTOR_KEYS = frozenset({"detectors"})


@dataclass
class PackFile:
    """One file: rules, detectors, or what is wrong with it."""

    path: Path
    name: str
    source: YamlFile
    pack: PolicyPack | None = None
    detectors: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""

    @property
    def problems(self) -> list[Problem]:
        """What is wrong."""
        return self.source.problems

    @property
    def errors(self) -> list[Problem]:
        """What keeps the file from being used."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def rules(self) -> list[PolicyRule]:
        """The rules."""
        return self.pack.rules if self.pack else []

    @property
    def allowlists(self) -> list[Allowlist]:
        """The exceptions."""
        return self.pack.allowlists if self.pack else []

    def at(self, index: int, *rest: str | int) -> Path_:
        """The path of a rule, or of a field of it."""
        return ("rules", index, *rest)


@dataclass
class PolicySet:
    """All files of some paths."""

    files: list[PackFile]
    problems: list[Problem] = field(default_factory=list)
    # Compiled to see whether they compile; `None` where they do not.
    guard: core.Guard | None = None

    @property
    def all_problems(self) -> list[Problem]:
        """Of the paths and of all files."""
        return self.problems + [problem for file in self.files for problem in file.problems]

    @property
    def errors(self) -> list[Problem]:
        """What keeps the rules from being used."""
        return [problem for problem in self.all_problems if problem.severity == "error"]

    @property
    def rules(self) -> list[PolicyRule]:
        """The rules, in load order."""
        return [rule for file in self.files for rule in file.rules]

    @property
    def allowlists(self) -> list[Allowlist]:
        """The exceptions, in load order."""
        return [entry for file in self.files for entry in file.allowlists]

    @property
    def engine_settings(self) -> dict[str, Any]:
        """What the engine takes beside the rules."""
        return _additions(self.detectors, self.allowlists)

    @property
    def detectors(self) -> list[dict[str, Any]]:
        """The user's detectors as the engine takes them."""
        return [
            {"file": file.name, "data": {"detectors": file.detectors}}
            for file in self.files
            if file.detectors
        ]


@dataclass(frozen=True)
class LoadedRules:
    """The rules that are in force, and where they come from."""

    rules: list[PolicyRule]
    source: Literal["files", "store", "builtin"]
    detectors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    allowlists: list[Allowlist] = field(default_factory=list)
    # Of exactly these rules, with the settings of the configuration.
    compiled: core.Guard | None = None
    # Of the engine, by the configuration.
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def policy_hash(self) -> str:
        """16 hex digits over everything that decides.

        Code names aside: they are few enough to be guessed from a hash that the log shows.
        """
        content: dict[str, Any] = {
            "rules": [rule.for_engine() for rule in self.rules],
            "detectors": self.detectors,
        }
        if self.allowlists:
            content["allowlists"] = [entry.for_engine() for entry in self.allowlists]
        content["settings"] = {
            name: value for name, value in self.settings.items() if name not in UNHASHED
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

    @property
    def next_expiry(self) -> datetime.date | None:
        """The last day of the rule or exception that expires first."""
        dates = [rule.expires for rule in self.rules if rule.expires]
        dates += [entry.expires for entry in self.allowlists]
        return min(dates, default=None)

    def for_engine(self) -> list[dict[str, Any]]:
        """The rules as the engine takes them."""
        return [rule.for_engine() for rule in self.rules]

    def engine_settings(self, config: GatewayConfig | None = None) -> dict[str, Any]:
        """The settings of the engine with the user's detectors and exceptions."""
        settings: dict[str, Any] = config.engine_settings() if config else {}
        return settings | _additions(self.detectors, self.allowlists)


def _additions(detectors: list[dict[str, Any]], allowlists: Iterable[Allowlist]) -> dict[str, Any]:
    entries = [entry.for_engine() for entry in allowlists]
    parts = {"detectors": detectors, "allowlists": entries}
    return {name: part for name, part in parts.items() if part}


def find_files(path: Path) -> list[Path]:
    """The YAML files of a folder and its subfolders, or the file itself; hidden ones are left out.

    Raises:
        PolicyError: no such path, it cannot be read, or there are too many files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise PolicyError("no such file or folder", file=path, hint="egress-guard init makes one")
    found: list[Path] = []
    folders = [path]
    try:
        while folders:
            for entry in sorted(folders.pop().iterdir()):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    folders.append(entry)
                elif entry.suffix.lower() in SUFFIXES and entry.is_file():
                    found.append(entry)
                    if len(found) > MOST_FILES:
                        raise PolicyError(f"holds more than {MOST_FILES} YAML files", file=path)
    except OSError as error:
        where = error.filename or path
        raise PolicyError(f"cannot be read: {error.strerror}", file=where) from None
    return sorted(found)


def read_file(path: Path, name: str = "") -> PackFile:
    """Reads one file; what is wrong is in its `problems`."""
    source = YamlFile.read(path, name)
    file = PackFile(path, source.file, source)
    data = source.data
    if isinstance(data, dict) and "detectors" in data and "rules" not in data:
        _read_detectors(file)
    else:
        file.pack = source.record(PolicyPack)
        if file.pack:
            for rule in file.pack.rules:
                rule.pack = rule.pack or file.pack.pack or path.stem
                rule.version = rule.version or file.pack.version
            _check_pack(file)
    return file


def _read_detectors(file: PackFile) -> None:
    source = file.source
    data = source.data
    for key in data:
        if key not in DETECTOR_KEYS:
            source.add((key,), f'unknown key "{key}"', closest(key, DETECTOR_KEYS))
    entries = data.get("detectors")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        source.add(("detectors",), "must be a list of detectors")
        return
    if file.errors:
        return
    # Dates are text in JSON.
    file.detectors = json.loads(json.dumps(entries, default=str))


def _check_detectors(policies: PolicySet) -> None:
    """What is wrong with the detectors of each file: the engine names the first of all files."""
    for file in policies.files:
        if not file.detectors:
            continue
        own = {"file": file.name, "data": {"detectors": file.detectors}}
        for message in core.check_rules([], {"detectors": [own]}):
            path = _detector_path(file.detectors, message)
            file.source.add(path, message.removeprefix(f"{file.name}: "))


def _detector_path(entries: Sequence[dict[str, Any]], message: str) -> Path_:
    found = re.search(r'detector "([^"]*)"', message)
    for index, entry in enumerate(entries):
        if found and entry.get("id") == found[1]:
            return ("detectors", index)
    return ("detectors",)


def _check_pack(file: PackFile) -> None:
    if not file.rules and not file.allowlists:
        file.source.add(("rules",), "holds no rules", "leave the file out, or add a rule")
    _check_names(file)


def _check_names(file: PackFile) -> None:
    """Names that the engine would take and never find: they make a rule that does nothing."""
    codes = {code for code, _, _ in core.policy_codes()}
    for index, rule in enumerate(file.rules):
        if rule.policy_code not in codes:
            file.source.add(
                file.at(index, "policy_code"),
                f'unknown policy code "{rule.policy_code}"',
                closest(rule.policy_code, codes),
            )


ENGINE_ERROR = re.compile(r'(rule|allowlist) "((?:[^"\\]|\\.)*)": ([\w.\[\]]*): (.*)', re.DOTALL)


def _check_together(policies: PolicySet, settings: Mapping[str, Any]) -> None:
    """What only the engine can say, and what two files have in common."""
    if policies.errors:
        return
    first: dict[str, tuple[PackFile, int]] = {}
    for file in policies.files:
        for index, rule in enumerate(file.rules):
            if rule.id in first:
                other, at = first[rule.id]
                line = other.source.place(other.at(at))[0]
                where = f"line {line}" if other is file else f"{other.name}:{line}"
                file.source.add(
                    file.at(index, "id"), f'rule "{rule.id}" is already defined in {where}'
                )
            else:
                first[rule.id] = (file, index)
    if policies.errors:
        return
    plain_rules = [rule.for_engine() for rule in policies.rules]
    try:
        policies.guard = core.compile_guard(plain_rules, {**settings, **policies.engine_settings})
        messages = []
    except ValueError as error:
        messages = str(error).splitlines()
        _check_detectors(policies)
    for message in messages if not policies.errors else ():
        found = ENGINE_ERROR.fullmatch(message)
        place = _places(policies, found[1]).get(found[2]) if found else None
        if found and place:
            file, steps = place
            path = (*steps, *_steps(found[3]))
            file.source.add(path, f'{found[1]} "{found[2]}": {found[4]}')
        else:
            policies.problems.append(Problem(message))
    if not policies.errors:
        _check_findings(policies, first)


def _places(policies: PolicySet, kind: str) -> dict[str, tuple[PackFile, Path_]]:
    """Where each rule or exception stands; of a repeated id, the last place."""
    name = "rules" if kind == "rule" else "allowlists"
    return {
        entry.id: (file, (name, index))
        for file in policies.files
        for index, entry in enumerate(getattr(file, name))
    }


def _steps(text: str) -> tuple[str | int, ...]:
    parts = re.findall(r"\w+", text)
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _check_findings(policies: PolicySet, where: dict[str, tuple[PackFile, int]]) -> None:
    """Finding types, tags and secret types that no detector has."""
    rows = core.detectors()
    own = [entry for file in policies.detectors for entry in file["data"]["detectors"]]
    known = {
        "secret_types": {row[2] for row in rows if row[1] == "text_dlp"}
        | {entry["finding_type"] for entry in own if entry["kind"] == "text"},
        "finding_types": {row[2] for row in rows} | {entry["finding_type"] for entry in own},
        "finding_tags": {tag for row in rows for tag in row[6]}
        | {tag for entry in own for tag in entry.get("tags", ())},
    }
    nouns = {
        "secret_types": "secret type",
        "finding_types": "finding type",
        "finding_tags": "finding tag",
    }
    for file, index in where.values():
        rule = file.rules[index]
        for at, condition in groups_of(rule):
            for name, names in known.items():
                for position, value in enumerate(getattr(condition, name)):
                    if value not in names:
                        path = file.at(index, *at, name, position)
                        message = f'rule "{rule.id}": unknown {nouns[name]} "{value}"'
                        file.source.add(path, message, closest(value, names))
    for file in policies.files:
        for index, entry in enumerate(file.allowlists):
            for position, value in enumerate(entry.finding_types):
                if value not in known["finding_types"]:
                    path = ("allowlists", index, "finding_types", position)
                    message = f'allowlist "{entry.id}": unknown finding type "{value}"'
                    file.source.add(path, message, closest(value, known["finding_types"]))


def groups_of(rule: PolicyRule) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    """All condition groups of a rule, with their path from the rule."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [(("conditions",), rule.conditions)]
    if rule.unless:
        stack.append((("unless",), rule.unless))
    while stack:
        at, group = stack.pop()
        yield at, group
        for name in ("any", "all"):
            stack.extend(((*at, name, i), g) for i, g in enumerate(getattr(group, name)))
        if group.not_:
            stack.append(((*at, "not"), group.not_))


def read_files(paths: Iterable[Path], settings: Mapping[str, Any] | None = None) -> PolicySet:
    """Reads all files of some paths, with everything that is wrong in them.

    `settings` are those of the engine, without detectors.
    """
    policies = PolicySet([])
    seen: set[Path] = set()
    for path in paths:
        try:
            found = find_files(path)
        except PolicyError as error:
            policies.problems.extend(error.problems)
            continue
        for file in found:
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                policies.files.append(read_file(file))
    _check_together(policies, settings or {})
    return policies


def load_path(path: Path) -> PolicySet:
    """The rules of a file or folder.

    Raises:
        PolicyError: something is wrong in one of the files; with all problems.
    """
    return _strict(read_files([path]))


def _strict(policies: PolicySet) -> PolicySet:
    if errors := policies.errors:
        raise PolicyError(problems=errors)
    return policies


def load_rules(
    config: GatewayConfig, *, db_path: Path | None = None, today: datetime.date | None = None
) -> LoadedRules:
    """The rules in force: those of the files of `policy_paths`, else of the store, else built in.

    With `db_path`, those of that store. What has expired has no effect; there is a warning of it.

    Raises:
        PolicyError: a file or the store cannot be used; with all problems.
    """
    loaded = _found(config) if db_path is None else _stored(db_path)
    return _warned(replace(loaded, settings=config.engine_settings()), today)


def _found(config: GatewayConfig) -> LoadedRules:
    paths = config.policy_files
    if paths:
        policies = _strict(read_files(paths, config.engine_settings()))
        if policies.rules or policies.detectors or policies.allowlists:
            rules = policies.rules or load_builtin_rules()
            return LoadedRules(
                rules,
                "files" if policies.rules else "builtin",
                policies.detectors,
                [p for p in policies.all_problems if p.severity == "warning"],
                [file.path for file in policies.files],
                policies.allowlists,
                policies.guard if policies.rules else None,
            )
    if config.db_file.is_file():
        loaded = _stored(config.db_file)
        if loaded.rules:
            return loaded
    return LoadedRules(load_builtin_rules(), "builtin")


def load_guard(config: GatewayConfig) -> tuple[core.EgressGuard, LoadedRules]:
    """The guard of a configuration, and the rules that it judges by.

    Raises:
        PolicyError: a file, the store, a rule or a setting cannot be used; with all problems.
    """
    loaded = load_rules(config)
    settings = loaded.engine_settings(config)
    try:
        engine = core.PolicyEngine(settings, rules=loaded.for_engine(), compiled=loaded.compiled)
    except ValueError as error:
        raise PolicyError(str(error), file=config.path) from None
    return core.EgressGuard(engine=engine), loaded


def _stored(path: Path) -> LoadedRules:
    from .store import RuleStore  # noqa: PLC0415  (start-up: SQLAlchemy)

    with RuleStore(path, create=False) as store:
        return LoadedRules(store.rules(), "store")


def _warned(loaded: LoadedRules, today: datetime.date | None) -> LoadedRules:
    today = today or datetime.datetime.now(datetime.UTC).date()
    for kind, entries in (("rule", loaded.rules), ("allowlist", loaded.allowlists)):
        loaded.warnings.extend(
            Problem(f'{kind} "{entry.id}" has expired on {entry.expires}', severity="warning")
            for entry in entries
            if entry.is_over(today)
        )
    return loaded
