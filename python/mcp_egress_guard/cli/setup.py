"""What a command stands on: the configuration that was found, and the guard that it describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_egress_guard.places import find_config

if TYPE_CHECKING:
    from mcp_egress_guard.config import GatewayConfig
    from mcp_egress_guard.core import EgressGuard
    from mcp_egress_guard.policy.loader import LoadedRules

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; searched in this folder if absent."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@dataclass(frozen=True, slots=True)
class Setup:
    """A guard and where it came from."""

    guard: EgressGuard
    config: GatewayConfig | None
    loaded: LoadedRules | None


def setup(config_file: Path | None, policy: Path | None = None) -> Setup:
    """The guard of a configuration file, or of the built-in rules where there is none.

    With `policy`, the rules of that file or folder stand in for those of the configuration.

    Raises:
        EgressGuardError: a file that is missing or wrong.
    """
    from mcp_egress_guard.core import EgressGuard

    path = config_file or find_config()
    if path is None and policy is None:
        return Setup(EgressGuard(), None, None)
    from mcp_egress_guard.config import GatewayConfig, load_config
    from mcp_egress_guard.errors import PolicyError
    from mcp_egress_guard.policy.loader import load_guard

    config = load_config(path) if path else GatewayConfig()
    if policy is not None:
        config = config.model_copy(update={"policy_paths": [str(policy.resolve())]})
    guard, loaded = load_guard(config)
    if policy is not None and not loaded.files:
        raise PolicyError("holds no rules", file=policy)
    return Setup(guard, config, loaded)


def own_detectors(config_file: Path | None) -> list[dict[str, Any]]:
    """The detectors of the user's policies, with their files.

    Raises:
        EgressGuardError: a file that is missing or wrong.
    """
    loaded = setup(config_file).loaded
    return loaded.detectors if loaded else []


def read_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: not one; the message says where reading stopped.
    """
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.fixture import strict_json

    try:
        value = strict_json(text)
    except ValueError as error:
        raise InputError(f"{what} is not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{what} is nested too deeply") from None
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object")
    return value


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Data for scripts, on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
