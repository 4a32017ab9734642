"""The rules and profiles that come with the package."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mcp_egress_guard import core
from mcp_egress_guard.errors import PolicyError
from mcp_egress_guard.shape import closest

from .models import PolicyRule

__all__ = ["Profile", "builtin_pack_files", "load_builtin_rules", "profile", "profile_names"]


@dataclass(frozen=True)
class Profile:
    """What `init` writes: gateway.yaml, and packs beside the built-in ones, by file name."""

    name: str
    gateway: str
    packs: dict[str, str]
    # Rules say what is looked for, and what is not.
    owner_only: bool = False


def load_builtin_rules() -> list[PolicyRule]:
    """All rules of the built-in packs with their tests, in load order."""
    rules = []
    for entry in json.loads(core.builtin_packs()):
        data = entry["data"]
        pack = {"pack": data["pack"], "version": data.get("version", "")}
        rules += [PolicyRule.model_validate(pack | rule) for rule in data["rules"]]
    return rules


def builtin_pack_files() -> dict[str, str]:
    """The built-in packs as `init` writes them: file name and text."""
    return {
        entry["file"].rpartition("/")[2]: entry["text"]
        for entry in json.loads(core.builtin_packs())
    }


def _profile_files() -> dict[str, str]:
    return {
        entry["file"].removeprefix("profiles/"): entry["text"]
        for entry in json.loads(core.builtin_profiles())
    }


def profile_names() -> list[str]:
    """The names that `profile` takes."""
    return sorted(name.removesuffix(".yaml") for name in _profile_files() if "/" not in name)


def profile(name: str) -> Profile:
    """A profile by its name.

    Raises:
        PolicyError: there is none of this name.
    """
    files = _profile_files()
    text = files.get(f"{name}.yaml")
    if text is None or "/" in name:
        raise PolicyError(f'unknown profile "{name}"', hint=closest(name, profile_names()))
    packs = builtin_pack_files()
    own = {
        path.rpartition("/")[2]: text for path, text in files.items() if path.startswith(f"{name}/")
    }
    return Profile(name, text, packs | own, owner_only=name == "enterprise")
