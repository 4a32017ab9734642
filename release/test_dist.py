"""What `make dist` made: installs without a compiler, works, and comes out the same again.

Run by `make test-dist`, which says by the environment how the wheel was built.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
CLEAN = ROOT / "target/clean"
MEGABYTES = 6
MEMBERS = ("audit", "binding", "core", "gateway")
# What must pass where only the wheel is installed: the command, stdio and HTTP with real peers.
SUITES = ("unit/test_cli.py", "e2e/test_real_client.py", "e2e/test_http_sdk.py")


@pytest.fixture(scope="module")
def wheel() -> Path:
    (path,) = DIST.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist() -> Path:
    (path,) = DIST.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def components(bom: bytes) -> dict[str, str]:
    """The packages of a CycloneDX document with their versions."""
    read = json.loads(bom)
    assert read["bomFormat"] == "CycloneDX"
    assert all(part["licenses"] for part in read["components"])
    return {part["name"]: part["version"] for part in read["components"]}


def test_one_wheel_serves_every_python(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    assert wheel.stat().st_size <= MEGABYTES * 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="manylinux is a promise about Linux")
def test_the_wheel_needs_no_more_than_it_says(wheel: Path) -> None:
    command = [sys.executable, "-m", "auditwheel", "show", str(wheel)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r'the following platform tag:\s+"manylinux_2_17_', shown), shown


def test_it_says_what_is_compiled_into_it(members: dict[str, bytes]) -> None:
    (name,) = (name for name in members if name.endswith(".cyclonedx.json"))
    assert "/sboms/" in name
    found = components(members[name])
    assert {"aho-corasick", "pyo3", "rustls", "hyper", "egress-guard-core"} <= found.keys()
    locked = (ROOT / "Cargo.lock").read_text()
    for package, version in found.items():
        assert f'name = "{package}"\nversion = "{version}"\n' in locked


def test_it_says_what_it_stands_on() -> None:
    found = components((DIST / "about/python.cyclonedx.json").read_bytes())
    assert {"pydantic", "orjson", "mcp-egress-guard"} <= found.keys()
    listed = (DIST / "about/licences.md").read_text()
    assert "| pydantic | " in listed
    assert "| pyo3 | " in listed


def test_nothing_tells_where_it_was_built(members: dict[str, bytes]) -> None:
    home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    for name, data in members.items():
        for place in (str(ROOT), home):
            assert place.encode() not in data, f"{place} in {name}"


@pytest.mark.parametrize("suite", SUITES)
def test_it_works_where_only_it_is_installed(suite: str) -> None:
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tests/{suite}"]
    guard = {"EGRESS_GUARD": str(CLEAN / "bin/egress-guard")}
    subprocess.run(tests, cwd=ROOT, env=os.environ | guard, check=True)


@pytest.fixture(scope="module")
def again(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the sdist makes, in a folder of its own."""
    options = os.environ["WHEEL"].split()
    target = options[options.index("--target") + 1]
    # Only what is ours is compiled again; else it would be taken from the first build.
    packages = [word for name in MEMBERS for word in ("-p", f"egress-guard-{name}")]
    clean = ["cargo", "clean", "--quiet", "--release", "--target", target, *packages]
    subprocess.run(clean, cwd=ROOT, check=True)
    folder = tmp_path_factory.mktemp("again")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    build = [*(sys.executable, "-m", "maturin", "build", *options), "--out", str(folder)]
    subprocess.run(build, cwd=source, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.timeout(1800)
def test_the_sdist_makes_the_same_bytes(wheel: Path, again: Path) -> None:
    assert again.name == wheel.name
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert second.namelist() == first.namelist()
        changed = [name for name in first.namelist() if first.read(name) != second.read(name)]
    assert changed == []
    assert again.read_bytes() == wheel.read_bytes()


def test_the_sdist_tells_no_time_and_no_person(sdist: Path) -> None:
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    with tarfile.open(sdist) as archive:
        for entry in archive:
            assert (entry.uid, entry.gid, entry.mtime) in {(0, 0, epoch), (0, 0, 0)}, entry.name
