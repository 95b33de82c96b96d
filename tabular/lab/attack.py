"""Search for a counterexample to a claim, or for how tight it is.

    verdict = attack("omd.thm2.mle.signed")
    verdict.violations, verdict.n       # starts that end in a certain violation, of all
    verdict.worst                       # a counterexample in the simplest fractions found
    verdict.tightest                    # the largest ratio lhs / rhs

From random starts of the smallest sizes, and of the next if the claim holds there, parameters climb by gradients (JAX),
or by an evolution strategy where JAX can't trace the claim. What they reach is decided in rigorous arithmetic like any
other instance; so is the instance of equality that a claim supplies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from tabular.claims import resolve
from tabular.claims.claim import Claim
from tabular.lab.certificate import Certificate, certify
from tabular.lab.lanes import Values, lanes
from tabular.lab.outcome import EXCLUDED, HOLDS, UNDECIDED, VIOLATED, Outcome, outcome
from tabular.lab.simplify import cost, is_allowed, judged, meant, reduced, simplest_rounded
from tabular.lab.steps import finished
from tabular.lab.verdict import Verdict, Witness, status

STARTS = 32
BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
ROUNDED, CANDIDATES = 64, 4
"""Counterexamples that are rounded to common denominators, and those of them that are simplified to the end."""

SUPPLIED = -1
"""In place of the number of a start: the instance of equality comes with the claim."""
SETTLING = (10**6, 1000, 10)
"""Denominators that an instance is rounded to if nothing decides about it as it is."""


COMPILING, CLIMBING, JUDGING, SIMPLIFYING = "compiling the gradient", "climbing", "judging", "simplifying"
CLIMB = 0.7
"""Share of the work that the climb is taken for; the rest is to judge where it ended."""


@dataclass(frozen=True)
class Step:
    """How far an attack is."""

    doing: str
    """What comes next: one of the above."""
    sizes: Mapping[str, int]
    """Of the instances that are searched now."""
    share: float
    """Of the work, at most."""
    instance: Values | None = None
    """One that the search has reached; while it climbs, that of the largest ratio."""
    outcome: Outcome | None = None
    """What the claim does on it, once that is judged."""


@dataclass(frozen=True)
class Reached:
    """An instance at the end of a search."""

    start: int
    values: Values
    outcome: Outcome


def attack(claim: Claim | str, seed: int = 0, starts: int = STARTS, progress: bool = False) -> Verdict:
    """Search for a violation of a claim from random starts.

    Args:
      claim: a claim, or a name or id.
      seed: of the starts; the same seed gives the same verdict.
      starts: how many there are for each choice of sizes.
      progress: whether to show a progress bar, on standard error.

    Returns:
      A verdict whose `n` counts starts that end where the hypotheses hold, and whose `violations` counts those that end
      in a certain violation. `worst` is the simplest counterexample. Nothing is climbed where only exact numbers decide
      or where the claim says that it isn't to be attacked: the random starts are judged as they are.

    Raises:
      ValueError for an unknown claim, or if `starts` or `seed` is no such number.
    """
    (claim,) = resolve(claim)
    if not (starts == int(starts) and starts > 0):
        raise ValueError(f"starts = {starts!r}, expected a whole number of 1 or more, such as {STARTS}.")
    if not (seed == int(seed) and seed >= 0):
        raise ValueError(f"seed = {seed!r}, expected a whole number of 0 or more.")
    with tqdm(total=1.0, bar_format=BAR, disable=not progress) as bar:

        def tell(step: Step) -> None:
            bar.set_description_str(" ".join([claim.name, *(f"{name}={n}" for name, n in step.sizes.items())]))
            bar.update(step.share - bar.n)

        return finished(attacking(claim, seed, starts), tell)


def attacking(claim: Claim, seed: int = 0, starts: int = STARTS) -> Generator[Step, None, Verdict]:
    """The attack on a claim, step by step: yields how far it is, returns the verdict."""
    began = time.perf_counter()
    reached: list[Reached] = []
    choices = _sizes(claim)
    for k, sizes in enumerate(choices):
        ends = yield from _searching(claim, sizes, seed, starts, (k / len(choices), (k + CLIMB) / len(choices)))
        for done, (start, values) in enumerate(ends, start=1):
            found = Reached(k * starts + start, *_decided(claim, values))
            reached.append(found)
            share = (k + CLIMB + (1 - CLIMB) * done / len(ends)) / len(choices)
            yield Step(JUDGING, sizes, share, found.values, found.outcome)
        if any(each.outcome.status == VIOLATED for each in reached):
            break
    yield Step(SIMPLIFYING, sizes, 1.0)
    return _verdict(claim, seed, reached, began)


def _sizes(claim: Claim) -> list[Mapping[str, int]]:
    """The smallest sizes of a claim's instances, and the next."""
    smallest = {name: low for name, (low, _) in claim.sizes.items()}
    larger = {name: min(low + 1, high) for name, (low, high) in claim.sizes.items()}
    return [smallest, larger] if larger != smallest else [smallest]


