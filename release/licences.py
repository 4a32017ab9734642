"""Prints the licences of what SBOMs name, as a table: `licences.py FILE...`, wheels or CycloneDX.

A wheel stands for the SBOMs inside it.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The SBOMs in a file."""
    if path.suffix != ".whl":
        yield json.loads(path.read_bytes())
        return
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if "/sboms/" in name:
                yield json.loads(wheel.read(name))


def source(component: dict[str, Any]) -> str:
    """Whose package it is, `cargo` or `pypi`; one that was installed from a file has no purl."""
    return component.get("purl", "pkg:pypi/").partition("/")[0].removeprefix("pkg:")


def licence(component: dict[str, Any]) -> str:
    """As an SPDX expression where the package says one."""
    said = []
    for entry in component.get("licenses", ()):
        named = entry.get("license", {})
        said.append(entry.get("expression") or named.get("id") or named.get("name") or "")
    return " AND ".join(sorted({" ".join(one.split()) for one in said if one})) or "not stated"


def main(paths: list[str]) -> None:
    """Prints the table of all of them."""
    rows = {
        (source(part), part["name"], part["version"]): part
        for path in paths
        for document in documents(Path(path))
        for part in document["components"]
    }
    print("| from | package | version | licence |\n|---|---|---|---|")
    for (origin, name, version), part in sorted(rows.items()):
        print(f"| {origin} | {name} | {version} | {licence(part)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
