"""environment.yml gives what pyproject.toml asks for, and pip can read the part that conda hands on to it."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


@pytest.fixture(scope="module")
def environment() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds pip alone."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def installed(python: Path, lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What conda does with the pip section, except that nothing is installed: pip resolves it and builds the package's metadata."""
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(lines) + "\n")
    command = [str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--disable-pip-version-check", "-r", str(requirements)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def pip_section(environment: dict[str, Any]) -> list[str]:
    (section,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return section


def test_conda_brings_python_and_pip_alone(project: dict[str, Any], environment: dict[str, Any]) -> None:
    """Mutants: a name that conda-forge may not have, or a version that it may not have yet."""
    asked = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert asked == [f"python{project['requires-python']}", "pip"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_pip_brings_the_package_with_all_its_extras(project: dict[str, Any], environment: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    assert pip_section(environment) == ["-e .[test]"]
    assert set(extras) == {"notebook", "test"}
    assert f"{project['name']}[notebook]" in extras["test"]


def test_pip_takes_the_section(environment: dict[str, Any], fresh: Path, tmp_path: Path) -> None:
    run = installed(fresh, pip_section(environment), tmp_path)
    if run.returncode and UNREACHABLE.search(run.stderr):
        pytest.skip("no package registry can be reached")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("line", ["--no-deps -e .", "-e .[", "-e nowhere"])
def test_pip_says_so_where_it_does_not(line: str, fresh: Path, tmp_path: Path) -> None:
    """Else the test above shows nothing. The first line stood here once."""
    assert installed(fresh, [line], tmp_path).returncode != 0


def test_every_dependency_has_a_floor_and_a_ceiling(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"].values()
    listed = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    ranges = [requirement for requirement in listed if not requirement.startswith(project["name"])]
    assert [each for each in ranges if not re.fullmatch(r"[\w.-]+>=[\d.]+,<[\d.]+", each)] == []
