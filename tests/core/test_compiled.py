"""Compiled code is kept, and never outlives the sources that it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba import config

from dualpath_lab.core import compiled


def three() -> int:
    return 3


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


def test_code_is_kept_until_any_of_its_sources_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: only the function's own file counts, so that a run after an upgrade of another still does what that did before."""
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    for name in compiled._SOURCES:
        (sources / name).write_text("")
    monkeypatch.setattr(compiled, "_HERE", sources)
    monkeypatch.setattr(config, "CACHE_DIR", str(cache))
    assert compiled.compiled(three)() == 3
    first = kept_in(cache)
    assert len(first) == 1
    assert compiled.compiled(three)() == 3
    assert kept_in(cache) == first, "loaded"
    for name in compiled._SOURCES:
        before = kept_in(cache)
        (sources / name).write_text("changed")
        assert compiled.compiled(three)() == 3
        assert len(kept_in(cache)) == len(before) + 1, name
    assert str(cache) == config.CACHE_DIR


def test_the_first_use_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant: said each time, said where all is compiled, said on stdout."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    compiled.announce.cache_clear()
    compiled.announce()
    compiled.announce()
    assert capsys.readouterr() == ("", compiled.FIRST_USE + "\n")
    assert "compiling once, about 15 s" in compiled.FIRST_USE
    assert compiled.compiled(three)() == 3
    compiled.announce.cache_clear()
    compiled.announce()
    assert capsys.readouterr() == ("", "")


def test_every_compiled_module_counts() -> None:
    """Law of the list itself: whatever a compiled module imports from the package belongs to it, or its code would go stale."""
    here = Path(compiled.__file__).parent
    for name in ("fluid.py", "fairness.py", "addresses.py"):
        imported = [line.split()[1] for line in (here / name).read_text().splitlines() if line.startswith("from dualpath_lab")]
        files = {f"{module.rpartition('.')[2]}.py" for module in imported}
        assert files <= {*compiled._SOURCES, "compiled.py"}, name
