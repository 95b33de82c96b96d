"""An exact microscope for Markov decision processes and the errors of learned models.

    import tabular as tb

    mdp = tb.gridworld("S..#\\n..#G\\n....", gamma=0.9, slip=0.2)
    sol = tb.solve(mdp)               # sol.V, sol.Q, sol.pi, sol.J and sol.error, a certified bound on max |Q - Q*|
    tb.plot.grid(mdp, V=sol.V, pi=sol.pi)

What needs JAX (`device`, `fit`, the objectives) or matplotlib (`plot`) is imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tabular import worlds
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
    from tabular import device, fitting, models, objectives, plot, studies
    from tabular.fitting import Fit, fit
    from tabular.models import softmax_table
    from tabular.objectives import mle, omd

_ROOMS = ("device", "fitting", "models", "objectives", "plot", "studies")
_NAMES = {
    "fit": "fitting",
    "Fit": "fitting",
    "mle": "objectives",
    "omd": "objectives",
    "softmax_table": "models",
}

__all__ = [
    "MDP",
    "Evaluation",
    "Fit",
    "Grid",
    "NoFiniteValue",
    "NotConverged",
    "Solution",
    "SparseMDP",
    "Trace",
    "device",
    "evaluate",
    "fit",
    "fitting",
    "from_functions",
    "from_gymnasium",
    "gridworld",
    "load",
    "make_mdp",
    "mle",
    "models",
    "objectives",
    "omd",
    "plot",
    "save",
    "soft_solve",
    "softmax_table",
    "solve",
    "studies",
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
