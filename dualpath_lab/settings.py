"""What every schema of the lab has in common: validated parts, dotted keys, YAML files and ``KEY=VALUE`` on top; errors in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.html_table import table
from dualpath_lab.schema_keys import Key, keys_of, unit_of
from dualpath_lab.small_file import read_small
from dualpath_lab.yaml_text import NotYamlError, parse_yaml

MOST_BYTES = 4_000_000
"""Of a file of settings; more is none, or never ends."""


class Part(BaseModel):
    """Keys that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name and cls.model_fields[info.field_name].annotation not in (bool, bool | None):
            raise ValueError("should not be true or false")
        return value


class Settings(Part):
    """A whole schema; what is not allowed raises :class:`ScenarioError`."""

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ScenarioError(self._sentence(error)) from None

    def with_values(self, changes: Mapping[str, Any]) -> Self:
        """A copy with dotted keys replaced, validated anew.

        Parameters
        ----------
        changes : mapping
            For instance ``{"cluster.prefill_nodes": 4, "system": "basic"}``.

        Raises
        ------
        ScenarioError
            If a key or value is not allowed.
        """
        values = self.model_dump()
        for key, value in changes.items():
            self._assign(values, key, value)
        return type(self)(**values)

    @classmethod
    def load(cls, path: str | Path | None = None, assignments: Iterable[str] = ()) -> Self:
        """Read a file and apply ``KEY=VALUE`` assignments on top.

        Raises
        ------
        ScenarioError
            If the file is missing or not YAML, or a key or value is not allowed.
        """
        values = read_yaml(Path(path)) if path is not None else {}
        for assignment in assignments:
            cls._assign(values, *parse_assignment(assignment))
        return cls(**values)

    @classmethod
    def keys(cls) -> list[Key]:
        """All keys, dotted, in the schema's order, each with what the schema says of it."""
        return keys_of(cls)

    def changed(self) -> dict[str, Any]:
        """Dotted keys whose values are not the defaults, and those values; what has no default is among them."""
        defaults = self._defaults()
        return {key: value for key, value in self._flat().items() if key not in defaults or value != defaults[key]}

    def __repr__(self) -> str:
        changed = self.changed()
        if any(field.is_required() for field in type(self).model_fields.values()):
            return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in changed.items())})"
        return f"{type(self).__name__}()" + (f".with_values({changed!r})" if changed else "")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """All keys in a notebook's cell, with what was set first."""
        changed = self.changed()
        rows = [(key, str(value), unit_of(key)) for key, value in changed.items()]
        everything = [(key, "null" if value is None else str(value), unit_of(key)) for key, value in self._flat().items()]
        header = ("key", "value", "unit")
        what = "as set; everything else has its default" if changed else "everything has its default"
        return (
            table(f"{type(self).__name__}: {what}", header, rows)
            + f"<details><summary>all keys</summary>{table('with defaults', header, everything)}</details>"
        )

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Of the dotted keys that have one."""
        return {str(key): key.default for key in keys_of(cls) if not key.required}

    def _flat(self) -> dict[str, Any]:
        values = self.model_dump()
        return {str(key): _at(values, key) for key in self.keys()}

    @classmethod
    def _assign(cls, values: dict[str, Any], key: str, value: Any) -> None:
        *parents, leaf = key.split(".")
        for parent in parents:
            inner = values.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise cls._unknown_key(key)
            values = inner
        values[leaf] = value

    @classmethod
    def _unknown_key(cls, key: str) -> ScenarioError:
        known = cls.keys()
        near = difflib.get_close_matches(key, known, n=1)
        beside = [each for each in known if each.startswith(key.partition(".")[0] + ".")]
        parts = dict.fromkeys(head + ".*" if dot else head for head, dot, _ in (each.partition(".") for each in known))
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(beside or parts)}."
        return ScenarioError(f"Unknown scenario key {shown(key)}; {hint}")

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        problem = error.errors(include_url=False)[0]
        if not problem["loc"]:
            return problem["msg"].removeprefix("Value error, ")
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            return str(cls._unknown_key(key))
        if problem["type"] == "missing":
            return f"{key} is missing: it has no default."
        if problem["type"] == "invalid_key":
            return f"The key {shown(problem['input'])} of {key.rpartition('.')[0]} is not allowed: keys should be text."
        subject, should, rest = problem["msg"].removeprefix("Value error, ").partition("should ")
        allowed = should + rest if subject in ("Input ", "String ", "List ") else subject + should + rest
        if problem["type"] == "literal_error":
            allowed = f"should be one of {problem['ctx']['expected']}"
        elif problem["type"] == "model_type":
            allowed = "should be a mapping of keys to values"
        return f"{key} = {shown(problem['input'])} is not allowed: it {allowed}."


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """The key and the value of ``KEY=VALUE``.

    Raises
    ------
    ScenarioError
        If it is none.
    """
    key, separator, text = assignment.partition("=")
    if not separator or not key:
        raise ScenarioError(f"--set takes KEY=VALUE, got {shown(assignment)}.")
    try:
        value = parse_yaml(text)
    except NotYamlError:
        value = text
    return key.strip(), value


def _at(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found


def read_yaml(path: Path, kind: str = "Scenario file") -> dict[str, Any]:
    """Read a file that holds a mapping of keys; an empty one holds none.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is called in errors.

    Raises
    ------
    ScenarioError
        If the file cannot be read, is not YAML or holds something else.
    """
    content = read_small(path, kind, MOST_BYTES)
    try:
        values = parse_yaml(content.decode("utf-8-sig"))
    except (NotYamlError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{kind} {str(path)!r} is not YAML: {error}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ScenarioError(f"{kind} {str(path)!r} must hold a mapping of keys.")
    return values
