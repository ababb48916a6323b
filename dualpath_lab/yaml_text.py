"""YAML from strangers: plain values, each key once, and no more of them than a schema could want, however few characters say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from dualpath_lab.errors import LARGEST_BITS, shown

MOST_VALUES = 1_000_000
"""With an alias counted as often as it stands."""


class NotYamlError(ValueError):
    """The text is not YAML, or says too much; why, in words."""


def parse_yaml(text: str) -> Any:
    """Read one YAML document of strings, numbers, truth values, nulls, dates, lists and mappings.

    Parameters
    ----------
    text : str

    Returns
    -------
    object
        None for an empty text.

    Raises
    ------
    NotYamlError
        If it is not YAML, a key stands twice in a mapping, a value refers to itself, or there are more than ``MOST_VALUES``.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise NotYamlError("it is nested too deeply") from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise NotYamlError(_why(error)) from None
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.CSafeLoader):
    """Says which value cannot be what its tag or its looks promise."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # PyYAML lets through whatever Python raises of an impossible date, number or truth value
            raise _problem(f"{shown(node.value)} is not a valid {node.tag.rpartition(':')[2]}", node) from None
        if isinstance(value, int) and value.bit_length() > LARGEST_BITS:
            raise _problem("an integer is larger than any number may be", node)
        return value


def _problem(what: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _count(node: yaml.Node, counted: dict[yaml.Node, int]) -> int:
    """How many values a node stands for; 0 marks one that is being counted."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node in counted:
        if counted[node] == 0:
            raise _problem("a value refers to itself", node)
        return counted[node]
    counted[node] = 0
    if isinstance(node, yaml.MappingNode):
        _each_once(key for key, _ in node.value)
    inner = node.value if isinstance(node, yaml.SequenceNode) else [each for pair in node.value for each in pair]
    values = 1 + sum(_count(each, counted) for each in inner)
    if values > MOST_VALUES:
        raise _problem(f"it holds more than {MOST_VALUES:,} values", node)
    counted[node] = values
    return values


def _each_once(keys: Iterable[yaml.Node]) -> None:
    """Refuse a key that stands twice, of which YAML would forget the first."""
    seen = set()
    for key in keys:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise _problem(f"the key {key.value!r} stands twice", key)
            seen.add((key.tag, key.value))


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        return error.problem + (f", line {mark.line + 1}, column {mark.column + 1}" if mark else "")
    return " ".join(str(error).split())
