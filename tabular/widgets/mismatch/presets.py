"""Mismatches worth looking at; tests/widgets/test_mismatch.py trains each, and holds it to what it says."""

from tabular.widgets.controls import Preset

TWO = {"world": "two_state", "model": "norm", "rewards": True, "alpha": 0.01, "lr": 0.01, "pace": 20}
MAZE = {"world": "maze", "rewards": False, "alpha": 0.05, "lr": 0.05, "pace": 5}

PRESETS = {
    "enough": Preset(
        "Enough capacity",
        "These models can be as large as the truth. Learning to predict is then learning to act: KL goes to 0, and the "
        "agent's return to the best there is, 1.027.",
        "Train (space). Then draw κ down to 1: the model is squeezed, and the return falls at once.",
        TWO | {"objective": "mle", "kappa": 8.0},
    ),
    "small": Preset(
        "Too small a model",
        "With κ = 2 no model is right. Likelihood picks the one that predicts best, and its agent earns 0.225. A model "
        "learned for the return predicts worse, and its agent earns 1.027, the most possible.",
        "Train 1,500 steps. Choose “OMD, return” and train again: which path ends further left, and which higher?",
        TWO | {"objective": "mle", "kappa": 2.0},
    ),
    "values": Preset(
        "Wrong world, right values",
        "OMD on the Bellman error makes Q̂ right and leaves the rest: its probabilities and rewards stay wrong, and the "
        "error of Q falls below a millionth. The bounds by one backup see it; those by the worst row never will.",
        "Train to the end. In the table of differences look at the rows: how can errors of P̂ and of r̂ cancel?",
        TWO | {"objective": "omd_bellman", "kappa": 3.0},
    ),
    "maze": Preset(
        "Three places in a maze",
        "A model of rank 3 knows only three kinds of places to go to. Likelihood spends them on what happens, and its "
        "agent is lost. VAML spends them on what it is worth, and its agent earns nearly all.",
        "Train 600 steps. Choose MLE, and train again. Which of the two maps of V̂ would you rather follow?",
        MAZE | {"objective": "vaml", "model": "rank", "rank": 3},
    ),
    "blind": Preset(
        "Wrong everywhere, rightly",
        "Learned for the return, this model is wrong about every cell of the maze: a mean KL of 7.6 nats. The agent "
        "that plans in it loses less than 0.001 of 2.843.",
        "Train 600 steps. Switch the third map from “Surprise” to “Loss”. Which of the two says whether it matters?",
        MAZE | {"objective": "omd_returns", "model": "rank", "rank": 26, "difference": "kl"},
    ),
    "optimism": Preset(
        "Wrong on purpose",
        "MnM's model believes in luck: the moves of its agent slip towards the goal more often than they do in truth, "
        "and V̂ is above V* in every cell. Luck is paid for, so that what is maximised stays a lower bound on J.",
        "Train 400 steps, and look at the curve of the bound. Then choose MLE: what becomes of the promise?",
        MAZE | {"objective": "mnm", "model": "norm", "kappa": 60.0, "lr": 0.1},
    ),
}
