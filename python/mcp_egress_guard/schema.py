"""JSON Schemas of gateway.yaml, packs and detector files, for editors; made from the records."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
import typing
from dataclasses import dataclass
from typing import Any, ClassVar

from .config import GatewayConfig
from .policy.models import PolicyPack
from .shape import field, fields_of

__all__ = ["SCHEMAS", "schema", "schema_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime.date: {"type": "string", "format": "date"},
    Any: {},
}
KINDS = ("text", "command", "code", "sql", "destination", "path", "payload")


@dataclass
class Example:
    """A test of a detector."""

    text: str = field(doc="The argument.")
    secret: str = field("", doc="The part that must be found.")
    tool: str = field("", doc="The tool, where it matters.")
    argument: str = field("", doc="The argument's name, where it matters.")


@dataclass
class Detector:
    """What can be seen, how bad it is, and its own tests."""

    id: str = field(low=1, doc="Unique: lower-case words with dots, such as text.acme.key.")
    name: str = field(doc="A few words for lists.")
    description: str = field(doc="What happens if it is let through.")
    kind: str = field(choices=KINDS, doc="Which analyzer reads the entry.")
    finding_type: str = field(doc="The public type; several detectors may share one.")
    risk_score: float = field(low=0, high=1, doc="0 to 1.")
    match: dict[str, Any] = field(doc="What the analyzer looks for; its form is the analyzer's.")
    examples: list[str | Example] = field(doc="At least two texts that must be found.")
    negative_examples: list[str | Example] = field(doc="At least two near misses.")
    unless: dict[str, Any] = field(factory=dict, doc="Exceptions, in the form of `match`.")
    remediation: str = field("", doc="What to do instead.")
    references: list[str] = field(factory=list, doc="The provider's or standard's documents.")
    tags: list[str] = field(factory=list, doc="deny and review have rules of their own.")


@dataclass
class DetectorFile:
    """A file of detectors."""

    NOUN: ClassVar = "key"

    detectors: list[Detector] = field(doc="The detectors.")


SCHEMAS: dict[str, tuple[type, str]] = {
    "gateway": (GatewayConfig, "The configuration of mcp-egress-guard"),
    "pack": (PolicyPack, "A policy pack of mcp-egress-guard"),
    "detectors": (DetectorFile, "Detectors of mcp-egress-guard"),
}


def schema(name: str) -> dict[str, Any]:
    """The schema of this name: one of `SCHEMAS`."""
    cls, title = SCHEMAS[name]
    return schema_of(cls, title)


def schema_of(cls: type, title: str) -> dict[str, Any]:
    """The schema of a record and of all records in it."""
    definitions: dict[str, Any] = {}
    root = _type(cls, definitions)
    return {"$schema": DIALECT, "title": title} | root | {"$defs": definitions}


def _type(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        options = [_type(option, definitions) for option in inner if option is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}
    if origin is list:
        return {"type": "array", "items": _type(inner[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(inner[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # a record may hold itself
            definitions[kind.__name__] = _record(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return dict(SIMPLE[kind])


def _record(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for key, (spec, kind) in fields_of(cls).items():
        properties[key] = _property(spec, _type(kind, definitions))
        if spec.default is spec.default_factory is dataclasses.MISSING:
            required.append(key)
    found: dict[str, Any] = {"type": "object", "description": cls.__doc__}
    found |= {"properties": properties, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def _property(spec: dataclasses.Field[Any], kind: dict[str, Any]) -> dict[str, Any]:
    meta = spec.metadata
    if meta["choices"]:
        kind = kind | {"enum": list(meta["choices"])}
    low, high = meta["low"], meta["high"]
    if kind.get("type") == "string" and low is not None:
        kind = kind | {"minLength": low}
    elif kind.get("type") in ("integer", "number"):
        kind = kind | {k: v for k, v in (("minimum", low), ("maximum", high)) if v is not None}
    default = spec.default
    if default is not dataclasses.MISSING and default is not None and not meta["secret"]:
        kind = kind | {"default": default.value if isinstance(default, enum.Enum) else default}
    return {"description": meta["doc"]} | kind
