"""What arrays of both arithmetics that know their error have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Array(ABC):
    """An array that isn't NumPy's: operators, indexing, reductions as methods, and its namespace for the rest."""

    __slots__ = ()
    __array_ufunc__ = None  # so that NumPy hands mixed operations to this class
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @abstractmethod
    def __array_namespace__(self, api_version=None) -> Any: ...

    @abstractmethod
    def __getitem__(self, key) -> Any: ...

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array__(self, *_, **__):
        raise TypeError(
            f"a NumPy function was called on an {type(self).__name__} array, which would lose its error. Use the "
            "functions of xp = x.__array_namespace__(), such as xp.max, xp.sum, xp.log, xp.where, xp.linalg.solve."
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __pos__(self):
        return self

    def __rtruediv__(self, other):
        return self.__array_namespace__().asarray(other) / self

    def __rmatmul__(self, other):
        return self.__array_namespace__().asarray(other) @ self

    def __ge__(self, other) -> Any:
        return ~(self < other)

    def __ne__(self, other) -> Any:
        return ~(self == other)

    def max(self, axis=None) -> Any:
        return self.__array_namespace__().max(self, axis=axis)

    def min(self, axis=None) -> Any:
        return self.__array_namespace__().min(self, axis=axis)

    def sum(self, axis=None) -> Any:
        return self.__array_namespace__().sum(self, axis=axis)

    def argmax(self, axis=None) -> Any:
        return self.__array_namespace__().argmax(self, axis=axis)
