"""Counterexamples that anyone can check again, without floating point.

    certificate = counterexample(claim, arrays)     # of the simplest fractions near the arrays that still violate
    certificate.save("omd-thm2.json")
    recheck("omd-thm2.json")                        # or: tabular certify omd-thm2.json

What is certified is computed in rational numbers or, where logarithms occur, in balls of 192 bits. The file is JSON
with one field a line, each with a digest of its value, so that `tabular.lab.stored` can name the line that was edited.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpz

from tabular.arithmetic import exact
from tabular.claims import every
from tabular.claims.claim import Claim, Instance
from tabular.claims.fields import Field
from tabular.lab.outcome import EXCLUDED, HOLDS, UNDECIDED, VIOLATED, exact_outcome, judge
from tabular.lab.simplify import rounded
from tabular.lab.verdict import readable
from tabular.output import plain, write

FORMAT = 1
"""Version of the file's layout."""
DIGITS = 40
"""Decimals of balls; they hold 57."""
FRACTION = re.compile(r"-?\d+(/[1-9]\d*)?")
_VERBS = {HOLDS: "holds", UNDECIDED: "is undecided"}


@dataclass(frozen=True)
class Certificate:
    """An instance in exact numbers, and both sides of a claim on it."""

    claim: str
    """Name of the claim."""
    id: str
    source: str
    statement: str
    """The claim in words."""
    outside: tuple[str, ...]
    """Hypotheses of its source that it drops."""
    registered: bool
    """Whether the claim is one of the lab's; a user's own claim is needed to check its certificate again."""
    kind: str
    """`violated`, or `attained` for an inequality whose sides are equal."""
    arithmetic: str
    """`rational`, or `balls`."""
    arrays: Mapping[str, np.ndarray]
    """The instance: arrays of fractions (NumPy object arrays) by field."""
    entry: tuple[int, ...]
    """Where the sides are compared: the entry of largest violation."""
    relation: str
    """`<=` or `==`: what the claim says of the sides."""
    lhs: str
    """The left side there: a fraction, or a ball `[middle +/- radius]`."""
    rhs: str

    def plain(self) -> dict[str, Any]:
        """A dict of what JSON can hold, fractions as strings."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain({("instance" if name == "arrays" else name): value for name, value in content.items()})

    def to_json(self) -> str:
        """The text of its file: one field a line, each with a digest."""
        content = {"format": FORMAT, **self.plain()}
        instance = {f"instance.{name}": value for name, value in content.pop("instance").items()}
        lines = [
            f"{json.dumps(name)}: {json.dumps(signed(name, value), ensure_ascii=False)}"
            for name, value in {**content, **instance}.items()
        ]
        return "{\n" + ",\n".join(lines) + "\n}"

    def save(self, file: Path | str) -> Path:
        """Write it to a file that `recheck` and `tabular certify` read; returns the path."""
        write(file, self.to_json())
        return Path(file)

    def __str__(self) -> str:
        verb = "violated" if self.kind == "violated" else "attained, both sides are equal"
        sign = {"<=": ">", "==": "!="}[self.relation] if self.kind == "violated" else "="
        place = f" at entry {list(self.entry)}" if self.entry else ""
        numbers = "rational numbers" if self.arithmetic == "rational" else f"balls of {exact.BITS} bits"
        return "\n".join(
            [
                f"{self.claim} ({self.id}): {verb}, certified in {numbers}",
                f"  source     {self.source}",
                *([f"  outside    {', '.join(self.outside)}"] if self.outside else []),
                *(f"  {name:10} {readable(array)}" for name, array in self.arrays.items()),
                f"  sides      {_short(self.lhs)} {sign} {_short(self.rhs)}{place}",
            ]
        )


def signed(name: str, value: Any) -> dict[str, Any]:
    """A value with the digest of its field's name and its text."""
    return {"value": value, "digest": hashlib.sha256(json.dumps([name, value]).encode()).hexdigest()[:12]}


def certify(claim: Claim, arrays: Mapping[str, Any]) -> Certificate:
    """Prove in exact numbers that an instance violates a claim, or that both sides of an inequality are equal on it.

    Args:
      arrays: the instance by field: floats, taken for the dyadic fractions that they are (rows of probabilities divided
        by their exact sum), or fractions.

    Raises:
      ValueError if the instance isn't one of the claim's, doesn't meet its hypotheses, or does neither; and for claims
        that are evaluated in floats only.
    """
    if claim.arithmetic == "float":
        raise ValueError(f"{claim.name} is evaluated in floats only, so that nothing about it can be certified.")
    instance = _fractions(claim, arrays)
    found = exact_outcome(claim, instance)
    if found.status == EXCLUDED:
        raise ValueError(
            f"{claim.name}: the instance doesn't meet {_failed_hypothesis(claim, instance, found.arithmetic)!r}."
        )
    lhs, rhs, relation = _sides(claim, instance, found.arithmetic)
    entry = _worst_entry(lhs, rhs, relation)
    attained = relation == "<=" and found.status == HOLDS and not rhs.a[entry] > lhs.a[entry]
    if found.status != VIOLATED and not attained:
        slack = f"least slack {found.slack:.6g}"
        raise ValueError(
            f"{claim.name} isn't violated on the instance, nor attained: it {_VERBS[found.status]}, {slack}."
        )
    return Certificate(
        claim=claim.name,
        id=claim.id,
        source=claim.source,
        statement=inspect.cleandoc(claim.text),
        outside=claim.outside,
        registered=_is_registered(claim),
        kind="attained" if attained else "violated",
        arithmetic=found.arithmetic,
        arrays=instance,
        entry=entry,
        relation=relation,
        lhs=_written(lhs.a[entry]),
        rhs=_written(rhs.a[entry]),
    )


