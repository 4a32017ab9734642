"""Reads YAML into pydantic models: every mistake at once, with line, column, field and a hint.

The models say what a file may hold; here is what pydantic does not know of: where in the text a
value stands, keys that are there twice, aliases that mean millions of values, and which name was
meant. PyYAML is not imported before a file is read.
"""

from __future__ import annotations

import difflib
import enum
import os
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import Problem

R = TypeVar("R", bound="Record")
Path_ = tuple[str | int, ...]
# A `yaml.Node`; PyYAML has no types that are worth their import here.
Node = Any

MOST_BYTES = 8 << 20
# An alias stands for its whole node again: a few lines could mean millions of values.
MOST_VALUES = 200_000
MOST_LEVELS = 100


class Record(BaseModel):
    """What all models of files have in common: no unknown key, and no value of another kind."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        validate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
        # Most commands need few of the models.
        defer_build=True,
    )

    # What people call a key of the record.
    NOUN: ClassVar[str] = "key"

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Builds the validators, without asking every installed package for plugins of pydantic."""
        name = "PYDANTIC_DISABLE_PLUGINS"
        before = os.environ.get(name)
        os.environ[name] = "1"
        try:
            return super().model_rebuild(**options)
        finally:
            # Of a server that is started later it is no business.
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    @classmethod
    def of_file(cls, data: Any) -> Self:
        """The record of a file's data, under the names that the file has for them.

        Raises:
            ValidationError: something does not fit.
        """
        return super().model_validate(data, by_alias=True, by_name=False)


def closest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that is meant, or with all that are known."""
    known = list(known)
    lower = {name.lower(): name for name in known}
    if match := difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6):
        return f'did you mean "{lower[match[0]]}"?'
    return f"known are: {', '.join(known)}" if len(known) <= 24 else ""


def dotted(path: Path_) -> str:
    """The path as people read it: `rules[0].conditions.labels`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# -- what pydantic found -----------------------------------------------------------------------


class Fault(NamedTuple):
    """One mistake, in the words of the project."""

    path: Path_
    message: str
    hint: str


def faults(error: ValidationError, cls: type[BaseModel]) -> Iterator[Fault]:
    """The mistakes of a record of this class."""
    found = error.errors(include_url=False)
    misnamed = {entry["loc"][:-1] for entry in found if entry["type"] == "extra_forbidden"}
    for entry in found:
        kind, path, value = entry["type"], entry["loc"], entry["input"]
        if kind == "missing":
            # Beside an unknown key it is that key, most likely.
            if path[:-1] not in misnamed:
                yield Fault(path[:-1], f'"{path[-1]}" is missing', "")
        elif kind == "extra_forbidden":
            owner = _type_at(cls, path[:-1])
            message = f'unknown {owner.NOUN} "{path[-1]}"'
            yield Fault(path, message, closest(str(path[-1]), _keys(owner)))
        else:
            known = _names(_type_at(cls, path))
            yield Fault(path, *_told(kind, value, known, entry.get("ctx", {}), entry["msg"]))


def _told(
    kind: str, value: Any, known: tuple[str, list[str]], context: dict[str, Any], text: str
) -> tuple[str, str]:
    """Message and hint. No value is repeated that could be a secret: choices and numbers alone."""
    if kind in ("enum", "literal_error") and isinstance(value, str):
        noun, names = known
        return f'unknown {noun} "{value}"', closest(value, names)
    if wanted := WANTED.get(kind):
        if value is None and kind not in COMPOUND:
            return "has no value", "give it a value, or leave the key out"
        return f"must be {wanted}, not {_name(value)}", _hint(kind, value)
    if kind == "greater_than_equal":
        return f"{value} is less than {context['ge']}", ""
    if kind == "less_than_equal":
        return f"{value} is more than {context['le']}", ""
    if kind == "string_too_short":
        return "is empty", ""
    return text.removeprefix("Value error, "), ""


def _hint(kind: str, value: Any) -> str:
    if kind == "list_type":
        if value is None:
            return "write [] for an empty list"
        if isinstance(value, dict):
            return ""
        return f'write ["{value}"]' if len(str(value)) <= 40 else "write [ … ]"
    if kind in COMPOUND:
        return "give it a value, or leave the key out" if value is None else ""
    if isinstance(value, list | dict):
        return ""
    return {"string_type": "put it in quotes", "bool_type": "write true or false"}.get(kind, "")


