"""environment.yml asks conda for exactly what pyproject.toml asks pip for."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"playwright": "playwright-python"}
Requirements = dict[str, frozenset[str]]


def parse(requirements: list[str]) -> Requirements:
    """Map each normalised name to its version clauses."""
    parsed: Requirements = {}
    for requirement in requirements:
        name, clauses = re.fullmatch(r"([\w.-]+)\s*(.*)", requirement).groups()
        name = re.sub(r"[-_.]+", "-", name).lower()
        assert name not in parsed, f"{name} is listed twice"
        parsed[name] = frozenset(clause.strip() for clause in clauses.split(",") if clause.strip())
    return parsed


@pytest.fixture(scope="module")
def pip() -> Requirements:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    listed = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        listed += [requirement for requirement in extra if not requirement.startswith(project["name"] + "[")]
    python = f"python{project['requires-python']}"
    return {CONDA_NAMES.get(name, name): clauses for name, clauses in parse([python, *listed]).items()}


@pytest.fixture(scope="module")
def environment() -> dict[str, list]:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_names_and_ranges_agree(pip: Requirements, environment: dict[str, list]) -> None:
    conda = parse([entry for entry in environment["dependencies"] if isinstance(entry, str) and entry != "pip"])
    assert conda == pip


def test_every_dependency_has_a_floor_and_a_ceiling(pip: Requirements) -> None:
    del pip["python"]
    unbounded = [name for name, clauses in pip.items() if sorted(clause[0] for clause in clauses) != ["<", ">"]]
    assert unbounded == []


def test_conda_forge_alone_is_asked(environment: dict[str, list]) -> None:
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_the_package_itself_is_editable_and_brings_nothing(environment: dict[str, list]) -> None:
    (through_pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert through_pip == ["--no-deps -e ."]
