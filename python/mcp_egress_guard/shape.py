"""Turns YAML into records (dataclasses): every error at once, with line, field and a hint.

The records are the one description of a file: they give the checks here and the JSON Schemas in
`schema`. It loads neither pydantic nor PyYAML before a file is read.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import enum
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .errors import Problem

T = TypeVar("T")
Path_ = tuple[str | int, ...]
# A `yaml.Node`; PyYAML is not imported before a file is read.
Node = Any

MOST_BYTES = 8 << 20
# An alias stands for its whole node again: a few lines could mean millions of values.
MOST_VALUES = 200_000


def field(
    default: Any = dataclasses.MISSING,
    *,
    factory: Any = dataclasses.MISSING,
    doc: str = "",
    low: float | None = None,
    high: float | None = None,
    name: str = "",
    choices: Iterable[str] = (),
    secret: bool = False,
) -> Any:
    """A field of a record with what it means and what it may hold.

    `name` is its key in the file where that is no Python name.
    """
    metadata = {
        "doc": doc,
        "low": low,
        "high": high,
        "name": name,
        "choices": tuple(choices),
        "secret": secret,
    }
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata, repr=not secret)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def hidden(default: Any) -> Any:
    """A field that is no key of the file."""
    return dataclasses.field(default=default, metadata={"hidden": True}, repr=False)


def key_of(spec: dataclasses.Field[Any]) -> str:
    """The name of a field in the file."""
    return spec.metadata.get("name") or spec.name


def fields_of(cls: type) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """The fields of a record by their key, with their types."""
    return _fields_of(cls)


@functools.cache
def _fields_of(cls: Any) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(cls)
    return {
        key_of(spec): (spec, hints[spec.name])
        for spec in dataclasses.fields(cls)
        if not spec.metadata.get("hidden")
    }


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


class YamlFile:
    """One YAML text, read into nodes that know their line."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.marks: dict[Path_, tuple[int, int]] = {}
        self._values = 0
        self.root: Node | None = self._compose(text)

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

    def _compose(self, text: str) -> Node | None:
        import yaml  # noqa: PLC0415  (start-up)

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            root = yaml.compose(text, Loader=loader)
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
            return None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            name = "is nested too deeply" if isinstance(error, RecursionError) else "is not YAML"
            self.problems.append(Problem(name, file=self.file))
            return None
        return root

    def add(
        self,
        path: Path_,
        message: str,
        hint: str = "",
        *,
        severity: typing.Literal["error", "warning"] = "error",
        node: Node | None = None,
    ) -> None:
        """Adds a problem at the nearest place that the file has for this path."""
        mark = (node.start_mark.line + 1, node.start_mark.column + 1) if node else None
        at = path
        while mark is None and at:
            mark = self.marks.get(at)
            at = at[:-1]
        mark = mark or self.marks.get(())
        line, column = mark or (None, None)
        self.problems.append(
            Problem(message, self.file, line, column, dotted(path), hint, severity)
        )

    # -- records -----------------------------------------------------------------------------

    def record(self, cls: type[T]) -> T | None:
        """The file as a record; `None` where something is wrong, which is then in `problems`."""
        if self.root is None:
            if not self.problems:
                if getattr(cls, "NULL_IS_DEFAULT", False):
                    return cls()
                self.problems.append(Problem("is empty", file=self.file))
            return None
        before = len(self.problems)
        value = self.bind(self.root, cls, ())
        return value if len(self.problems) == before else None

    def bind(self, node: Node, kind: Any, path: Path_) -> Any:
        """The value of a node as a type; `None`, and a problem, where it does not fit."""
        self.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        self._values += 1
        if self._values == MOST_VALUES:
            self.add(path, "holds too many values", node=node)
        if self._values >= MOST_VALUES:
            return None
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            options = [option for option in typing.get_args(kind) if option is not type(None)]
            if self._is_null(node):
                return None
            return self.bind(node, options[0], path)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self._record(node, kind, path)
        if origin is list:
            return self._list(node, typing.get_args(kind)[0], path)
        if origin is dict:
            return self._dict(node, typing.get_args(kind)[1], path)
        if kind is Any:
            return self._any(node, path)
        return self._scalar(node, kind, path)

    @staticmethod
    def _is_null(node: Node) -> bool:
        return bool(node.tag == "tag:yaml.org,2002:null")

    def _pairs(self, node: Node, path: Path_) -> list[tuple[str, Node, Node]]:
        from yaml.constructor import ConstructorError, SafeConstructor  # noqa: PLC0415  (start-up)

        if node.id != "mapping":
            self.add(path, f"must be a mapping, not {_name(node)}", node=node)
            return []
        try:
            SafeConstructor().flatten_mapping(node)
        except ConstructorError as error:
            self.add(path, f"is not YAML: {error.problem}", node=node)
            return []
        pairs: dict[str, tuple[str, Node, Node]] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self.add(path, "has a key that is not text", node=key)
            elif key.value in pairs:
                first = pairs[key.value][1].start_mark.line + 1
                self.add((*path, key.value), f"is there twice, first in line {first}", node=key)
            else:
                pairs[key.value] = (key.value, key, value)
        return list(pairs.values())

    def _record(self, node: Node, cls: type, path: Path_) -> Any:
        if self._is_null(node) and getattr(cls, "NULL_IS_DEFAULT", False):
            # A section of which every key is commented out.
            return cls()
        before = len(self.problems)
        specs = fields_of(cls)
        values: dict[str, Any] = {}
        for key, key_node, value_node in self._pairs(node, path):
            here = (*path, key)
            self.marks.setdefault(
                here, (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            )
            if key not in specs:
                noun = getattr(cls, "NOUN", "key")
                self.add(here, f'unknown {noun} "{key}"', closest(key, specs), node=key_node)
                continue
            spec, kind = specs[key]
            value = self.bind(value_node, kind, here)
            if value is not None:
                self._bounds(spec, value, here, value_node)
            values[spec.name] = value
        if len(self.problems) > before:
            return None
        for key, (spec, _) in specs.items():
            needed = spec.default is spec.default_factory is dataclasses.MISSING
            if needed and spec.name not in values:
                self.add(path, f'"{key}" is missing', node=node)
        return None if len(self.problems) > before else cls(**values)

    def _bounds(self, spec: dataclasses.Field[Any], value: Any, path: Path_, node: Node) -> None:
        low, high = spec.metadata.get("low"), spec.metadata.get("high")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if low is not None and value < low:
                self.add(path, f"{value} is less than {low}", node=node)
            elif high is not None and value > high:
                self.add(path, f"{value} is more than {high}", node=node)
        choices = spec.metadata.get("choices")
        if choices:
            for one in value if isinstance(value, list) else [value]:
                if one not in choices:
                    self.add(path, f'unknown value "{one}"', closest(one, choices), node=node)
        if isinstance(value, str) and low is not None and len(value) < low:
            self.add(path, "is empty", node=node)

    def _list(self, node: Node, kind: Any, path: Path_) -> list[Any] | None:
        if node.id != "sequence":
            hint = "write [] for an empty list" if self._is_null(node) else ""
            if node.id == "scalar" and not hint:
                hint = f'write ["{node.value}"]' if len(node.value) <= 40 else "write [ … ]"
            self.add(path, f"must be a list, not {_name(node)}", hint, node=node)
            return None
        return [self.bind(item, kind, (*path, i)) for i, item in enumerate(node.value)]

    def _dict(self, node: Node, kind: Any, path: Path_) -> dict[str, Any]:
        return {
            key: self.bind(value, kind, (*path, key)) for key, _, value in self._pairs(node, path)
        }

    def _any(self, node: Node, path: Path_) -> Any:
        if node.id == "mapping":
            return self._dict(node, Any, path)
        if node.id == "sequence":
            return self._list(node, Any, path)
        return _plain(node)

    def _scalar(self, node: Node, kind: type, path: Path_) -> Any:
        if node.id != "scalar":
            self.add(path, f"must be {_WORDS.get(kind, 'text')}, not {_name(node)}", node=node)
            return None
        if self._is_null(node):
            hint = "give it a value, or leave the key out"
            self.add(path, "has no value", hint, node=node)
            return None
        value = _plain(node)
        if issubclass(kind, enum.Enum):
            names = [str(member.value) for member in kind]
            if value in names:
                return kind(value)
            noun = getattr(kind, "NOUN", "value")
            self.add(path, f'unknown {noun} "{node.value}"', closest(node.value, names), node=node)
            return None
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is kind:
            return value
        hint = "put it in quotes" if kind is str else ""
        if kind is bool:
            hint = "write true or false"
        wanted = _WORDS.get(kind, kind.__name__)
        self.add(path, f"must be {wanted}, not {_name(node)}", hint, node=node)
        return None


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_WORDS[datetime.date] = "a date such as 2027-01-31"

_NAMES = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
}


def _name(node: Node) -> str:
    return _NAMES.get(node.tag.rpartition(":")[2], "something else")


def _plain(node: Node) -> Any:
    from yaml.constructor import ConstructorError, SafeConstructor  # noqa: PLC0415  (start-up)

    try:
        return SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError):
        return node.value


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


def plain(record: Any) -> Any:
    """A record as plain data for JSON, under the keys of the file."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {
            key: plain(getattr(record, spec.name))
            for key, (spec, _) in fields_of(type(record)).items()
        }
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, Mapping):
        return {key: plain(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [plain(value) for value in record]
    if isinstance(record, datetime.date):
        return record.isoformat()
    return record
