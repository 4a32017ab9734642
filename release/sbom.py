"""Prints a CycloneDX SBOM of the Rust packages that are compiled into the extension.

Made from what Cargo resolves for the lock file, so it is the same on every machine and for every
platform; the hashes are those that Cargo checks. Goes into the wheel (PEP 770).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MAIN = "egress-guard-binding"


def purl(package: dict[str, Any]) -> str:
    """What names a package; also its reference inside the document."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict[str, Any], checksum: str | None) -> dict[str, Any]:
    """One package as CycloneDX says it."""
    licence = package["license"]
    said = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        # The old way of Cargo to write OR.
        "licenses": [{"expression": licence.replace("/", " OR ")}] if licence else [],
    }
    if checksum:
        said["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return said


def main() -> None:
    """Walks from the extension along all that is not for tests only."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    metadata = json.loads(done.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    needs: dict[str, list[str]] = {}
    for node in metadata["resolve"]["nodes"]:
        built = [d for d in node["deps"] if any(kind["kind"] != "dev" for kind in d["dep_kinds"])]
        needs[node["id"]] = sorted(
            (need["pkg"] for need in built), key=lambda key: purl(packages[key])
        )
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}

    (start,) = (key for key, package in packages.items() if package["name"] == MAIN)
    reached, todo = {start}, [start]
    while todo:
        new = set(needs[todo.pop()]) - reached
        reached |= new
        todo += new
    order = sorted(reached, key=lambda key: purl(packages[key]))

    def say(key: str) -> dict[str, Any]:
        package = packages[key]
        return component(package, sums[package["name"], package["version"]])

    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": say(start)},
        "components": [say(key) for key in order if key != start],
        "dependencies": [
            {"ref": purl(packages[key]), "dependsOn": [purl(packages[need]) for need in needs[key]]}
            for key in order
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
