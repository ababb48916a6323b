"""Each kind of bad input gets one sentence that names what is wrong, and the table in the documentation says which."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .cases import Case, every

PAGE = Path(__file__).parents[2] / "docs" / "bad_input.md"
LONGEST = 700
LONGEST_GIVEN = 200
INTRODUCTION = """# Bad input

What is not allowed is answered with one sentence that names the field, the value and what is allowed. The command line prints it on
stderr and ends with exit code 2; Python raises `ScenarioError` with it; a page shows it beside its controls and keeps the picture that it
had. Nothing is clamped in silence, and no file is begun.

This page is made from the tests, which give each of these and compare: `python -m tests.bad_input.test_bad_input`.
"""


def answered(case: Case) -> str:
    """The sentence, with files by their bare names."""
    with TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            said = case.answer(Path(folder)).replace(f"{folder}/", "").replace(folder, ".")
            return re.sub(r"in place, line \d+", "in place, line N", said)
        finally:
            os.chdir(before)


def shorten(given: str) -> str:
    return given if len(given) <= LONGEST_GIVEN else f"{given[:LONGEST_GIVEN]} …"


def page() -> str:
    """The documentation page."""
    ways: dict[str, list[str]] = {}
    for case in every():
        given = shorten(case.given.strip().replace("\n", " ⏎ ").replace("|", "\\|"))
        said = answered(case).replace("|", "\\|").replace("<", "&lt;")
        ways.setdefault(case.way, []).append(f"| {f'`{given}`' if given else 'nothing'} | {said} |")
    tables = [f"\n## {way}\n\n| given | answer |\n| --- | --- |\n" + "\n".join(rows) + "\n" for way, rows in ways.items()]
    return INTRODUCTION + "".join(tables)


@pytest.mark.parametrize("case", list(every()), ids=lambda case: f"{case.way}: {case.given.strip()[:60]}")
def test_it_is_answered_in_a_sentence_that_names_it(case: Case) -> None:
    sentence = answered(case)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    assert len(sentence) < LONGEST
    for word in case.words:
        assert word in sentence


def test_there_is_every_kind() -> None:
    cases = list(every())
    assert len({(case.way, case.given) for case in cases}) == len(cases) >= 100


def test_the_page_says_what_is_answered() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.bad_input.test_bad_input writes it anew"


if __name__ == "__main__":
    sys.exit(0 if PAGE.write_text(page(), encoding="utf-8") else 1)
