"""Bounds that teach something; tests/widgets/test_bound.py holds each to what it says."""

from tabular.widgets.controls import Preset

PRESETS = {
    "horizon": Preset(
        "How 1/(1−γ)² comes about",
        "A mistake costs up to 1/(1−γ), and there are 1/(1−γ) steps to make it in. But who has fallen doesn’t fall "
        "again: the error bends, the usual lemma goes on and leaves what is possible.",
        "Drag along γ: beyond 1/(1+τ) = 0.952 the lemma is vacuous. Then lower τ: where does the bend go?",
        {"bound": "simulation", "along": "gamma", "gamma": 0.9, "leak": 0.05, "back": 0.0, "scale": "log"},
    ),
    "two_states": Preset(
        "Two states are enough",
        "No better constant is possible: without a way back, two states attain the sharp simulation lemma. A way back "
        "brings the values nearer together, which no bound by errors of rows can see.",
        "Drag m to 0, where the sharp bound is attained. At m = 0.36 only half of it is used.",
        {"bound": "simulation", "along": "back", "gamma": 0.9, "leak": 0.25, "back": 0.5},
    ),
    "bellman": Preset(
        "A factor 4 lost",
        "One model, two bounds. By the errors of its rows (i) Q̂ could be wrong by 60; it is wrong by 15. One backup "
        "(ii) knows where the model leads and what it finds there, and tells exactly.",
        "Lower τ: the factor lost is 1 + γτ/(1−γ), how often the model leaks within its horizon.",
        {"bound": "theorem2", "along": "leak", "gamma": 0.9, "leak": 1 / 3, "level": 1.0},
    ),
    "residual": Preset(
        "One residual, 19 errors",
        "The residual is ε at every w, but the error of Q̂ is not: it repeats on the left and cancels on the right. The "
        "two bounds are (1+γ)/(1−γ) = 19 times apart, and both are attained.",
        "Drag w from 0 to 1. Then γ to 0.99: how much does the residual tell now?",
        {"bound": "residual", "along": "swap", "gamma": 0.9, "shift": 0.1, "swap": 0.5},
    ),
    "plan": Preset(
        "What does the plan lose?",
        "The plan loses 5, whatever the model’s rewards c are. One backup is attained at c = 0.75, the error of Q̂ at "
        "c = 0.975 and nowhere else: below 0.95 it says nothing.",
        "Drag c to each of the two. Which would you rather have of a model whose level is wrong?",
        {"bound": "loss", "along": "believed", "gamma": 0.9, "gap": 0.5, "believed": 0.85},
    ),
    "ladder": Preset(
        "The ladder",
        "Every rung is a promise that is kept: no model gets above J. But the best model for it isn’t the true one, "
        "q = 1/2: an optimist (q = 0.8) promises everything there is.",
        "Drag q to 0.8. Then raise r₀ to 10: γ KL leaves J. Why doesn’t eq. 10, which learns the time as well?",
        {"bound": "ladder", "along": "better", "better": 0.5, "start": 2.5, "prize": 4.0, "gamma": 0.9},
    ),
    "printed": Preset(
        "As printed it fails",
        "The printed bound counts r_max = max |r|, which is right for rewards from 0. With rewards from −1 to 1 the "
        "error is 1 and the bound 3/4. What counts is their range, R = 2, and then it holds.",
        "Raise the level: all rewards shift, the error doesn’t, and from ℓ = 1/3 on the printed bound is above it.",
        {"bound": "theorem2", "along": "level", "gamma": 1 / 3, "leak": 1.0, "level": 0.0},
    ),
    "data": Preset(
        "To know and to prove",
        "The plan of a model learned from data soon loses nothing. To prove it takes many more trials: a guarantee "
        "holds for every world that the data allow.",
        "Drag n to where the best guarantee stops being vacuous. Then take ten times as many trials: it falls by √10.",
        {"bound": "trials", "along": "trials", "trials": 2.0, "delta": 0.05, "scale": "log"},
    ),
}
