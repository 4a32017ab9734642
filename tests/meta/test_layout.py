"""The walls of the house: who may import what, what is shipped, how much a command loads."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "mcp_egress_guard"
HEAVY = {"orjson", "pydantic", "sqlalchemy", "tabulate", "yaml"}


def lint(root: Path, module: str, source: str) -> str:
    """What ruff says about `source` if it stood in `module`."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"),
            *("--select=TID", f"--stdin-filename=python/{PACKAGE}/{module}", "-"),
        ],
        cwd=root,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    "source",
    [
        f"from {PACKAGE}._core import Guard\n",
        f"from {PACKAGE} import _core\n",
        f"import {PACKAGE}._core\n",
    ],
)
def test_only_the_core_and_the_analyzers_import_the_extension(root: Path, source: str) -> None:
    assert "TID251" in lint(root, "proxy/stdio.py", source)
    assert "TID251" not in lint(root, "core.py", source)
    assert "TID251" not in lint(root, "analyzers/shell.py", source)


def test_a_relative_import_is_no_way_around(root: Path) -> None:
    for source in ("from .. import _core\n", "from .._core import Guard\n"):
        assert "TID252" in lint(root, "proxy/stdio.py", source)


def test_only_render_imports_the_tables(root: Path) -> None:
    for path in (root / "python" / PACKAGE).rglob("*.py"):
        if path.name != "render.py":
            assert not re.search(r"^\s*(from|import) tabulate\b", path.read_text(), re.M), path


def test_the_default_installation_is_twelve_distributions_at_most() -> None:
    found: set[str] = set()
    todo = ["mcp-egress-guard"]
    while todo:
        name = canonicalize_name(todo.pop())
        if name not in found:
            found.add(name)
            needs = [Requirement(line) for line in importlib.metadata.requires(name) or ()]
            wanted = [n for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
            todo += [need.name for need in wanted]
    assert {"orjson", "pydantic", "typer-slim"} <= found
    assert len(found) <= 12, sorted(found)


def test_the_core_reads_no_file_and_no_clock(root: Path) -> None:
    # Addresses as values are data; what opens a connection is not.
    forbidden = re.compile(
        r"\bstd::(fs|process|thread|time|env)\b|\bstd::net::(?!\{?Ip)|\b(pyo3|tokio)::"
    )
    for path in (root / "rust/core/src").rglob("*.rs"):
        if path.name == "tests.rs":
            continue
        # Words inside a string literal name what is looked for in others' code.
        plain = re.sub(r'b?"(?:[^"\\\n]|\\.)*"|//.*', "", path.read_text())
        code = plain.split("#[cfg(test)]")[0]
        assert not forbidden.search(code), path


def test_every_module_says_its_job_first(root: Path) -> None:
    for path in (root / "rust").glob("*/src/**/*.rs"):
        assert path.read_text().startswith("//! "), path
    for path in (root / "python").rglob("*.py"):
        assert path.read_text().startswith('"""'), path


def test_the_wheel_has_the_package_and_nothing_else() -> None:
    files = [str(file) for file in importlib.metadata.files("mcp-egress-guard") or ()]
    packaged = {file for file in files if not re.match(r"(\.\./|mcp_egress_guard-)", file)}
    assert {f"{PACKAGE}/py.typed", f"{PACKAGE}/_core.pyi", f"{PACKAGE}/__main__.py"} <= packaged
    assert [file for file in packaged if re.search(r"_core\.(abi3\.so|pyd)$", file)]
    assert [file for file in packaged if not file.startswith(f"{PACKAGE}/")] == []
    assert [file for file in packaged if not re.search(r"\.(py|pyi|pyc|so|pyd|typed)$", file)] == []


def test_the_version_is_one(root: Path, guard: str) -> None:
    version = importlib.metadata.version("mcp-egress-guard")
    printed = subprocess.run([guard, "--version"], capture_output=True, text=True, check=True)
    assert version in printed.stdout
    for name in ("Cargo.toml", "pyproject.toml"):
        assert f'version = "{version}"' in (root / name).read_text()


def imported(command: list[str], cwd: Path) -> set[str]:
    """The modules that the command loads."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^import time:.*\|\s*([\w.]+)$", done.stderr, re.M))


def test_help_loads_nothing_heavy(guard: str, tmp_path: Path) -> None:
    assert imported([guard, "--help"], tmp_path) & HEAVY == set()


def test_a_plain_start_loads_no_more_than_the_engine(guard: str, tmp_path: Path) -> None:
    assert imported([guard, "run", "--", "cat"], tmp_path) & (HEAVY - {"orjson"}) == set()


def test_a_call_is_judged_without_the_models(guard: str, tmp_path: Path) -> None:
    arguments = ["--tool", "shell_exec", "--args", '{"command": "rm -rf /srv"}']
    for options in ([], ["--json"]):
        loaded = imported([guard, "rules", "test", *arguments, *options], tmp_path)
        # The library of the command line may load pydantic for itself.
        unwanted = {f"{PACKAGE}.shape", f"{PACKAGE}.config", f"{PACKAGE}.policy.models"}
        assert loaded & (unwanted | HEAVY - {"orjson", "pydantic"}) == set()


def test_both_names_of_the_command_are_one(guard: str, tmp_path: Path) -> None:
    outputs = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in (
            [guard, "--version"],
            [str(Path(guard).with_name("mcp-egress-guard")), "--version"],
            [sys.executable, "-m", PACKAGE, "--version"],
        )
    ]
    assert len(set(outputs)) == 1


def test_the_sdist_has_what_a_build_needs(root: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "maturin", "sdist", "--out", str(tmp_path)],
        cwd=root,
        check=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    policies = {str(path.relative_to(root)) for path in (root / "policies").rglob("*.yaml")}
    assert {"Cargo.lock", "LICENSE", "README.md", "pyproject.toml"} <= names
    assert policies
    assert policies <= names
    assert [name for name in names if name.startswith(("target/", "tests/", ".venv/"))] == []
