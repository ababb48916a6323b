"""Writes ``api.md`` from the docstrings: ``python docs/make_api.py``."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path

from pydantic import BaseModel

PAGE = Path(__file__).with_name("api.md")
MODULES = {
    "dualpath_lab": "What a script or a notebook starts with.",
    "dualpath_lab.scenario": "Everything that decides a run; [all keys](keys.md) with their defaults and bounds.",
    "dualpath_lab.schema_keys": "What the schema says of its keys.",
    "dualpath_lab.core.simulation": "A run that can be stepped, watched and changed.",
    "dualpath_lab.core.observer": "Curves of a run, also while it goes on.",
    "dualpath_lab.core.policy": "The two ways to write a policy.",
    "dualpath_lab.core.dispatch": "How a policy acts, and what is kept of its decisions.",
    "dualpath_lab.core.turn_view": "What a policy sees of a turn.",
    "dualpath_lab.core.views": "What a policy sees of the cluster.",
    "dualpath_lab.studies.sweep": "Many scenarios.",
    "dualpath_lab.studies.advise": "Which cluster, which system.",
    "dualpath_lab.studies.capacity": "Agents a second within an objective.",
    "dualpath_lab.studies.calibrate": "A hardware file from measurements.",
    "dualpath_lab.studies.reproduce": "The published results beside ours.",
    "dualpath_lab.studies.anatomy": "One turn, stage by stage.",
    "dualpath_lab.studies.lanes": "One port, packet by packet.",
    "dualpath_lab.studies.perfetto": "A time line for Perfetto.",
    "dualpath_lab.models": "A model's bytes and FLOPs.",
    "dualpath_lab.hardware": "A GPU's rates.",
    "dualpath_lab.theory": "Closed forms.",
    "dualpath_lab.workload": "Trajectories, generated or read.",
    "dualpath_lab.progress": "Bars for long work.",
    "dualpath_lab.widgets": "In a notebook's cell.",
    "dualpath_lab.figures": "The notebooks' figures.",
}
"""In the order of the page, with a line each."""


def public(module: object) -> Iterator[tuple[str, object]]:
    """Names of a module that are for others: those of ``__all__``, else what it defines itself."""
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__ and callable(value)  # type: ignore[attr-defined]  # a module
    ]
    for name in sorted(getattr(module, "__all__", own)):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


def signature(value: object) -> str:
    """Names of the parameters; types stand in the text."""
    try:
        parameters = inspect.signature(value).parameters.values()  # type: ignore[arg-type]  # classes and functions only
    except (TypeError, ValueError):
        return "(...)"
    shown = [
        f"{'*' * (each.kind is each.VAR_POSITIONAL) or '**' * (each.kind is each.VAR_KEYWORD)}{each.name}{_default(each)}"
        for each in parameters
    ]
    return f"({', '.join(shown)})"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return ""
    value = repr(parameter.default)
    return f"={value}" if len(value) < 30 and " at 0x" not in value and "<" not in value else "=..."


def text(value: object) -> str:
    """A docstring as Markdown: its sections as lists, roles as code."""
    found = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.getdoc(value) or "").replace("``", "`")
    lines = found.splitlines()
    out: list[str] = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", line):
            continue
        out.append(f"\n*{line}*\n" if re.fullmatch(r"-{3,}", below) else _entry(line) if out and _in_section(out) else line)
    return "\n".join(out).replace("<", "&lt;") + "\n"


def _in_section(out: list[str]) -> bool:
    return any(line.startswith("\n*") for line in out)


def _entry(line: str) -> str:
    if not line.strip():
        return ""
    return f"    {line.strip()}" if line.startswith("    ") else f"- `{line}`\n"


def members(value: type) -> Iterator[tuple[str, object]]:
    """Public members of a class, those of the lab's classes that it is derived from included, its own first."""
    own = [kind for kind in value.__mro__ if kind.__module__.startswith("dualpath_lab")]
    for name in dict.fromkeys(chain(*(vars(kind) for kind in own))):
        if not name.startswith("_"):
            yield name, inspect.getattr_static(value, name)


def methods(value: type) -> Iterator[tuple[str, object]]:
    """Its methods with a docstring."""
    for name, member in members(value):
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if inspect.isfunction(plain) and plain.__doc__:
            yield name, plain


def properties(value: type) -> Iterator[tuple[str, str]]:
    """What can be read of an object, and its first line: properties, and the keys of a part of a scenario."""
    if issubclass(value, BaseModel):
        for name, field in value.model_fields.items():
            yield name, field.description or f"A {field.annotation.__name__}."  # type: ignore[union-attr]  # a part has a class
    for name, member in members(value):
        if isinstance(member, (property, cached_property)) and member.__doc__:
            yield name, inspect.getdoc(member) or ""


def page() -> str:
    """The whole reference; what two modules offer stands with the first."""
    shown: list[object] = []
    parts = ["# Python reference\n\nMade from the docstrings by `python docs/make_api.py`; a test keeps it so.\n"]
    for name, line in MODULES.items():
        module = importlib.import_module(name)
        parts.append(f"## {name}\n\n{line}\n")
        for own, value in public(module):
            if value in shown:
                continue
            shown.append(value)
            parts.append(f"### {own}{signature(value)}\n\n{text(value)}")
            if inspect.isclass(value):
                parts += [f"- `.{each}`: {' '.join(said.split())}" for each, said in properties(value)] + [""]
                parts += [f"**.{each}{signature(method)}**\n\n{text(method)}" for each, method in methods(value)]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(page().splitlines())} lines\n")
