"""Comparisons that the digits at hand settle in some entries only."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.arithmetic.ambiguous import Ambiguous


class Partial:
    """A mask known to be True in some entries, False in others, and open in the rest.

    It follows the logic of three values. `xp.where` takes both of its sides where the mask is open; whatever else needs
    an open entry raises Ambiguous.
    """

    __slots__ = ("false", "true")
    __array_ufunc__ = None  # so that NumPy hands mixed operations to this class

    def __init__(self, true: np.ndarray, false: np.ndarray):
        self.true, self.false = true, false

    def __array__(self, *_, **__):
        raise Ambiguous("a comparison of numbers that can't be told apart")

    def __bool__(self) -> bool:
        raise Ambiguous("a comparison of numbers that can't be told apart")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.true.shape

    def __getitem__(self, key) -> Any:
        return settled(self.true[key], self.false[key])

    def __invert__(self) -> Partial:
        return Partial(self.false, self.true)

    def __and__(self, other) -> Any:
        true, false = parts(other)
        return settled(self.true & true, self.false | false)

    def __or__(self, other) -> Any:
        true, false = parts(other)
        return settled(self.true | true, self.false & false)

    __rand__, __ror__ = __and__, __or__

    def any(self, axis=None) -> Any:
        return settled(np.any(self.true, axis=axis), np.all(self.false, axis=axis))

    def all(self, axis=None) -> Any:
        return settled(np.all(self.true, axis=axis), np.any(self.false, axis=axis))


def settled(true, false) -> Any:
    """A plain mask where every entry is known, else a partial one."""
    return true if (true | false).all() else Partial(np.asarray(true), np.asarray(false))


def parts(mask) -> tuple[np.ndarray, np.ndarray]:
    """Where a mask is known to be True, and where False."""
    if isinstance(mask, Partial):
        return mask.true, mask.false
    mask = np.asarray(mask, dtype=bool)
    return mask, ~mask


def any(mask, axis=None) -> Any:
    """Whether a mask is True in some entry along `axis`."""
    return mask.any(axis) if isinstance(mask, Partial) else np.any(mask, axis=axis)


def all(mask, axis=None) -> Any:
    """Whether a mask is True in every entry along `axis`."""
    return mask.all(axis) if isinstance(mask, Partial) else np.all(mask, axis=axis)
