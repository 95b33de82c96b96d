"""What can go wrong in training, beyond a bad argument."""

from __future__ import annotations

from typing import Any


class Diverged(RuntimeError):
    """A loss or a parameter became NaN or infinite. `result` holds the `Run` up to there."""

    def __init__(self, message: str, result: Any = None):
        super().__init__(message)
        self.result = result


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in training; `result` holds the `Run` as it was then. `deep.resume` goes on with it."""

    def __init__(self, message: str, result: Any):
        super().__init__(message)
        self.result = result
