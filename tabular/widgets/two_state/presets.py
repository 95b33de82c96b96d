"""Two-state worlds that teach something; tests/widgets/test_two_state.py holds each to what it says."""

from tabular.mdp import MDP, make_mdp
from tabular.widgets.controls import Preset
from tabular.worlds import two_state


def world(P, r, actions: tuple[str, ...]) -> MDP:
    """An MDP whose discount comes from the slider."""
    return make_mdp(P, r, gamma=0.0, states=("s0", "s1"), actions=actions).to_dense()


OMD = two_state().to_dense()
"""Dadashi et al. 2019, Figure 2 (d); Nikishin et al. 2021, Figure 3."""
THREE = world(
    [[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], [[0.05, 0.95], [0.25, 0.75], [0.3, 0.7]]],
    [[-0.1, -1.0, 0.1], [0.4, 1.5, 0.1]],
    ("a0", "a1", "a2"),
)
"""Dadashi et al. 2019, Figures 3 to 6 (left), at gamma = 0.8."""
LEAVE = world([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]], [[1.0, 0.0], [0.0, 0.0]], ("stay", "go"))
CLOSE = world([[[0.7, 0.3], [0.8, 0.2]], [[0.3, 0.7], [0.7, 0.3]]], [[-0.3, -0.1], [0.5, 0.6]], ("a0", "a1"))

PRESETS = {
    "first": Preset(
        "All policies",
        "Every policy is a point of the square; its values are a point of the polytope. Change the policy in one state "
        "only, and the values move along a straight line.",
        "Drag the point in the square sideways, then up and down. Then drag the values themselves: the corner at the "
        "star is the best policy.",
        {"world": OMD, "pi": [[0.6, 0.4], [0.3, 0.7]]},
    ),
    "steps": Preset(
        "Unequal steps",
        "Equal steps of the policy are no equal steps of its values. Here staying for ever is worth 20, and leaving "
        "once in ten times costs 69% of that.",
        "Move π(stay|s0) from 1 to 0.9, then from 0.5 to 0.4. Lower γ to 0.5: the ticks spread out, since the future "
        "counts less.",
        {"world": LEAVE, "gamma": 0.95, "pi": [[0.9, 0.1], [0.5, 0.5]]},
    ),
    "shape": Preset(
        "Not convex",
        "With three actions the polytope is a union of pieces, and it has dents: no policy has the values halfway "
        "between those of (a0, a1) and (a1, a0).",
        "Drag the values into the dent at the upper left: they don't follow. Its boundary is made of pieces of six "
        "straight lines: find them by π = 1 for one action.",
        {"world": THREE, "gamma": 0.8, "pi": [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3]]},
    ),
    "algorithms": Preset(
        "Jump or slide",
        "Value iteration, begun at the worst policy, leaves the polytope: no policy at all has the values of its next "
        "10 steps (open dots). Policy iteration jumps from corner to corner and is done in 2.",
        "Switch the path to policy iteration, then to soft policies: from even chances to the best policy as it gets "
        "colder. Press I to improve step by step.",
        {"world": OMD, "pi": [[1.0, 0.0], [0.0, 1.0]], "path": "values"},
    ),
    "data": Preset(
        "A model from data",
        "After 10 transitions of each kind the model has another polytope (dashed), and another best corner. Its plan "
        "loses return in truth (dotted), although the model promises more than anyone can get.",
        "Add data up to 50: the divergence shrinks little by little, the loss stays, and at 30 it goes at once. Go on "
        "to 80: why is it back? Draw other data: of the first 20 draws 16 lose nothing with 10.",
        {"world": CLOSE, "source": "data", "samples": 10, "seed": 18, "pi": [[0.5, 0.5], [0.5, 0.5]]},
    ),
    "alike": Preset(
        "Planning alike",
        "A model with wrong transitions, and rewards that make up for them. Its polytope is another one, and its V*, "
        "its Q* and its best policy are the true ones: only the star stays.",
        "Move ε from 0 to 1: the dashed shape swings around the star. Then take “Other transitions”, the same P̂ with "
        "the true rewards. Draw 50 of each.",
        {"world": OMD, "source": "equivalent", "eps": 1.0, "seed": 31, "pi": [[0.6, 0.4], [0.3, 0.7]]},
    ),
}
