"""Files that are read whole: settings, configs, measurements."""

from __future__ import annotations

from pathlib import Path

from dualpath_lab.errors import ScenarioError


def read_small(path: Path, kind: str, most_bytes: int) -> bytes:
    """Read a file, and no more of it than it may hold.

    Parameters
    ----------
    path : Path
        Pipes and devices are read too, as far as they go.
    kind : str
        What the file is called in errors.
    most_bytes : int
        More is refused.

    Raises
    ------
    ScenarioError
        If it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise ScenarioError(f"{kind} {str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ScenarioError(f"{kind} {str(path)!r} cannot be read: its name holds a null character.") from None
    if len(content) > most_bytes:
        raise ScenarioError(f"{kind} {str(path)!r} is too large: it should have at most {most_bytes:,} bytes.")
    return content
