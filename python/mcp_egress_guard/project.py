"""A project folder: the files that `init` writes, and the import of its rules into the store."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from mcp_egress_guard.config import load_config
from mcp_egress_guard.errors import InputError
from mcp_egress_guard.policy.builtins import profile as profile_of
from mcp_egress_guard.policy.loader import load_rules
from mcp_egress_guard.policy.store import ImportReport, RuleStore
from mcp_egress_guard.schema import SCHEMAS, schema

# Hidden, so that no loader takes it for a folder of packs.
SCHEMA_FOLDER = ".schema"


@dataclass
class Project:
    """What `initialize` did."""

    created: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    store: Path = Path()
    rules: int = 0
    imported: ImportReport = field(default_factory=ImportReport)


def initialize(folder: Path, profile: str) -> Project:
    """Writes the files that are missing and imports the rules; a file that is there stays.

    Raises:
        EgressGuardError: an unknown profile, a folder that cannot be written, or a user's file
            that is wrong; then nothing is imported.
    """
    chosen = profile_of(profile)
    project = Project()
    policies = folder / "policies"
    schemas = policies / SCHEMA_FOLDER
    wanted = {folder / "gateway.yaml": _for_editors("gateway", schemas, folder) + chosen.gateway}
    for name, text in chosen.packs.items():
        kind = "pack" if "\nrules:" in text else "detectors"
        wanted[policies / name] = _for_editors(kind, schemas, policies) + text
    file_mode, folder_mode = (0o600, 0o700) if chosen.owner_only else (0o666, 0o777)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, file_mode)

    _write_schemas(schemas, folder_mode)
    for path, text in wanted.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": a file that somebody made in the meantime is not lost either.
            with open(path, "x", encoding="utf-8", opener=opener) as file:
                file.write(text)
            project.created.append(path)
        except FileExistsError:
            project.kept.append(path)
        except OSError as error:
            raise InputError(
                f"cannot be written: {error.strerror}", file=path, hint="choose --output-dir"
            ) from None
    config = load_config(folder / "gateway.yaml")
    loaded = load_rules(config)
    with RuleStore(config.db_file) as store:
        project.imported = store.replace(loaded.rules)
    project.store = config.db_file
    project.rules = len(loaded.rules)
    return project


def _for_editors(name: str, schemas: Path, folder: Path) -> str:
    """The first line of a file, by which editors check and complete it."""
    path = (schemas / f"{name}.json").relative_to(folder).as_posix()
    return f"# yaml-language-server: $schema={path}\n"


def _write_schemas(folder: Path, mode: int) -> None:
    """Those of this version; nobody edits them."""
    try:
        folder.parent.mkdir(mode, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        for name in SCHEMAS:
            text = json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", file=folder, hint="choose --output-dir"
        ) from None
