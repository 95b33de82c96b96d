"""What the mismatch explorer lets people choose from: worlds, objectives and kinds of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tabular import optimism
from tabular.errors import suggestion
from tabular.mdp import MDP, AnyMDP, with_changes
from tabular.widgets.gridworld.explorer import check_drawable
from tabular.worlds.grid import gridworld
from tabular.worlds.papers import two_state
from tabular.worlds.random import garnet

if TYPE_CHECKING:
    from tabular.models import ModelClass
    from tabular.objectives import Objective

MOST_STATES = 60
MOST_ROWS, MOST_COLUMNS = 48, 16
"""Of a table of transition probabilities that can still be read."""

MAZE = """
S.....
.####.
......
.##.#.
....#.
.##..G
"""


@dataclass(frozen=True)
class World:
    """An MDP to be modelled, and settings at which there is something to see."""

    title: str
    make: Callable[[], AnyMDP]
    settings: dict[str, Any]
    largest_kappa: float
    """Where the slider of kappa ends."""


def maze() -> AnyMDP:
    """A 6 x 6 maze whose moves slip. Each step pays 0.01 and each arrival at the goal, which ends nothing, 1 more."""
    mdp = gridworld(MAZE, gamma=0.9, slip=0.2, rewards={"G": 1.0}, absorbing="", step_reward=0.01)
    return mdp


def random_world() -> AnyMDP:
    """A random MDP of 6 states, its rewards moved above 0."""
    mdp = garnet(6, 2, 3, gamma=0.9, seed=4)
    return with_changes(mdp, r=mdp.r - mdp.r.min() + 0.1)


WORLDS = {
    "two_state": World(
        "Two states", two_state, {"model": "norm", "kappa": 2.0, "alpha": 0.01, "lr": 0.01, "rewards": True}, 8.0
    ),
    "random": World(
        "Random", random_world, {"model": "rank", "rank": 2, "alpha": 0.05, "lr": 0.05, "rewards": False}, 20.0
    ),
    "maze": World("Maze", maze, {"model": "rank", "rank": 3, "alpha": 0.05, "lr": 0.05, "rewards": False}, 60.0),
}

OBJECTIVES = {
    "mle": "MLE",
    "weighted": "Weighted MLE",
    "vep": "VEP",
    "vaml": "VAML",
    "itervaml": "IterVAML",
    "vagram": "VaGraM",
    "paml": "PAML",
    "omd_returns": "OMD, return",
    "omd_bellman": "OMD, Bellman",
    "mnm": "MnM",
    "vmbpo": "VMBPO",
}
"""From likelihood to values to decisions to optimism; the names are those of the mismatch map."""

EQUATIONS = {
    "mle": "mean over (s, a) of  KL(p ‖ p̂) + (r̂ − r)²",
    "weighted": "KL(p ‖ p̂) with each successor weighted by |V̂|, + (r̂ − r)²",
    "vep": "mean of (B_π V − B̂_π V)², for the uniform and the best π, for V* and one more V",
    "vaml": "worst of ⟨p − p̂, V⟩² over V* and one more V, + (r̂ − r)²",
    "itervaml": "⟨p − p̂, V̂⟩² + (r̂ − r)², with the V̂ planned in the model itself",
    "vagram": "E Σᵢ (∂ᵢV̂)² (xᵢ − x̂ᵢ)² + (r̂ − r)²: errors of the place, weighted by the slope of V̂",
    "paml": "‖∇J(π) − ∇Ĵ(π)‖²: equal policy gradients",
    "omd_returns": "−J(π̂): minus the true return of the agent that plans in the model",
    "omd_bellman": "(B Q̂ − Q̂)²: the true Bellman error of the model's Q̂",
    "mnm": "−max_π E Σ γᵗ [(1−γ) log r − KL(p̂ ‖ p)]: a lower bound on log J",
    "vmbpo": "−max_π E Σ γᵗ [r − KL(p̂ ‖ p)]: risk is sought",
}
OPTIMISTS = ("mnm", "vmbpo")
"""Their agents plan with another reward: the true one (or its logarithm) less the divergence."""

MODELS = {"norm": "Norm ≤ κ", "rank": "Low rank", "blocks": "Blocks"}


def refused(true: AnyMDP) -> dict[str, str]:
    """Objectives and kinds of models that can't be used in an MDP, each with the reason."""
    reasons = {}
    if true.grid is None:
        reasons["vagram"] = "VaGraM needs coordinates of the states, and these lie on no grid."
        reasons["blocks"] = "Blocks of cells need a grid."
    try:
        optimism.mnm(true)
    except ValueError as error:
        reasons["mnm"] = f"MnM takes the logarithm of rewards: {error}"
    return reasons


def checked_world(mdp: AnyMDP) -> MDP:
    """The MDP, stored densely. Raises ValueError if it is too large to train on or can't be drawn."""
    if not mdp.gamma < 1:
        raise ValueError(f"gamma = {mdp.gamma:g}, expected a discount below 1: a learned model may never end.")
    if mdp.S > MOST_STATES:
        raise ValueError(
            f"the MDP has {mdp.S} states, expected at most {MOST_STATES}: beyond that, training isn't live. "
            "tabular.fit learns models of larger ones."
        )
    if mdp.grid is not None:
        check_drawable(mdp, "This MDP")
    elif mdp.S * mdp.A > MOST_ROWS or mdp.S > MOST_COLUMNS:
        raise ValueError(
            f"the MDP has {mdp.S} states and {mdp.A} actions, and a table of {mdp.S * mdp.A} x {mdp.S} probabilities "
            f"can't be read: expected at most {MOST_ROWS} x {MOST_COLUMNS}, or an MDP on a grid."
        )
    return mdp.to_dense()


def block_size(true: AnyMDP, largest: float) -> int:
    """The largest size of blocks up to `largest` that divides the grid. 1 always does."""
    rows, columns = true.grid.shape  # type: ignore[union-attr]
    return max(n for n in range(1, round(largest) + 1) if rows % n == columns % n == 0)


def objective(true: AnyMDP, name: str, alpha: float) -> Objective:
    """The objective of that name, with the settings of the mismatch map."""
    from tabular.studies.mismatch_map import objectives

    return objectives(true, alpha)[name]


def model_class(true: AnyMDP, values: dict[str, Any]) -> tuple[ModelClass, float]:
    """The models that controls with these values allow, and their norm bound.

    Those of the optimists have the true rewards and, where only the norm is bounded, the true support.
    """
    from tabular.models import aliased_blocks, low_rank, softmax_table

    optimist = values["objective"] in OPTIMISTS
    learns = values["rewards"] and not optimist
    if values["model"] == "norm":
        return softmax_table("paper_scaled", learns_reward=learns, on_support=optimist), values["kappa"]
    if values["model"] == "rank":
        return low_rank(min(round(values["rank"]), true.S), width=true.S, learns_reward=learns), float("inf")
    return aliased_blocks(true, block_size(true, values["block"]), learns_reward=learns), float("inf")


def check_choice(true: AnyMDP, values: dict[str, Any]) -> None:
    """Raise ValueError if the objective or the kind of model can't be used in this MDP."""
    reasons = refused(true)
    for name in ("objective", "model"):
        if values[name] in reasons:
            raise ValueError(reasons[values[name]])


def no_world(name: str) -> ValueError:
    """What to say if the world chosen isn't there."""
    return ValueError(
        f"world = {name!r}, but there is no MDP of yours here: MismatchExplorer(mdp=...) has one."
        + suggestion(name, WORLDS)
    )
