"""What can go wrong beyond a bad argument, and the hint for a misspelt name."""

from __future__ import annotations

from collections.abc import Iterable


class NotConverged(RuntimeError):
    """A solver couldn't certify the accuracy that was asked for. `result` holds the best answer it has."""

    def __init__(self, message: str, result=None):
        super().__init__(message)
        self.result = result


class NoFiniteValue(ValueError):
    """At gamma = 1, some value is infinite or undefined, so there is nothing to solve for."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known names nearest to `name`, as a question to append to an error: " Did you mean X or Y?", or nothing.

    Upper and lower case count as equal.
    """
    import difflib  # only when something went wrong: it is slow to import

    by_lower = {each.lower(): each for each in known}
    nearest = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    return f" Did you mean {' or '.join(nearest)}?" if nearest else ""
