"""A check or an attack that goes on while someone looks."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from tabular.arithmetic import Ambiguous
from tabular.claims.claim import Claim
from tabular.lab.attack import CLIMBING, COMPILING, SIMPLIFYING, STARTS, Step, attacking
from tabular.lab.check import checking
from tabular.lab.outcome import EXCLUDED, HOLDS, UNDECIDED, VIOLATED, Outcome, outcome
from tabular.lab.verdict import Verdict

MOMENT = 0.05
"""Seconds of work between two pictures."""
UNIT, DECADE, DECADES = 20, 10, 2
"""Bars of the histogram from 0 to 1, for each factor of 10 above, and how many such factors there are."""
DRAWING, CERTIFYING = "drawing instances", "certifying in exact numbers"


class Live:
    """One run of the lab on one claim, a moment at a time."""

    def __init__(self, claim: Claim, kind: str, seed: int, n: int):
        self.claim, self.kind, self.seed = claim, kind, seed
        self.n = n if kind == "check" else STARTS
        self.doing = DRAWING
        self.share = 0.0
        self.tested = self.violations = self.undecided = self.excluded = self.without_ratio = 0
        self.histogram = np.zeros((2, UNIT + DECADES * DECADE), dtype=np.int32)
        self.best = -math.inf
        self.curve: list[float] = []
        self.verdict: Verdict | None = None
        self.stopped = False
        self._steps: Generator[Any, None, Verdict] = (
            checking(claim, n, seed) if kind == "check" else attacking(claim, seed)
        )

    @property
    def going(self) -> bool:
        """Whether there is more to do."""
        return self.verdict is None and not self.stopped

    @property
    def label(self) -> str:
        """What it is, as it stands beside its result."""
        what = f"{self.n:,} instances" if self.kind == "check" else f"{self.n} starts"
        return f"{self.kind}, {what}, seed {self.seed}"

    def advance(self) -> None:
        """Go on for a moment. It ends early before what takes longer, so that this can be read on the screen."""
        until = time.perf_counter() + MOMENT
        while self.going and time.perf_counter() < until:
            before = self.doing
            try:
                step = next(self._steps)
            except StopIteration as end:
                self.verdict = end.value
                return
            if isinstance(step, Step):
                self._attacked(step)
            else:
                self._checked(step[1])
            if self.doing != before:
                return

    def _checked(self, found: Outcome) -> None:
        self._count(found)
        self.share = self.tested / self.n
        if self.tested == self.n:
            self.doing = CERTIFYING

    def _attacked(self, step: Step) -> None:
        self.doing, self.share = step.doing, step.share
        if step.doing == CLIMBING and step.instance is not None:
            self._note(self._judged(step.instance))
            self.curve.append(self.best)
        elif step.outcome is not None:
            self._count(step.outcome)

    def _judged(self, instance) -> float:
        """The ratio on an instance of the climb; NaN where there is none or the hypotheses aren't met."""
        try:
            return outcome(self.claim, instance).ratio
        except (Ambiguous, ValueError, np.linalg.LinAlgError):
            return math.nan  # on the way there may be no number; where the climb ends, the lab says so

    def _count(self, found: Outcome) -> None:
        """Count what is within the hypotheses; the ratio of what holds as 1 at most, whatever the rounding."""
        if found.status == EXCLUDED:
            self.excluded += 1
            return
        self.tested += 1
        self.violations += found.status == VIOLATED
        self.undecided += found.status == UNDECIDED
        if math.isnan(found.ratio):
            self.without_ratio += 1
            return
        self._note(found.ratio)
        ratio = min(found.ratio, 1.0) if found.status == HOLDS else found.ratio
        self.histogram[int(found.status == VIOLATED), place(ratio)] += 1

    def _note(self, ratio: float) -> None:
        if ratio > self.best:
            self.best = ratio

    def scene(self) -> dict[str, Any]:
        """What is drawn of it."""
        names = ("kind", "label", "doing", "share", "tested", "violations", "undecided", "excluded", "n")
        facts = {name: getattr(self, name) for name in (*names, "without_ratio", "histogram", "stopped")}
        slow = self.going and self.doing in (COMPILING, SIMPLIFYING, CERTIFYING)
        finite = [value for value in self.curve if math.isfinite(value)]
        return facts | {
            "going": self.going,
            "slow": slow,
            "best": self.best if math.isfinite(self.best) else None,
            "curve": np.array(finite),
            "outside": list(self.claim.outside),
            "unit": UNIT,
            "decade": DECADE,
        }


def place(ratio: float) -> int:
    """The bar of a ratio: evenly up to 1, by factors of 10 above, the rest in the first and the last."""
    if ratio <= 1:
        return min(max(int(ratio * UNIT), 0), UNIT - 1)
    return min(UNIT + int(math.log10(ratio) * DECADE), UNIT + DECADES * DECADE - 1)
