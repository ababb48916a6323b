"""Who is here: how many pages are open, and how many may be."""

from __future__ import annotations

from collections import Counter
from functools import cache

MOST_SESSIONS = 100
"""Pages open at a time, unless asked for other; a live page takes a few per cent of a processor."""


class Sessions:
    """Counts the open pages of a server.

    Attributes
    ----------
    most : int
        That may be open at a time.
    open : Counter of str
        By page.
    opened, refused : int
        Since the server began.
    """

    def __init__(self, most: int = MOST_SESSIONS) -> None:
        self.most = most
        self.open: Counter[str] = Counter()
        self.opened = self.refused = 0

    @property
    def full(self) -> bool:
        """Whether nobody more is let in."""
        return self.open.total() >= self.most

    def enter(self, page: str) -> bool:
        """Let a session in, unless there are too many; who is in has to :meth:`leave`."""
        if self.full:
            self.refused += 1
            return False
        self.open[page] += 1
        self.opened += 1
        return True

    def leave(self, page: str) -> None:
        """Let a session go."""
        self.open[page] -= 1


def full_text(here: Sessions) -> str:
    """What somebody is told who is not let in."""
    return f"{here.most:,} pages are open, which is the most that this server serves: come back later."


@cache
def shared() -> Sessions:
    """The sessions of this server."""
    return Sessions()
