"""Claims on random instances: what holds on all of them, what is violated, and by which instance.

print(check("omd", n=1000))                 # a board: one verdict for each claim of the paper
check("O6", without="rewards in [0, r_max]")[0].worst
replay("O6", seed=0, i=17)                  # an instance of a verdict, drawn again
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from numbers import Integral

import numpy as np
from tqdm import tqdm

from tabular.claims import find, resolve
from tabular.claims.claim import Claim
from tabular.errors import suggestion
from tabular.lab import verdict
from tabular.lab.board import Board
from tabular.lab.certificate import Certificate, certify, counterexample
from tabular.lab.outcome import EXCLUDED, UNDECIDED, VIOLATED, Outcome, exact_outcome, outcome
from tabular.lab.processes import Evaluate, evaluating, here
from tabular.lab.steps import finished
from tabular.lab.verdict import Verdict, Witness

PATIENCE = 10
"""Instances drawn for each one that is to meet the hypotheses, at most."""


def check(
    claims: Claim | str | Iterable[Claim | str],
    n: int = 200,
    seed: int = 0,
    without: str | Iterable[str] = (),
    progress: bool = False,
    workers: int = 1,
) -> Board:
    """Evaluate claims on random instances, and certify the violations that are found.

    Args:
      claims: a claim, a name, an id, a paper, "all", or a list of these.
      n: instances of each claim that meet its hypotheses; up to ten times as many are drawn to find them.
      seed: instance i of a claim is the same for the same (claim, seed, i).
      without: hypotheses to drop, by name; the verdicts name them in `outside`. Claims that don't have them stay as
        they are.
      progress: whether to show a progress bar, on standard error.
      workers: processes for the lab's own claims. Several need a script whose work is under `if __name__ ==
        "__main__"`; the verdicts are the same.

    Returns:
      A board of verdicts, in the order of the claims. `holds on all tested` is no proof; a violation is certain, and
      certified in exact numbers if it says so.

    Raises:
      ValueError for a claim that isn't known (with the nearest names), bad n or seed, a hypothesis that no claim has,
      and a claim that gives no proper statement of an instance.
    """
    _check_whole("n", n, least=1)
    _check_whole("seed", seed, least=0)
    _check_whole("workers", workers, least=1)
    chosen = _dropping(resolve(claims), [without] if isinstance(without, str) else list(without))
    total = n * len(chosen)
    with (
        tqdm(total=total, unit="instance", disable=not progress) as bar,
        evaluating(workers, instances=total) as evaluate,
    ):
        verdicts = []
        for claim in chosen:
            bar.set_description_str(claim.name)
            steps = checking(claim, n, seed, evaluate)
            verdicts.append(finished(steps, lambda step: bar.update(step[1].status != EXCLUDED)))
    return Board(tuple(chosen), tuple(verdicts))


def checking(
    claim: Claim, n: int, seed: int, evaluate: Evaluate = here
) -> Generator[tuple[int, Outcome], None, Verdict]:
    """The check of one claim, step by step: yields the number and the outcome of each instance, returns the verdict.

    Instances that don't meet the hypotheses are among the steps, and don't count.
    """
    began = time.perf_counter()
    found: dict[int, Outcome] = {}
    for i, each in _outcomes(claim, n, seed, evaluate):
        if each.status != EXCLUDED:
            found[i] = each
        yield i, each
        if len(found) == n:
            break
    return _verdict(claim, seed, found, began)


def replay(claim: Claim | str, seed: int, i: int) -> Witness:
    """Draw instance i again and evaluate it, in exact numbers where the claim allows it.

    Raises:
      ValueError if the claim isn't known, or its instance doesn't meet the hypotheses.
    """
    _check_whole("seed", seed, least=0)
    _check_whole("i", i, least=0)
    claim = find(claim) if isinstance(claim, str) else claim
    arrays = claim.draw(seed, i)
    found = _recheck(claim, arrays, outcome(claim, arrays), f"instance {i} of seed {seed}")
    if found.status == EXCLUDED:
        raise ValueError(f"instance {i} of seed {seed} doesn't meet the hypotheses of {claim.name}.")
    return Witness(seed, i, arrays, found.slack, found.ratio, found.arithmetic)


def _check_whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} = {value!r}, expected a whole number of {least} or more.")


def _dropping(claims: list[Claim], names: list[str]) -> list[Claim]:
    """The claims without these hypotheses, those of them that have any."""
    known = list(dict.fromkeys(hypothesis.name for claim in claims for hypothesis in claim.hypotheses))
    for name in names:
        if name not in known:
            listed = ", ".join(map(repr, known)) or "none"
            raise ValueError(f"no claim has the hypothesis {name!r}.{suggestion(name, known)} They have {listed}.")
    own = [[hypothesis.name for hypothesis in claim.hypotheses if hypothesis.name in names] for claim in claims]
    return [claim.without(*dropped) if dropped else claim for claim, dropped in zip(claims, own, strict=True)]


def _verdict(claim: Claim, seed: int, found: Mapping[int, Outcome], began: float) -> Verdict:
    """The verdict on a claim from its outcomes on the instances that count."""
    violations = sum(each.status == VIOLATED for each in found.values())
    undecided = sum(each.status == UNDECIDED for each in found.values())
    worst, tightest = _deciding(claim, seed, found)
    certificate = _certificate(claim, worst, violations)
    return Verdict(
        claim=claim.name,
        id=claim.id,
        source=claim.source,
        status=verdict.status(len(found), violations, undecided, certificate),
        outside=claim.outside,
        n=len(found),
        violations=violations,
        undecided=undecided,
        min_slack=math.nan if worst is None else worst.slack,
        max_ratio=math.nan if tightest is None else tightest.ratio,
        worst=worst,
        tightest=tightest,
        seed=seed,
        seconds=time.perf_counter() - began,
        certificate=certificate,
    )


def _outcomes(claim: Claim, n: int, seed: int, evaluate: Evaluate) -> Iterator[tuple[int, Outcome]]:
    """What the claim does on one instance after the other, by number; up to ten times as many as are to count."""
    for first in range(0, PATIENCE * n, n):
        yield from enumerate(evaluate(claim, seed, range(first, first + n)), start=first)


def _deciding(claim: Claim, seed: int, found: Mapping[int, Outcome]) -> tuple[Witness | None, Witness | None]:
    """The instance of the largest violation, else of least slack, and that of the largest ratio."""
    if not found:
        return None, None
    worst = min(found, key=lambda i: (found[i].status != VIOLATED, _or(found[i].slack, math.inf)))
    tightest = max(found, key=lambda i: _or(found[i].ratio, -math.inf))
    if math.isnan(found[tightest].ratio):
        return replay(claim, seed, worst), None
    return replay(claim, seed, worst), replay(claim, seed, tightest)


def _or(number: float, otherwise: float) -> float:
    return otherwise if math.isnan(number) else number


def _recheck(claim: Claim, arrays: Mapping[str, np.ndarray], found: Outcome, place: str) -> Outcome:
    """The outcome in exact numbers; as it was found, if those don't decide or the claim has none.

    Raises:
      ArithmeticError if the two contradict each other: then a radius is wrong.
    """
    if claim.arithmetic == "float":
        return found
    exact = exact_outcome(claim, arrays)
    if UNDECIDED in (exact.status, found.status):
        return found if exact.status == UNDECIDED else exact
    if exact.status != found.status:
        raise ArithmeticError(
            f"{claim.name}, {place}: {found.status} in {found.arithmetic} numbers, {exact.status} in exact ones. "
            "The claim rounds without telling."
        )
    return exact


def _certificate(claim: Claim, worst: Witness | None, violations: int) -> Certificate | None:
    """Of a violation that was found; else of the equality that the claim says it has."""
    if violations and worst is not None:
        return counterexample(claim, worst.arrays)
    return certify(claim, claim.equality) if claim.equality else None
