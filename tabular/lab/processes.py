"""Claims on many instances, here or in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat

from tabular.claims import every, find
from tabular.claims.claim import Claim
from tabular.lab.outcome import Outcome, outcome

PART = 50
"""Instances that a process is given at a time."""
WORTHWHILE = 1000
"""Fewer instances aren't worth the second that a process takes to start."""

Evaluate = Callable[[Claim, int, range], Iterator[Outcome]]
"""From a claim, a seed and numbers of instances to what the claim does on each."""


@contextmanager
def evaluating(workers: int, instances: int) -> Iterator[Evaluate]:
    """A way to evaluate about so many instances with so many processes.

    Processes are spawned, as JAX's threads don't survive a fork: a script that asks for several must be importable, its
    work under `if __name__ == "__main__"`.
    """
    if workers == 1 or instances < WORTHWHILE:
        yield here
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield lambda claim, seed, numbers: _shared(pool, claim, seed, numbers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def here(claim: Claim, seed: int, numbers: Sequence[int]) -> Iterator[Outcome]:
    """One instance after the other, in this process."""
    return (outcome(claim, claim.draw(seed, i)) for i in numbers)


def _shared(pool: ProcessPoolExecutor, claim: Claim, seed: int, numbers: range) -> Iterator[Outcome]:
    """Instances by several processes, which find the claim by its name; those of a user's own claim here."""
    known = next((each for each in every() if each.name == claim.name), None)
    if known is None or known.statement is not claim.statement or known.fields is not claim.fields:
        yield from here(claim, seed, numbers)
        return
    dropped = [name for name in claim.outside if name not in known.outside]
    parts = [numbers[k : k + PART] for k in range(0, len(numbers), PART)]
    for part in pool.map(_part, repeat(claim.name), repeat(dropped), repeat(seed), parts):
        yield from part


def _part(name: str, dropped: list[str], seed: int, numbers: range) -> list[Outcome]:
    return list(here(find(name).without(*dropped), seed, numbers))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