def counterexample(claim: Claim, arrays: Mapping[str, Any]) -> Certificate | None:
    """A certificate of the violation at, or very near, an instance, in fractions of the smallest denominator that does.

    Returns:
      None if neither the instance as it is nor a rounded one violates the claim in exact numbers.
    """
    if claim.arithmetic == "float":
        return None
    found = rounded(claim, arrays)
    return None if found is None else certify(claim, found)


def _is_registered(claim: Claim) -> bool:
    """Whether the lab has this claim, perhaps with more hypotheses."""
    return any(known.name == claim.name and known.statement is claim.statement for known in every())


def _fractions(claim: Claim, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """An instance as object arrays of fractions, of consistent shapes.

    Raises:
      ValueError, naming the field.
    """
    missing = [name for name in claim.fields if name not in arrays]
    unknown = [name for name in arrays if name not in claim.fields]
    if missing or unknown:
        wrong = f"no {missing[0]}" if missing else f"an unknown {unknown[0]}"
        raise ValueError(f"{claim.name}: the instance has {wrong}; its fields are {', '.join(claim.fields)}.")
    values = {name: _as_array(name, arrays[name]) for name in claim.fields}
    _check_shapes(claim, values)
    instance = {name: _to_fractions(claim.fields[name].exact(value)) for name, value in values.items()}
    for name, kind in claim.fields.items():
        if not kind.allowed(instance[name]):
            raise ValueError(f"{claim.name}: {name} = {readable(instance[name])} is outside of {_in_words(kind)}.")
    return instance


def _as_array(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind in "fiu":
        array = array.astype(float)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds {array[~np.isfinite(array)].flat[0]}, expected finite numbers.")
    elif array.dtype != object or not all(isinstance(number, Fraction | int) for number in array.flat):
        raise ValueError(f"{name} holds something other than fractions and floats, or its rows differ in length.")
    return array


def _check_shapes(claim: Claim, values: Mapping[str, np.ndarray]) -> None:
    sizes: dict[str, int] = {}
    for name, kind in claim.fields.items():
        shape, axes = values[name].shape, kind.axes
        if len(shape) == len(axes):
            sizes = {**{axis: n for axis, n in zip(axes, shape, strict=True) if isinstance(axis, str)}, **sizes}
        if len(shape) != len(axes) or shape != kind.shape(sizes):
            expected = f"({', '.join(map(str, axes))})" + (f" with {sizes}" if sizes else "")
            raise ValueError(f"{claim.name}: {name} has shape {shape}, expected {expected}.")


def _in_words(kind: Field) -> str:
    settings = ", ".join(f"{field.name} {getattr(kind, field.name)}" for field in fields(kind) if field.name != "axes")
    return f"what {type(kind).__name__}({settings}) holds"


def _to_fractions(x: exact.Exact) -> np.ndarray:
    return np.array(np.frompyfunc(exact.fraction, 1, 1)(x.a), dtype=object)


def _numbers(claim: Claim, instance: Mapping[str, np.ndarray], arithmetic: str) -> Instance:
    return claim.exact(instance) if arithmetic == "rational" else claim.balls(instance)


def _failed_hypothesis(claim: Claim, instance: Mapping[str, np.ndarray], arithmetic: str) -> str:
    x = _numbers(claim, instance, arithmetic)
    return next(each.name for each in claim.hypotheses if judge(each.holds(x), arithmetic).status == VIOLATED)


def _sides(claim: Claim, instance: Mapping[str, np.ndarray], arithmetic: str):
    """Both sides, of one shape, and the relation between them."""
    sides = claim.statement(_numbers(claim, instance, arithmetic))
    lhs, rhs = exact.asarray(sides.lhs), exact.asarray(sides.rhs)
    shape = np.broadcast_shapes(lhs.shape, rhs.shape)
    return exact.broadcast_to(lhs, shape), exact.broadcast_to(rhs, shape), sides.relation


def _worst_entry(lhs: exact.Exact, rhs: exact.Exact, relation: str) -> tuple[int, ...]:
    gap = exact.midpoint(rhs - lhs)
    worst = np.argmin(gap) if relation == "<=" else np.argmax(abs(gap))
    return tuple(int(k) for k in np.unravel_index(worst, gap.shape))


def _written(number: fmpq | arb) -> str:
    """A number in digits: a fraction as it is, a ball as `[middle +/- radius]`, or as a decimal if it is one."""
    if not isinstance(number, arb):
        return str(number)
    digits = number.str(DIGITS)
    return digits.rstrip("0").rstrip(".") if re.fullmatch(r"-?\d+\.\d+", digits) else digits


def _short(number: str) -> str:
    """A side as it is read: long fractions as the start of their decimals."""
    if len(number) <= 40 or not FRACTION.fullmatch(number):
        return number
    numerator, _, denominator = number.partition("/")
    value = float(exact.fraction(fmpq(fmpz(numerator), fmpz(denominator or 1))))
    return f"{value:.17g} (a fraction of {len(number)} characters)"
