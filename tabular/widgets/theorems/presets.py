"""Claims worth seeing; tests/widgets/test_theorems.py holds each text to the lab."""

from tabular.widgets.controls import Preset

PRESETS = {
    "hypothesis": Preset(
        "A hypothesis",
        "A theorem is its hypotheses as well. This bound holds for rewards from 0 to r_max, and its proof uses it.",
        "Check it: no violation. Switch “rewards in [0, r_max]” off and check again: it breaks, by a factor below 2.",
        {"claim": "omd.thm2.mle", "n": 1000},
    ),
    "printed": Preset(
        "Fails as printed",
        "It counts one step in which two policies differ. They go on to differ: one factor 1 / (1 − γ) is missing.",
        "Read the counterexample: two states, γ = 1/2, and both sides by hand. Then follow the link to what holds.",
        {"claim": "maac.thm41.printed"},
    ),
    "tight": Preset(
        "Sharp",
        "Both sides are equal: no smaller constant is possible. The certificate is the instance that attains it.",
        "Check it: random instances stay below 1. Attack it: the climb goes up to 1, and never above.",
        {"claim": "classics.simulation.sharp", "n": 300},
    ),
    "pinsker": Preset(
        "A lost factor 2",
        "Pinsker's inequality is Σ|p − q| ≤ √(2 KL). Without the 2 it is false, by a factor of up to √2.",
        "Check it: about half of all random pairs violate it. The histogram ends at √2 = 1.414.",
        {"claim": "vagram.pinsker.printed", "n": 500},
    ),
    "attack": Preset(
        "Beyond chance",
        "Not one of 1,000 random instances violates this claim. The attack does, by a factor above 70.",
        "Check it, then attack it. What is special about the counterexample? Its probabilities are hardly random.",
        {"claim": "itervaml.thm1.no_concentrability", "n": 200},
    ),
    "control": Preset(
        "False on purpose",
        "A lab that refutes nothing is no evidence. Two policies that each stick to a good plan can mix to a bad one.",
        "Look at π and the other policy: each is good all the time. What does the mixture do?",
        {"claim": "classics.return.quasi_concave"},
    ),
}
