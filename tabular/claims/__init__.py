"""Every statement that the lab can check, paper by paper.

    find("O6"), find("omd.thm2.mle")        one claim, by id or name
    resolve("omd"), resolve(["C01", my_claim]), resolve("all")

A new claim is a function in the file of its paper, under the decorator `claim`; it is found by being there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from tabular.claims.claim import Claim
from tabular.errors import suggestion

PAPERS = {
    "omd": "Nikishin et al. 2021, Control-Oriented Model-Based RL with Implicit Differentiation (OMD)",
    "mnm": "Eysenbach et al. 2021, Mismatched No More (MnM)",
    "itervaml": "Farahmand 2018, Iterative Value-Aware Model Learning; Lovatto et al. 2020",
    "vagram": "Voelcker et al. 2022, Value Gradient weighted Model-Based RL (VaGraM)",
    "maac": "Clavera et al. 2020, Model-Augmented Actor-Critic (MAAC)",
    "classics": "Classic results",
    "equivalence": "Grimm et al. 2020, The Value Equivalence Principle",
}
"""First parts of names, each the module that holds the claims, and what they are claims of."""


@cache
def every() -> tuple[Claim, ...]:
    """All claims, in the order in which they are defined.

    Raises:
      ValueError if two of them share a name or an id.
    """
    claims: list[Claim] = []
    for paper in PAPERS:
        claims += _new(_defined(f"tabular.claims.{paper}"), claims)
    known: dict[str, Claim] = {}
    for claim in claims:
        for key in (claim.name, claim.id):
            if key in known:
                raise ValueError(f"{known[key].name} and {claim.name} are both called {key!r}. Rename one.")
            known[key] = claim
    return tuple(claims)


def _defined(module: str) -> list[Claim]:
    """The claims at the top level of a module."""
    return [value for value in vars(import_module(module)).values() if isinstance(value, Claim)]


def find(name: str) -> Claim:
    """The claim of a name or id.

    Raises:
      ValueError if there is none; it offers the nearest ones.
    """
    for claim in every():
        if name in (claim.name, claim.id):
            return claim
    known = [key for claim in every() for key in (claim.name, claim.id)]
    raise ValueError(
        f"no claim is called {name!r}.{suggestion(name, [*known, *PAPERS])} `tabular claims` lists all; the papers are "
        f"{', '.join(PAPERS)}, and all."
    )


def resolve(names: Claim | str | Iterable[Claim | str]) -> list[Claim]:
    """The claims that names, ids, papers or `all` stand for, each once; a claim stands for itself.

    Raises:
      ValueError for an unknown name, and if there are none.
    """
    names = [names] if isinstance(names, Claim | str) else list(names)
    chosen: list[Claim] = []
    for name in names:
        chosen += _new(_meant(name), chosen)
    if not chosen:
        raise ValueError("claims is empty, expected a claim, a name, an id, a paper, 'all', or a list of these.")
    return chosen


def _new(claims: list[Claim], known: list[Claim]) -> list[Claim]:
    """Claims that aren't among the known; the same one, for fields of arrays can't be compared."""
    return [claim for claim in claims if not any(claim is each for each in known)]


def _meant(name: Claim | str) -> list[Claim]:
    if isinstance(name, Claim):
        return [name]
    if not isinstance(name, str):
        raise ValueError(f"claims holds {name!r}, expected claims, names, ids, papers or 'all'.")
    if name == "all" or name in PAPERS:
        return [claim for claim in every() if name in ("all", claim.paper)]
    return [find(name)]


def __getattr__(name: str):
    """`CLAIMS`, found when first used: one broken file doesn't keep the others from being imported."""
    if name == "CLAIMS":
        return every()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
