"""JSON Schemas of gateway.yaml, packs and detector files, for editors; made from the models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from .config import GatewayConfig
from .policy.models import PolicyPack
from .shape import Record

__all__ = ["SCHEMAS", "schema", "schema_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Kind = Literal["text", "command", "code", "sql", "destination", "path", "payload"]


class Example(Record):
    """A test of a detector."""

    text: str = Field(description="The argument.")
    secret: str = Field(default="", description="The part that must be found.")
    tool: str = Field(default="", description="The tool, where it matters.")
    argument: str = Field(default="", description="The argument's name, where it matters.")


class Detector(Record):
    """What can be seen, how bad it is, and its own tests."""

    id: str = Field(
        min_length=1, description="Unique: lower-case words with dots, such as text.acme.key."
    )
    name: str = Field(description="A few words for lists.")
    description: str = Field(description="What happens if it is let through.")
    kind: Kind = Field(description="Which analyzer reads the entry.")
    finding_type: str = Field(description="The public type; several detectors may share one.")
    risk_score: float = Field(ge=0, le=1, description="0 to 1.")
    match: dict[str, Any] = Field(
        description="What the analyzer looks for; its form is the analyzer's."
    )
    examples: list[str | Example] = Field(description="At least two texts that must be found.")
    negative_examples: list[str | Example] = Field(description="At least two near misses.")
    unless: dict[str, Any] = Field(
        default_factory=dict, description="Exceptions, in the form of `match`."
    )
    remediation: str = Field(default="", description="What to do instead.")
    references: list[str] = Field(
        default_factory=list, description="The provider's or standard's documents."
    )
    tags: list[str] = Field(
        default_factory=list, description="deny and review have rules of their own."
    )


class DetectorFile(Record):
    """A file of detectors."""

    detectors: list[Detector] = Field(description="The detectors.")


class ForEditors(GenerateJsonSchema):
    """Without the titles that only repeat names; that a key is not given is no value of it."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  (pydantic's)
        """Never."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        """The schema of what is there if it is there."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """Without defaults that say nothing."""
        found = super().default_schema(schema)
        if found.get("default") is None:
            found.pop("default", None)
        return found


SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "gateway": (GatewayConfig, "The configuration of mcp-egress-guard"),
    "pack": (PolicyPack, "A policy pack of mcp-egress-guard"),
    "detectors": (DetectorFile, "Detectors of mcp-egress-guard"),
}


def schema(name: str) -> dict[str, Any]:
    """The schema of this name: one of `SCHEMAS`."""
    cls, title = SCHEMAS[name]
    return schema_of(cls, title)


def schema_of(cls: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of a model and of all models in it."""
    refs, found = models_json_schema([(cls, "validation")], schema_generator=ForEditors)
    # Choices are written out where they stand.
    records = {name: entry for name, entry in found["$defs"].items() if "properties" in entry}
    return {"$schema": DIALECT, "title": title} | refs[cls, "validation"] | {"$defs": records}
