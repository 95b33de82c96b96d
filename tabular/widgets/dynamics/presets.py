"""Worlds in which optimism pays, or costs; tests/widgets/test_dynamics.py holds each to its words."""

from tabular.widgets.controls import Preset
from tabular.widgets.drawing import Drawing

ROOM = """
S....#...G
.....#....
.....#....
..........
..........
"""
BRIDGE = Drawing.from_text(
    """
...........
.#########.
.#ccccccc#.
S.........G
.#ccccccc#.
""",
    {"G": 1, "c": 0.001},
    "Gc",
)

PRESETS = {
    "first": Preset(
        "A first look",
        "Grey: where the move of each cell goes in truth. Blue: where the optimistic model sends it, a little more "
        "often towards higher values. The darker a cell, the more is paid for that.",
        "Click cells to see both rows of probabilities. Play the rounds from q = p: which curve stays below the other?",
        {"drawing": Drawing.from_text(ROOM, {"G": 10}), "base": 0.001, "slip": 0.4},
    ),
    "bridge": Preset(
        "The bridge",
        "A short bridge between pits, or the long way round. A dream in which the bridge is safe costs too much, so "
        "MnM goes round, as the best policy does.",
        "Lower the slip to 0.2: the highest bound is now that of a dream that crosses. It spends 0.71 nats and gets "
        "62 % of the best return: the best bound need not mean the best policy.",
        {"drawing": BRIDGE, "slip": 0.3},
    ),
    "off": Preset(
        "Classifier off",
        "The same bridge, and nothing is paid: in this dream no move ever slips. It promises log J = −0.70, gets "
        "−1.22, and 92 % of its true walks end in a pit.",
        "Press Walk a few times. Then switch the classifier on.",
        {"drawing": BRIDGE, "slip": 0.3, "classifier": False},
    ),
    "clip": Preset(
        "Clipped logits",
        "With logits within ±0.25 no lie costs more than a quarter of a nat. The agent pushes against the border, "
        "dreams of slipping forward, and promises more than it gets.",
        "Raise L. From 0.75 on nothing on its way is clipped, and it goes round, with 100 % of the best return.",
        {"drawing": BRIDGE, "slip": 0.3, "limit": 0.25},
    ),
    "scale": Preset(
        "Larger rewards",
        "VMBPO leaves the logarithm out, so its boldness depends on the unit of reward. At c = 0.3 it goes round.",
        "Raise c to 1: it crosses, and gets 30 % of the best return. MnM's arrows don't move: c only adds log c.",
        {"drawing": BRIDGE, "slip": 0.3, "method": "vmbpo", "scale": 0.3},
    ),
    "certain": Preset(
        "Nothing to dream",
        "Without slip a model can only go where p goes: KL = 0, and all three agents cross. The promise is still below "
        "log J, since the bound averages the logarithm of rewards over time.",
        "Raise the slip a little: which cells turn dark first?",
        {"drawing": BRIDGE, "slip": 0.0},
    ),
}
