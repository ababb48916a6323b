"""What a schema says of each of its keys: meaning, unit, default, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Self

from pydantic import BaseModel

UNITS = {
    "_gbytes_per_s": "GB/s",
    "_gbytes": "GB",
    "_kbytes": "kB",
    "_gbps": "Gb/s",
    "_rate": "agents/s",
    "_nodes": "nodes",
    "gpus_per_node": "GPUs",
    ".agents": "agents",
    "_us": "µs",
    "_ms": "ms",
    "_s": "s",
    "_bytes": "bytes",
}
"""By the end of a key."""
_SHARES = ("hit_rate", "model_share", ".load")


def unit_of(key: str) -> str:
    """The unit of a key; empty for what has none."""
    if key.endswith(_SHARES):
        return "of 1"
    return next((unit for ending, unit in UNITS.items() if key.endswith(ending)), "")


class Key(str):
    """A dotted key; a text like any other, and what the schema says of it.

    Attributes
    ----------
    meaning : str
        A sentence.
    unit : str
        Such as ``Gb/s``; empty for what has none.
    default : object
        None where there is none, and where that is the default.
    required : bool
        Whether there is none.
    allowed : str
        In words.
    """

    __slots__ = ("allowed", "default", "meaning", "required", "unit")

    meaning: str
    unit: str
    default: Any
    required: bool
    allowed: str

    @classmethod
    def of(cls, key: str, stated: Mapping[str, Any], required: bool) -> Self:
        """A key as its JSON schema states it."""
        made = cls(key)
        made.meaning = stated.get("description", "")
        made.unit = unit_of(key)
        made.default = stated.get("default")
        made.required = required
        made.allowed = _allowed(stated)
        return made

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``dualpath-lab keys``."""
        return {"key": str(self), "meaning": self.meaning, "unit": self.unit, "default": self.default, "allowed": self.allowed}


def keys_of(schema: type[BaseModel]) -> list[Key]:
    """All keys of a schema, those of its parts dotted, in its order."""
    return list(_keys(schema))


@cache
def _keys(schema: type[BaseModel]) -> tuple[Key, ...]:
    whole = schema.model_json_schema()
    return tuple(_within(whole, whole.get("$defs", {}), ""))


def _within(part: Mapping[str, Any], parts: Mapping[str, Any], above: str) -> Iterator[Key]:
    for name, stated in part["properties"].items():
        inner = parts.get(stated.get("$ref", "").rpartition("/")[2], {})
        if "properties" in inner:
            yield from _within(inner, parts, f"{above}{name}.")
        else:
            yield Key.of(f"{above}{name}", stated, name in part.get("required", ()))


def _allowed(stated: Mapping[str, Any]) -> str:
    """In words what a JSON schema allows."""
    if "allowed" in stated:
        return str(stated["allowed"])
    if "anyOf" in stated:
        return ", or ".join(_allowed(each) for each in stated["anyOf"])
    if "enum" in stated:
        return f"one of {', '.join(map(str, stated['enum']))}"
    if "prefixItems" in stated:
        return f"pairs of {' and '.join(_allowed(each) for each in stated['prefixItems'])}"
    kind = stated["type"]
    if kind == "array":
        return f"list of {_allowed(stated['items'])}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}[kind]
    low = f"from {_digits(stated['minimum'])}" if "minimum" in stated else None
    low = f"above {_digits(stated['exclusiveMinimum'])}" if "exclusiveMinimum" in stated else low
    high = f"{'to' if 'minimum' in stated else 'up to'} {_digits(stated['maximum'])}" if "maximum" in stated else None
    return " ".join(filter(None, (words, low, high)))


def _digits(number: float) -> str:
    return f"{number:,.10g}" if abs(number) < 1e9 else f"{number:,.0f}" if float(number).is_integer() else f"{number:g}"


def as_yaml(value: Any) -> str:
    """A value as a scenario file and ``--set`` have it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
