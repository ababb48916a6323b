"""The README's two commands work as written, and continuous integration runs the second."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def commands() -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", readme, flags=re.MULTILINE)
    (start,) = [section for section in sections if section.startswith("Start\n")]
    blocks: list[str] = re.findall(r"^```bash\n(.*?)^```", start, flags=re.MULTILINE | re.DOTALL)
    return [block.strip() for block in blocks]


@pytest.fixture(scope="module")
def project() -> dict[str, dict[str, str]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def test_start_holds_two_commands_of_one_line(commands: list[str]) -> None:
    assert len(commands) == 2
    assert all(command and "\n" not in command for command in commands)


def test_the_first_command_serves_the_lab(commands: list[str], project: dict[str, dict[str, str]]) -> None:
    *_, (program, subcommand) = re.findall(r"\.venv/bin/(\S+) (\S+)", commands[0])
    assert program in project["scripts"]
    assert subcommand == "serve"


def test_the_second_command_installs_a_declared_extra_and_tests(commands: list[str], project: dict[str, dict[str, str]]) -> None:
    extra = re.search(r"\.\[(\w+)\]", commands[1])
    assert extra is not None
    assert extra[1] in project["optional-dependencies"]
    assert "python -m pytest " in commands[1]


def test_continuous_integration_ends_with_the_second_command(commands: list[str]) -> None:
    *_, last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert last == commands[1]
