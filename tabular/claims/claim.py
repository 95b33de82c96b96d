"""What a claim is: a statement that a machine can check, with its hypotheses and the instances it is about.

    @claim("omd.thm2.mle", "O6", source="Nikishin et al. 2021, Theorem 2 (first part)", fields=pair(r=Box(("S", "A"))),
           hypotheses=(rewards_from_zero,))
    def thm2_mle(x):
        '''Equation, and why it holds.'''
        Q, Q_hat = optimal_q(x.P, x.r, x.gamma), optimal_q(x.P_hat, x.r_hat, x.gamma)
        return at_most(xp.max(abs(Q - Q_hat)), likelihood_bound(...))

The function is evaluated in four arithmetics (`tabular.arithmetic`): it must use operators, `xp` functions and the
values of that package only, and whole numbers or fractions for constants.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabular.arithmetic import exact
from tabular.claims.fields import Field

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")


@dataclass(frozen=True)
class Sides:
    """Both sides of a statement on one instance; arrays of one arithmetic that broadcast against each other."""

    lhs: Any
    rhs: Any
    relation: str
    """`<=`, or `==` for an identity."""
    radius: Any = 0.0
    """What rounding can have moved `rhs - lhs` by; only for claims in plain floats, others carry their own."""


def at_most(lhs, rhs, radius=0.0) -> Sides:
    """The statement `lhs <= rhs` in every entry."""
    return Sides(lhs, rhs, "<=", radius)


def equal(lhs, rhs, radius=0.0) -> Sides:
    """The statement `lhs == rhs` in every entry."""
    return Sides(lhs, rhs, "==", radius)


@dataclass(frozen=True)
class Hypothesis:
    """What an instance must satisfy for a claim to be about it."""

    name: str
    """As a verdict names it when it is dropped, such as `0 <= r`."""
    holds: Callable[[Any], Sides]
    """From an instance to a statement; the instance counts only where it is true."""
    imposed: Mapping[str, Field] = field(default_factory=dict)
    """Fields that random instances are drawn from while the hypothesis is on, in place of the claim's."""


@dataclass(frozen=True)
class Instance:
    """Named arrays on which a claim is evaluated: `x.P`, `x.r`, `x.gamma`, in one arithmetic."""

    arrays: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["arrays"][name]
        except KeyError:
            raise AttributeError(f"the instance has no field {name!r}; it has {', '.join(self.arrays)}.") from None

    @property
    def xp(self) -> Any:
        """The namespace of the instance's arithmetic."""
        return next(iter(self.arrays.values())).__array_namespace__()


