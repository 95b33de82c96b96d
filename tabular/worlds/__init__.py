"""Ready-made MDPs: grid worlds from text, the papers' MDPs, textbook examples, random ones.

`NAMED` maps a name to a constructor that needs no arguments; `named` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tabular.errors import suggestion
from tabular.mdp import AnyMDP
from tabular.worlds.grid import gridworld
from tabular.worlds.papers import maze10, risk3, two_state, wall15
from tabular.worlds.random import dirichlet, garnet, random_maze
from tabular.worlds.textbook import (
    chain,
    counter,
    forest,
    four_rooms,
    gambler,
    gamma_zero,
    mdpsolver_readme,
    puterman,
    river_swim,
    sutton_barto,
    toolbox_small,
)

_WORLDS = (
    two_state,
    maze10,
    wall15,
    risk3,
    puterman,
    toolbox_small,
    forest,
    mdpsolver_readme,
    sutton_barto,
    counter,
    gamma_zero,
    chain,
    river_swim,
    gambler,
    four_rooms,
    garnet,
    dirichlet,
    random_maze,
)

NAMED: Mapping[str, Callable[[], AnyMDP]] = MappingProxyType({world.__name__: world for world in _WORLDS})
"""The worlds by name; each is built without arguments, with the defaults of its function."""


def named(name: str) -> AnyMDP:
    """The world of that name. Raises ValueError, with the nearest names, if there is none."""
    if name in NAMED:
        return NAMED[name]()
    raise ValueError(f"there is no world {name!r}.{suggestion(name, NAMED)} The names are {', '.join(NAMED)}.")


__all__ = [
    "NAMED",
    "chain",
    "counter",
    "dirichlet",
    "forest",
    "four_rooms",
    "gambler",
    "gamma_zero",
    "garnet",
    "gridworld",
    "maze10",
    "mdpsolver_readme",
    "named",
    "puterman",
    "random_maze",
    "risk3",
    "river_swim",
    "sutton_barto",
    "toolbox_small",
    "two_state",
    "wall15",
]
