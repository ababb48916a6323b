"""What is said of bad input: one line of bounded length, whatever came in."""

from __future__ import annotations

import reprlib

LONGEST_SENTENCE = 1_200
"""Characters; of a longer one the middle is left out."""
LARGEST_BITS = 1_024
"""Of an integer that is read or written out: as large as a float gets; Python refuses to write some thousands of digits."""


class ScenarioError(ValueError):
    """Bad input, told in one sentence: the field, its value and what is allowed.

    Parameters
    ----------
    sentence : str
        Becomes one line without control characters, of at most ``LONGEST_SENTENCE`` characters.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(_bounded(_one_line(sentence)))


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxset = self.maxdict = 4
        self.maxstring = self.maxlong = self.maxother = 200

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() <= LARGEST_BITS else f"an integer of {x.bit_length():,} bits"


_BRIEF = _Brief()


def shown(value: object) -> str:
    """A value in a sentence: as Python writes it, but no longer than a line or two, whatever it holds."""
    return _BRIEF.repr(value)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _bounded(text: str) -> str:
    half = LONGEST_SENTENCE // 2 - 2
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:half]} … {text[-half:]}"
