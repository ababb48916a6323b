"""What a fresh clone holds: the promised layout, and nothing that ties it to one machine or to a remote host."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Assembled from parts, so that this file does not match itself.
MACHINE_ROOTS = "|".join(["work", "tmp", "root", "home", "Users"])
MACHINE_PATH = re.compile(rf"(?:(?<![\w.])|(?<=\\[nrt]))/(?:{MACHINE_ROOTS})(?=[/\s\"'`),:;]|$)")
REMOTE_NAMES = "|".join([r"cdn[\w-]*", "jsdelivr", "unpkg", "esm", "skypack", "googleapis"])
REMOTE_HOST = re.compile(rf"//(?:[\w-]+\.)*(?:{REMOTE_NAMES})\.")


def tracked_texts() -> list[tuple[str, str]]:
    """Name and content of every text file git tracks; skips where git tracks nothing here."""
    try:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
        top = subprocess.run(["git", "-C", ROOT, "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    if Path(top.strip()) != ROOT or not names:
        pytest.skip("not a git checkout: git tracks no file here")
    contents = [(name, (ROOT / name).read_bytes()) for name in names]
    return [(name, content.decode("utf-8", errors="replace")) for name, content in contents if b"\0" not in content]


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    return tracked_texts()


def matches(pattern: re.Pattern[str], texts: list[tuple[str, str]]) -> list[str]:
    lines = ((name, number, line) for name, text in texts for number, line in enumerate(text.splitlines(), start=1))
    return [f"{name}:{number}: {found[0]}" for name, number, line in lines if (found := pattern.search(line))]


def test_no_machine_paths(texts: list[tuple[str, str]]) -> None:
    assert matches(MACHINE_PATH, texts) == []


def test_no_remote_hosts(texts: list[tuple[str, str]]) -> None:
    assert matches(REMOTE_HOST, texts) == []


@pytest.mark.parametrize("place", ["work/main", "tmp", "root/.cache", "home/someone"])
@pytest.mark.parametrize("before", ["", '"', "see ", r"Traceback\n"])
def test_a_machine_path_is_seen(place: str, before: str) -> None:
    assert MACHINE_PATH.search(f"{before}/{place}")


@pytest.mark.parametrize("text", ["dualpath_lab/workload/", "tests/work", "and/or/root", "/healthz", "/workload", "./tmp"])
def test_an_ordinary_path_passes(text: str) -> None:
    assert MACHINE_PATH.search(text) is None


@pytest.mark.parametrize("host", ["cdn.example.org", "fonts.googleapis" + ".com", "esm" + ".sh", "cdn.jsdelivr" + ".net"])
def test_a_remote_host_is_seen(host: str) -> None:
    assert REMOTE_HOST.search(f"https://{host}/x.js")


@pytest.mark.parametrize("name", ["notebooks", "dualpath_lab", "tests", ".ci"])
def test_folder_exists(name: str) -> None:
    assert (ROOT / name).is_dir()


@pytest.mark.parametrize("name", ["environment.yml", "README.md", "pyproject.toml", "LICENSE", ".ci/run"])
def test_file_exists(name: str) -> None:
    assert (ROOT / name).is_file()


def test_ci_run_is_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