@dataclass(frozen=True)
class Claim:
    """A statement, its source, its hypotheses, and where its instances come from."""

    name: str
    """`paper.item[.variant]`."""
    id: str
    """Short name, accepted by all commands."""
    source: str
    """Where it is printed, with its number; or where it is from."""
    statement: Callable[[Instance], Sides]
    """The claim itself; its docstring gives the equation and why it holds or fails."""
    fields: Mapping[str, Field]
    """The arrays of an instance, in the order in which they are drawn."""
    sizes: Mapping[str, tuple[int, int]]
    """Smallest and largest of each size that the fields' axes name."""
    hypotheses: tuple[Hypothesis, ...] = ()
    outside: tuple[str, ...] = ()
    """Hypotheses of its source that it drops."""
    control: bool = False
    """Whether it is a negative control: made to fail, or a lab that can't fail is no evidence."""
    sharp: bool = False
    """Whether it is said to be attained; then some instance must reach a ratio of .999."""
    equality: Mapping[str, Any] | None = None
    """An instance of fractions at which both sides are equal, if the attack needn't find one."""
    corrected: str = ""
    """The claim that holds in place of this one."""
    arithmetic: str = "any"
    """`any`; `exact`: only in exact numbers, where floats decide nothing (a rank, a number of solutions); `float`: in
    plain floats with the radius that it returns (derivatives by complex steps)."""
    attackable: bool = True
    """Whether searching for a counterexample makes sense; an identity that holds has nothing to climb."""

    @property
    def paper(self) -> str:
        """The first part of the name."""
        return self.name.split(".")[0]

    @property
    def doubted(self) -> bool:
        """Whether it is here because it fails: a negative control, or a printed form that has a corrected one."""
        return self.control or bool(self.corrected)

    @property
    def text(self) -> str:
        """The statement in words, from its docstring."""
        return self.statement.__doc__ or ""

    def domain(self) -> dict[str, Field]:
        """The fields with what the hypotheses impose."""
        imposed = {name: field for hypothesis in self.hypotheses for name, field in hypothesis.imposed.items()}
        return {name: imposed.get(name, field) for name, field in self.fields.items()}

    def without(self, *names: str, **changes: Any) -> Claim:
        """The same statement with hypotheses dropped; they are named in `outside`.

        Raises:
          ValueError if it has no such hypothesis.
        """
        own = [hypothesis.name for hypothesis in self.hypotheses]
        for name in names:
            if name not in own:
                listed = ", ".join(map(repr, own)) or "none"
                raise ValueError(f"{self.name} has no hypothesis {name!r}; it has {listed}.")
        kept = tuple(hypothesis for hypothesis in self.hypotheses if hypothesis.name not in names)
        return dataclasses.replace(self, hypotheses=kept, outside=(*self.outside, *names), **changes)

    def draw(self, seed: int, i: int) -> dict[str, np.ndarray]:
        """Random instance number i: the same for the same (claim, seed, i)."""
        rng = np.random.default_rng([seed, i])
        sizes = {name: int(rng.integers(low, high + 1)) for name, (low, high) in self.sizes.items()}
        return self.drawn(rng, sizes)

    def drawn(self, rng: np.random.Generator, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """A random instance of given sizes."""
        values: dict[str, np.ndarray] = {}
        for name, kind in self.domain().items():
            values[name] = np.asarray(kind.draw(rng, kind.shape(sizes), values))
        return values

    def enclosed(self, values: Mapping[str, np.ndarray]) -> Instance:
        """An instance as floats with a radius."""
        return Instance({name: kind.enclosed(np.asarray(values[name])) for name, kind in self.fields.items()})

    def exact(self, values: Mapping[str, np.ndarray]) -> Instance:
        """An instance as exact rationals."""
        return Instance({name: kind.exact(np.asarray(values[name])) for name, kind in self.fields.items()})

    def balls(self, values: Mapping[str, np.ndarray]) -> Instance:
        """An instance as balls of 192 bits."""
        return Instance({name: exact.to_balls(array) for name, array in self.exact(values).arrays.items()})

    def floats(self, values: Mapping[str, np.ndarray]) -> Instance:
        """An instance as plain floats."""
        return Instance({name: np.asarray(value, dtype=float) for name, value in values.items()})


def claim(
    name: str,
    id: str,
    *,
    source: str,
    fields: Mapping[str, Field],
    sizes: Mapping[str, tuple[int, int]] | None = None,
    **more: Any,
) -> Callable[[Callable[[Instance], Sides]], Claim]:
    """Make a claim of a function. The arguments are the fields of `Claim`.

    Raises:
      ValueError if the name isn't `paper.item[.variant]`, the function has no docstring, or an axis has no size.
    """
    sizes = SIZES if sizes is None else sizes

    def make(statement: Callable[[Instance], Sides]) -> Claim:
        if not NAME.fullmatch(name):
            raise ValueError(f"name = {name!r}, expected paper.item[.variant] in lower case, such as 'omd.thm2.mle'.")
        if not statement.__doc__:
            raise ValueError(f"{name} has no docstring. Give the equation, and why it should hold.")
        for field_name, kind in fields.items():
            _check_axes(f"{name}, field {field_name!r}", kind.axes)
        used = {axis for kind in fields.values() for axis in kind.axes if isinstance(axis, str)}
        for axis in sorted(used - set(sizes)):
            raise ValueError(f"{name} has an axis {axis!r} without a size. Add it to sizes: {{{axis!r}: (2, 5)}}.")
        return Claim(name, id, source, statement, fields, {s: sizes[s] for s in sizes if s in used}, **more)

    return make


def _check_axes(place: str, axes: Any) -> None:
    """Axes are given first: `Discount((0.5,))` would take its choices for them."""
    if not (isinstance(axes, tuple) and all(isinstance(axis, str | int) for axis in axes)):
        raise ValueError(
            f"{place}: axes = {axes!r}, expected a tuple of names of sizes or whole numbers, such as ('S', 'A'). Name "
            "the other arguments: Discount(choices=(0.5,))."
        )


SIZES = {"S": (2, 5), "A": (2, 4)}
"""Sizes of random MDPs where a claim doesn't say."""
