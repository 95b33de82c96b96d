"""Long work in steps: a generator that tells how far it is, and returns what it found.

A command runs it to the end with a progress bar; an explorer takes a few steps at a time, so that it can be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


def finished(steps: Generator[Step, None, Result], tell: Callable[[Step], object] = lambda step: None) -> Result:
    """What a generator returns at its end; `tell` is called with everything that it yields before."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        tell(step)