def _searching(
    claim: Claim, sizes: Mapping[str, int], seed: int, starts: int, shares: tuple[float, float]
) -> Generator[Step, None, list[tuple[int, Values]]]:
    """Numbers of starts, and the instances there and reached from there; `shares` of the work before and after."""
    instances = [claim.drawn(np.random.default_rng([seed, i]), sizes) for i in range(starts)]
    if claim.arithmetic == "exact" or not claim.attackable:
        return list(enumerate(instances))
    yield Step(COMPILING, sizes, shares[0])
    ways = lanes(claim, instances)
    from tabular.lab.climb import climbed  # JAX is loaded when it is needed
    from tabular.lab.evolve import evolved

    ends = yield from _told(climbed(claim, ways), sizes, shares)
    if ends is None:
        ends = yield from _told(evolved(claim, ways, seed), sizes, shares)
    return [*enumerate(instances), *((way.start, end) for way, end in zip(ways, ends, strict=True))]


def _told(
    steps: Generator[tuple[float, Values], None, Any], sizes: Mapping[str, int], shares: tuple[float, float]
) -> Generator[Step, None, Any]:
    """The steps of a search as those of the attack, and what it found."""
    while True:
        try:
            share, instance = next(steps)
        except StopIteration as end:
            return end.value
        yield Step(CLIMBING, sizes, shares[0] + share * (shares[1] - shares[0]), instance)


def _decided(claim: Claim, values: Values) -> tuple[Values, Outcome]:
    """What a claim does on an instance; where that can't be decided, on one rounded until it can."""
    found = outcome(claim, values)
    for denominator in SETTLING if found.status == UNDECIDED else ():
        near = {name: kind.rounded(np.asarray(values[name]), denominator) for name, kind in claim.domain().items()}
        if is_allowed(claim, near) and (settled := judged(claim, near)).status in (HOLDS, VIOLATED):
            return near, settled
    return values, found


def _verdict(claim: Claim, seed: int, reached: Sequence[Reached], began: float) -> Verdict:
    counted = [each for each in reached if each.outcome.status != EXCLUDED]
    by_start: dict[int, set[str]] = {}
    for each in counted:
        by_start.setdefault(each.start, set()).add(each.outcome.status)
    violations = sum(VIOLATED in found for found in by_start.values())
    undecided = sum(found == {UNDECIDED} for found in by_start.values())
    simplest = _simplest(claim, [each for each in counted if each.outcome.status == VIOLATED])
    equality = _equality(claim)
    ends = [*counted, *(each for each in (simplest, equality) if each is not None)]
    worst = simplest or min(ends, key=lambda each: _or(each.outcome.slack, math.inf), default=None)
    tightest = max(ends, key=lambda each: _or(each.outcome.ratio, -math.inf), default=None)
    certificate = _certificate(claim, simplest or (None if violations else equality))
    return Verdict(
        claim=claim.name,
        id=claim.id,
        source=claim.source,
        status=status(len(by_start), violations, undecided, certificate),
        outside=claim.outside,
        n=len(by_start),
        violations=violations,
        undecided=undecided,
        min_slack=min((each.outcome.slack for each in ends if not math.isnan(each.outcome.slack)), default=math.nan),
        max_ratio=math.nan if tightest is None else tightest.outcome.ratio,
        worst=_witness(seed, worst),
        tightest=_witness(seed, tightest),
        seed=seed,
        seconds=time.perf_counter() - began,
        certificate=certificate,
    )


def _simplest(claim: Claim, violating: Sequence[Reached]) -> Reached | None:
    """Of the counterexamples that are simple after rounding, the one that can be made the simplest."""
    spread = violating[:: math.ceil(len(violating) / ROUNDED) or 1]
    near = islice(simplest_rounded(claim, [each.values for each in spread]), CANDIDATES)
    ends = [(spread[i].start, reduced(claim, values)) for i, values in near]
    if not ends:
        return None
    start, values = min(ends, key=lambda end: cost(claim, end[1]))
    return Reached(start, values, judged(claim, values))


def _equality(claim: Claim) -> Reached | None:
    """The instance of equality that a claim supplies."""
    if claim.equality is None:
        return None
    values = meant(claim, claim.equality)
    return Reached(SUPPLIED, values, judged(claim, values))


def _witness(seed: int, reached: Reached | None) -> Witness | None:
    if reached is None:
        return None
    found = reached.outcome
    return Witness(seed, reached.start, reached.values, found.slack, found.ratio, found.arithmetic)


def _certificate(claim: Claim, reached: Reached | None) -> Certificate | None:
    """Of a violation, or of the equality that the claim says it has."""
    return None if reached is None or claim.arithmetic == "float" else certify(claim, reached.values)


def _or(number: float, otherwise: float) -> float:
    return otherwise if math.isnan(number) else number
