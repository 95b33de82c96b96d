"""The instances that several claims are about, and hypotheses they share."""

from __future__ import annotations

from collections.abc import Mapping

from tabular.claims.claim import Hypothesis, Sides, at_most
from tabular.claims.fields import Box, Discount, Field, Positive, Real, Rows

SA = ("S", "A")
SAS = ("S", "A", "S")


def mdp(r: Field | None = None, **more: Field) -> dict[str, Field]:
    """A random MDP: `P`, `r` (from -1 to 1 unless given), `gamma`, and further fields."""
    return {"gamma": Discount(), "P": Rows(SAS), "r": r or Box(SA, -1, 1), **more}


def pair(r: Field | None = None, r_hat: Field | None = None, **more: Field) -> dict[str, Field]:
    """A random MDP and a model of it that differs by 10^U(-4, 0): `P`, `r`, `gamma`, `P_hat`, `r_hat`."""
    model = {"P_hat": Rows(SAS, near="P"), "r_hat": r_hat or Real(SA, near="r")}
    return mdp(r, **model, **more)


def policy(name: str = "pi") -> dict[str, Field]:
    """A random policy."""
    return {name: Rows(SA)}


def temperature() -> dict[str, Field]:
    """A temperature `alpha`, log-uniform from .01 to 10."""
    return {"alpha": Positive(low=1e-2, high=10.0)}


def start() -> dict[str, Field]:
    """A start distribution `rho`."""
    return {"rho": Rows(("S",))}


def rewards_from_zero(fields: Mapping[str, Field] | None = None) -> Hypothesis:
    """Rewards are 0 or more, as the papers write r in [0, r_max]."""

    def holds(x) -> Sides:
        return at_most(-x.r, x.xp.zeros_like(x.r))

    return Hypothesis("rewards in [0, r_max]", holds, {"r": Box(SA)} if fields is None else fields)
