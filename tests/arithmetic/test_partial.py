"""Masks of three values: what is open stays open unless the rest decides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tabular.arithmetic import Ambiguous
from tabular.arithmetic.partial import Partial, all, any, parts, settled

VALUES = {True: {True}, False: {False}, None: {True, False}}
"""What an entry may turn out to be."""


def mask(*entries) -> Partial:
    return Partial(np.array([e is True for e in entries]), np.array([e is False for e in entries]))


def entry(found) -> bool | None:
    true, false = (part.item() for part in parts(found))
    return True if true else False if false else None


def settles(function, *entries) -> bool | None:
    """What a function of entries is, if all they may turn out to be agree on it."""
    outcomes = {function(*choice) for choice in itertools.product(*(VALUES[e] for e in entries))}
    return outcomes.pop() if len(outcomes) == 1 else None


@pytest.mark.parametrize(("x", "y"), list(itertools.product(VALUES, repeat=2)))
def test_logic_is_that_of_all_that_the_entries_may_be(x, y):
    assert entry(mask(x) & mask(y)) == settles(lambda p, q: p and q, x, y)
    assert entry(mask(x) | mask(y)) == settles(lambda p, q: p or q, x, y)
    assert entry(~mask(x)) == settles(lambda p: not p, x)
    assert entry(any(mask(x, y))) == settles(lambda p, q: p or q, x, y)
    assert entry(all(mask(x, y))) == settles(lambda p, q: p and q, x, y)


@pytest.mark.parametrize("plain", [True, False])
def test_plain_masks_mix_with_partial_ones(plain):
    for found in (np.array([plain]) & mask(None), mask(None) & plain):
        assert entry(found) == (None if plain else False)
    for found in (np.array([plain]) | mask(None), mask(None) | plain):
        assert entry(found) == (True if plain else None)


def test_a_settled_mask_is_plain():
    assert isinstance(settled(np.array([True, False]), np.array([False, True])), np.ndarray)
    assert isinstance(mask(True, None)[:1], np.ndarray)
    assert isinstance(mask(True, None)[1:], Partial)


@pytest.mark.parametrize("use", [bool, np.asarray, lambda x: np.where(x, 1, 0), lambda x: np.arange(1)[x]])
def test_an_open_entry_decides_nothing(use):
    with pytest.raises(Ambiguous, match="told apart"):
        use(mask(None))
