"""What a browser sends of a file is bounded on the server, be the browser honest or not."""

from __future__ import annotations

from typing import Any

from dualpath_lab.dashboards.file_input import BoundedFileInput


def part(number: int, of: int, size: int, name: str = "trace.csv") -> dict[str, Any]:
    return {
        "status": "upload_event",
        "name": name,
        "chunk": number,
        "total_chunks": of,
        "mime_type": "text/csv",
        "data": b"x" * size,
    }


def test_a_file_within_the_bound_arrives() -> None:
    field = BoundedFileInput(max_file_size=100)
    for number in (1, 2):
        field._handle_msg(part(number, 2, 50))
    field._handle_msg({"status": "finished"})
    assert field.value == b"x" * 100
    field._handle_msg(part(1, 1, 100))
    field._handle_msg({"status": "finished"})
    assert len(field.value) == 100, "each file has the bound of its own"


def test_parts_beyond_the_bound_are_not_kept() -> None:
    """Mutants: only the browser looks at the size; parts of ever other files pile up."""
    field = BoundedFileInput(max_file_size=100)
    for number in range(1, 50):
        field._handle_msg(part(number, 1_000, 10, f"{number}.csv"))
        kept = sum(len(data) for file in field._file_buffer.values() for data in file["chunks"].values())
        assert kept <= 100
    field._handle_msg({"status": "finished"})
    assert not field.value
