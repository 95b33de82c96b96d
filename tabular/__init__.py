"""An exact microscope for Markov decision processes and the errors of learned models.

    import tabular as tb

    mdp = tb.gridworld("S..#\\n..#G\\n....", gamma=0.9, slip=0.2)
    sol = tb.solve(mdp)               # sol.V, sol.Q, sol.pi, sol.J and sol.error, a certified bound on max |Q - Q*|
    tb.plot.grid(mdp, V=sol.V, pi=sol.pi)

What needs JAX (`device`, `fit`, the objectives), matplotlib (`plot`) or python-flint (`lab`) is imported when first
used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tabular import counts, equivalence, mismatch, optimism, worlds
from tabular.counts import Counts, from_table, from_transitions
from tabular.equivalence import q_equivalent
from tabular.errors import NoFiniteValue, NotConverged
from tabular.evaluate import Evaluation, evaluate
from tabular.files import load, save
from tabular.geometry import Grid
from tabular.mdp import MDP, SparseMDP, make_mdp, with_changes
from tabular.soft import soft_solve
from tabular.solve import Solution, Trace, solve
from tabular.sources import from_functions, from_gymnasium
from tabular.worlds import gridworld

if TYPE_CHECKING:
    from tabular import (
        agents,
        arithmetic,
        claims,
        device,
        expansion,
        fitting,
        lab,
        models,
        objectives,
        plot,
        studies,
        widgets,
    )
    from tabular.fitting import Fit, fit
    from tabular.models import aliased_blocks, custom, low_rank, softmax_table, successor_features
    from tabular.objectives import itervaml, mle, mnm, omd, paml, vagram, value_weighted_mle, vaml, vep, vmbpo

_ROOMS = (
    "agents",
    "arithmetic",
    "claims",
    "device",
    "expansion",
    "fitting",
    "lab",
    "models",
    "objectives",
    "plot",
    "studies",
    "widgets",
)
_NAMES = {
    "Fit": "fitting",
    "aliased_blocks": "models",
    "custom": "models",
    "fit": "fitting",
    "itervaml": "objectives",
    "low_rank": "models",
    "mle": "objectives",
    "mnm": "objectives",
    "omd": "objectives",
    "paml": "objectives",
    "softmax_table": "models",
    "successor_features": "models",
    "vagram": "objectives",
    "value_weighted_mle": "objectives",
    "vaml": "objectives",
    "vep": "objectives",
    "vmbpo": "objectives",
}

__all__ = [
    "MDP",
    "Counts",
    "Evaluation",
    "Fit",
    "Grid",
    "NoFiniteValue",
    "NotConverged",
    "Solution",
    "SparseMDP",
    "Trace",
    "agents",
    "aliased_blocks",
    "arithmetic",
    "claims",
    "counts",
    "custom",
    "device",
    "equivalence",
    "evaluate",
    "expansion",
    "fit",
    "fitting",
    "from_functions",
    "from_gymnasium",
    "from_table",
    "from_transitions",
    "gridworld",
    "itervaml",
    "lab",
    "load",
    "low_rank",
    "make_mdp",
    "mismatch",
    "mle",
    "mnm",
    "models",
    "objectives",
    "omd",
    "optimism",
    "paml",
    "plot",
    "q_equivalent",
    "save",
    "soft_solve",
    "softmax_table",
    "solve",
    "studies",
    "successor_features",
    "vagram",
    "value_weighted_mle",
    "vaml",
    "vep",
    "vmbpo",
    "widgets",
    "with_changes",
    "worlds",
]


def __getattr__(name: str):
    """Rooms and names that are imported when first used."""
    if name in _ROOMS:
        return import_module(f"tabular.{name}")
    if name in _NAMES:
        return getattr(import_module(f"tabular.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'tabular' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
