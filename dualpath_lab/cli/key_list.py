"""``dualpath-lab keys``: what can be set, from the schema itself."""

from __future__ import annotations

import argparse
from fnmatch import fnmatchcase

from dualpath_lab.cli.arguments import nearest, print_csv, print_json, print_table
from dualpath_lab.errors import shown
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.schema_keys import Key, as_yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which keys."""
    parser.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="part of a key, or 'cluster.*'; all keys when left out")


def command(options: argparse.Namespace) -> None:
    """List them."""
    keys = _matching(options.pattern)
    if options.json:
        print_json([key.to_dict() for key in keys])
    elif options.format == "csv":
        print_csv([key.to_dict() | {"default": as_yaml(key.default)} for key in keys])
    elif options.format == "table":
        print_table([key.to_dict() | {"default": as_yaml(key.default)} for key in keys])
    else:
        print("\n".join(map(_text, keys)))


def _matching(pattern: str) -> list[Key]:
    """Keys that a pattern fits; where there are none, those whose meaning holds it."""
    keys, wanted = Scenario.keys(), pattern.lower()
    fits = fnmatchcase if set("*?[") & set(wanted) else str.__contains__
    found = [key for key in keys if fits(key, wanted)] or [key for key in keys if wanted in key.meaning.lower()]
    if not found:
        raise ScenarioError(f"No scenario key fits {shown(pattern)}{nearest(wanted, keys) or ': dualpath-lab keys lists them all.'}")
    return found


def _text(key: Key) -> str:
    unit = f" [{key.unit}]" if key.unit else ""
    return f"{key}{unit}\n    {key.meaning}\n    default {as_yaml(key.default)}; {key.allowed}"
