"""Settings that travel in a page's link: written whole, with a version; what a link gets wrong is left out and said in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import numpy as np
import param

from dualpath_lab.errors import shown
from dualpath_lab.yaml_text import parse_yaml

VERSION = 1
"""Version of the links; goes up when a key changes its meaning."""
LONGEST_VALUE = 400
"""Characters of a value in a link."""
_MORE_THAN_A_SCALAR = frozenset("&*[{\n")
"""With these, YAML says in few characters what no memory holds."""
MOST_PARTS = 100
"""Of a link; what comes after them is not read."""
MOST_PROBLEMS = 5
"""Sentences about a link; of more, the last says how many."""
_PAGE_KEYS = ("theme", "tour")
"""Keys of a link that belong to the page around the settings."""


class LinkedState(param.Parameterized):
    """What a visitor of one page can set.

    Attributes
    ----------
    PAGE : str
        Name of the page, which its links carry; "" for the page that opens without a name.
    KEYS : dict
        Parameter -> key in the link.
    UNITS : dict
        Units of the parameters that have one.
    """

    PAGE: ClassVar[str] = ""
    KEYS: ClassVar[Mapping[str, str]] = {}
    UNITS: ClassVar[Mapping[str, str]] = {}

    def to_query(self) -> str:
        """All of the state as the part of a link that begins with ``?``."""
        page = {"page": self.PAGE} if self.PAGE else {}
        values = {key: _text(getattr(self, name)) for name, key in self.KEYS.items()}
        return "?" + urlencode(page | {"v": VERSION} | values)

    def take_query(self, query: str) -> list[str]:
        """Take over what a link says and leave the rest as it is.

        Returns
        -------
        list of str
            A sentence for each part that could not be taken over.
        """
        taken, problems = self._read(query)
        self.param.update(**taken)
        return problems

    def go_to(self, query: str) -> list[str]:
        """Take over what a link says, and the defaults of what it does not; see :meth:`take_query`."""
        taken, problems = self._read(query)
        self.param.update(**{name: self.param[name].default for name in self.KEYS} | taken)
        return problems

    def _read(self, query: str) -> tuple[dict[str, Any], list[str]]:
        """What a link says that is right, by parameter, and a sentence for each part that is not."""
        names = {key: name for name, key in self.KEYS.items()}
        taken: dict[str, Any] = {}
        problems = []
        parts = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        if len(parts) > MOST_PARTS:
            problems.append(f"The link has {len(parts):,} parts; those after the first {MOST_PARTS} were left out.")
        seen: set[str] = set()
        for key, text in parts[:MOST_PARTS]:
            if key in seen:
                problems.append(f"The link's key {shown(key)} stands twice; {shown(text)} was left out.")
            elif key == "v":
                if text != str(VERSION):
                    problems.append(
                        f"The link is of version {shown(text)}, this page reads version {VERSION}; what it does not know was left out."
                    )
            elif key in names:
                try:
                    taken[names[key]] = self._value(names[key], text)
                except ValueError:
                    problems.append(f"{key} = {shown(text)} in the link is not allowed: it should be {self.allowed(names[key])}.")
            elif key not in _PAGE_KEYS and (key, text) != ("page", self.PAGE):
                near = difflib.get_close_matches(key, names, n=1)
                problems.append(f"The link's key {shown(key)} is unknown" + (f"; did you mean {near[0]!r}?" if near else "."))
            seen.add(key)
        if len(problems) > MOST_PROBLEMS:
            problems[MOST_PROBLEMS - 1 :] = [f"{len(problems) - MOST_PROBLEMS + 1} more things in the link are wrong."]
        return taken, problems

    def allowed(self, name: str) -> str:
        """What a parameter may be, in words."""
        parameter = self.param[name]
        if isinstance(parameter, param.Selector):
            return "one of " + ", ".join(map(str, parameter.objects))
        low, high = parameter.bounds
        kind = "a whole number" if isinstance(parameter, param.Integer) else "a number"
        unit = f" {self.UNITS[name]}" if name in self.UNITS else ""
        return f"{kind} from {low:g} to {high:g}{unit}" + (" or null" if parameter.allow_None else "")

    def differences(self, before: Mapping[str, Any], names: Iterable[str]) -> str:
        """Say which of ``names`` are not as ``before``: each label with old -> new."""
        return ", ".join(
            f"{self.param[name].label} {self.old_and_new(before, name)}" for name in names if getattr(self, name) != before[name]
        )

    def old_and_new(self, before: Mapping[str, Any], name: str) -> str:
        """One value as it was and as it is."""
        return f"{_text(before[name])} → {_text(getattr(self, name))}"

    def _value(self, name: str, text: str) -> Any:
        """Read one value of a link, by the rules of YAML as for ``--set``."""
        if len(text) > LONGEST_VALUE or set(text) & _MORE_THAN_A_SCALAR:
            raise ValueError(text)
        value = parse_yaml(text)
        if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):  # which would pass for numbers
            raise ValueError(text)
        setattr(type(self)(), name, value)  # raises where the parameter does not take it
        return value


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