WANTED = {
    "string_type": "text",
    "enum": "text",
    "literal_error": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date such as 2027-01-31",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
COMPOUND = ("list_type", "dict_type", "model_type")


def _name(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return "a date" if hasattr(value, "isoformat") else "something else"


def _keys(owner: Any) -> list[str]:
    return [str(spec.validation_alias or name) for name, spec in owner.model_fields.items()]


def _names(kind: Any) -> tuple[str, list[str]]:
    """What a choice is called, and what it may be."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return getattr(kind, "NOUN", "value"), [str(member.value) for member in kind]
    return "value", [str(name) for name in typing.get_args(kind)]


def _type_at(cls: type[BaseModel], path: Path_) -> Any:
    """The type that a record has at a path."""
    kind: Any = cls
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            specs = zip(_keys(kind), kind.model_fields.values(), strict=True)
            kind = next((spec.annotation for key, spec in specs if key == part), Any)
        else:
            kind = (typing.get_args(kind) or (Any,))[-1]
        kind = _bare(kind)
    return kind


def _bare(kind: Any) -> Any:
    """The type without `Annotated` and `None`."""
    while True:
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            kind = next(option for option in inner if option is not type(None))
        elif origin is Annotated:
            kind = inner[0]
        else:
            return kind


# -- YAML --------------------------------------------------------------------------------------


class YamlFile:
    """One YAML text: its plain `data`, the `problems`, and where in the text each value stands."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.data: Any = None
        # The keys of each mapping with the nodes of key and value, merged ones included.
        self._mappings: dict[int, dict[str, tuple[Node, Node]]] = {}
        # What each node stands for, with its number of values and of levels; `None` while open.
        self._read: dict[int, tuple[Any, int, int] | None] = {}
        self._merged = 0
        # Whether all aliases can be written out.
        self._bounded = True
        self.root: Node | None = self._compose(text)
        if self.root is not None:
            self.data = self._value(self.root, ())[0]
            self._bound(self.root)

    @classmethod
    def read(cls, path: Path, name: str = "") -> YamlFile:
        """Reads a file; what goes wrong is a problem."""
        name = name or str(path)
        text = ""
        problem: Problem | None = None
        try:
            data = path.read_bytes()
            if len(data) > MOST_BYTES:
                problem = Problem(f"is larger than {MOST_BYTES >> 20} MB", file=name)
            else:
                text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problem = Problem("is not UTF-8", file=name, line=line, hint="save it as UTF-8")
        except OSError as error:
            problem = Problem(f"cannot be read: {error.strerror}", file=name)
        self = cls(text, name)
        if problem:
            self.problems.append(problem)
        return self

    def record(self, cls: type[R]) -> R | None:
        """The file as a record; `None` where something is wrong, which is then in `problems`."""
        if not self._bounded or (self.problems and self.root is None):
            return None
        record = None
        try:
            record = cls.of_file(self.data)
        except ValidationError as error:
            self.problems += [self._problem(fault) for fault in faults(error, cls)]
        self.problems.sort(key=lambda problem: (problem.line or 0, problem.column or 0))
        return None if self.problems else record

    def _problem(self, fault: Fault) -> Problem:
        if self.root is None:
            return Problem("is empty", self.file)
        return self._placed(fault.path, fault.message, fault.hint, "error", self.place(fault.path))

    def add(
        self,
        path: Path_,
        message: str,
        hint: str = "",
        *,
        severity: Literal["error", "warning"] = "error",
        node: Node | None = None,
    ) -> None:
        """Adds a problem at the nearest place that the file has for this path."""
        place = _place(node) if node else self.place(path)
        self.problems.append(self._placed(path, message, hint, severity, place))

    def _placed(
        self,
        path: Path_,
        message: str,
        hint: str,
        severity: Literal["error", "warning"],
        place: tuple[int | None, int | None],
    ) -> Problem:
        return Problem(message, self.file, *place, dotted(path), hint, severity)

    def place(self, path: Path_) -> tuple[int | None, int | None]:
        """Line and column of the key or entry at a path, or of the nearest thing around it."""
        shown = node = self.root
        for part in path:
            if node is None:
                break
            if isinstance(part, int):
                if node.id != "sequence" or part >= len(node.value):
                    break
                shown = node = node.value[part]
            else:
                pair = self._mappings.get(id(node), {}).get(part)
                if pair is None:
                    break
                shown, node = pair
        return _place(shown) if shown else (None, None)

    def _compose(self, text: str) -> Node | None:
        import yaml  # noqa: PLC0415  (start-up)

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            return yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problems.append(
                Problem(
                    f"is not YAML: {error.problem or error.context}",
                    file=self.file,
                    line=mark.line + 1 if mark else None,
                    column=mark.column + 1 if mark else None,
                    hint=_yaml_hint(str(error.problem), _line(text, mark.line if mark else 0)),
                )
            )
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            name = "is nested too deeply" if isinstance(error, RecursionError) else "is not YAML"
            self.problems.append(Problem(name, file=self.file))
        return None

    def _value(self, node: Node, path: Path_) -> tuple[Any, int, int]:
        """What a node stands for, how many values that is, and how many levels.

        A node is read once, however many aliases it has: the work is that of the text's length.
        """
        if id(node) in self._read:
            known = self._read[id(node)]
            if known is None:
                self.add(path, "is a part of itself", node=node)
                self._bounded = False
            return known or (None, 1, 1)
        if len(path) > MOST_LEVELS:
            self.add(path, "is nested too deeply", node=node)
            self._bounded = False
            return None, 1, 1
        if node.id == "scalar":
            return self._scalar(node, path), 1, 1
        self._read[id(node)] = None
        value: Any
        if node.id == "mapping":
            pairs = self._mapping(node, path)
            parts = {key: self._value(child, (*path, key)) for key, (_, child) in pairs.items()}
            value, inner = {key: part[0] for key, part in parts.items()}, list(parts.values())
        else:
            inner = [self._value(child, (*path, i)) for i, child in enumerate(node.value)]
            value = [part[0] for part in inner]
        values = min(MOST_VALUES, sum(part[1] for part in inner)) + 1
        found = value, values, max((part[2] for part in inner), default=0) + 1
        self._read[id(node)] = found
        return found

    def _bound(self, root: Node) -> None:
        """Refuses the keys whose values are too many with all aliases written out."""
        for key, (_, child) in self._mappings.get(id(root), {}).items():
            found = self._read.get(id(child))
            if found and found[1] > MOST_VALUES:
                self.add((key,), "holds too many values")
                self._bounded = False
            elif found and found[2] > MOST_LEVELS:
                self.add((key,), "is nested too deeply")
                self._bounded = False

    def _mapping(self, node: Node, path: Path_) -> dict[str, tuple[Node, Node]]:
        """The pairs of a mapping; those of a merge key (<<) give way to its own."""
        if id(node) in self._mappings:
            return self._mappings[id(node)]
        self._mappings[id(node)] = {}
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self.add(path, "has a key that is not text", node=key)
            elif key.tag == "tag:yaml.org,2002:merge":
                for other in value.value if value.id == "sequence" else [value]:
                    merged = self._merge(other, (*path, key.value)) | merged
            elif key.value in own:
                first = own[key.value][0].start_mark.line + 1
                self.add((*path, key.value), f"is there twice, first in line {first}", node=key)
            else:
                own[key.value] = (key, value)
        self._mappings[id(node)] = merged | own
        return self._mappings[id(node)]

    def _merge(self, node: Node, path: Path_) -> dict[str, tuple[Node, Node]]:
        if node.id != "mapping":
            self.add(path, "takes a mapping, or a list of mappings", node=node)
            return {}
        if len(path) > MOST_LEVELS or self._merged > MOST_VALUES:
            self.add(path, "merges too much", node=node)
            return {}
        pairs = self._mapping(node, path)
        self._merged += len(pairs) + 1
        return pairs

    def _scalar(self, node: Node, path: Path_) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        from yaml.constructor import ConstructorError, SafeConstructor  # noqa: PLC0415  (start-up)

        try:
            value = SafeConstructor().construct_object(node)
        except (ConstructorError, ValueError):
            return node.value
        if isinstance(value, bytes):
            self.add(path, "is binary", node=node)
        return value


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _line(text: str, index: int) -> str:
    lines = text.splitlines()
    return lines[index] if index < len(lines) else ""


def _yaml_hint(problem: str, line: str) -> str:
    if line[: len(line) - len(line.lstrip())].count("\t"):
        return "indent with blanks, not tabs"
    if "mapping values are not allowed" in problem:
        return "put text with a colon in quotes, and check the indentation"
    if "alias" in problem or "escape" in problem or "cannot start any token" in problem:
        return "put text with *, &, %, @ or a backslash in single quotes"
    return ""
