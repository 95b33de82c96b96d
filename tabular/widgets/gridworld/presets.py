"""Grid worlds that teach something; tests/widgets/test_gridworld.py holds each to what it says."""

from tabular.widgets.controls import Preset
from tabular.widgets.drawing import Drawing

ROOM = """
...#......
.S.#....#.
...#.##.#.
.#.....#..
.#.###.#.#
...#...#..
.###.#...G
"""

PRESETS = {
    "first": Preset(
        "A first look",
        "Each cell shows what it is worth to be there and act optimally; the arrows are the optimal policy.",
        "Click cells to build walls. Press play, and see the values spread from the goal, one step a sweep.",
        {"drawing": Drawing.from_text(ROOM), "gamma": 0.95, "slip": 0.1},
    ),
    "discounting": Preset(
        "Discounting",
        "A reward k steps away counts γᵏ⁻¹ of its size. How far ahead the agent looks is in γ alone.",
        "Move γ: where do the arrows turn? From the start, the larger goal wins above γ = 0.669, which is 5^(−1/4).",
        {
            "drawing": Drawing.from_text(
                "...........\n...........\na..S......b\n...........\n...........", {"a": 1, "b": 5}, "ab"
            ),
            "gamma": 0.7,
        },
    ),
    "cliffs": Preset(
        "Slip and cliffs",
        "The shortest way runs along the edge. An agent that slips pays for being near it, and takes a detour.",
        "Raise the slip to 0.1: the path leaves the edge. At 0.2 look at the start: why does it push against the wall?",
        {
            "drawing": Drawing.from_text(
                "..........\n..........\n..........\n..........\nSccccccccG", {"G": 1, "c": -1}, "Gc"
            ),
            "gamma": 0.95,
            "slip": 0.0,
        },
    ),
    "bridge": Preset(
        "The bridge",
        "A large reward behind a narrow bridge. A slip costs more than there is to win: the agent takes the small one.",
        "Find the slip at which it dares to cross. Then try γ instead: does looking further ahead help?",
        {
            "drawing": Drawing.from_text("#ccccc#\naS....b\n#ccccc#", {"a": 1, "b": 10, "c": -10}, "abc"),
            "gamma": 0.9,
            "slip": 0.2,
        },
    ),
    "soft": Preset(
        "Soft policies",
        "At a temperature α the agent mixes: better actions more often, and having choices is worth something.",
        "Lower α to 0. The ways through corridor and room are equally long: which does a warm agent prefer, and why?",
        {
            "drawing": Drawing.from_text(
                "##.......##\n##.#####.##\nS..#####..G\n...#####...\n...........\n...........\n..........."
            ),
            "gamma": 0.95,
            "alpha": 0.01,
        },
    ),
    "shaping": Preset(
        "Reward shaping",
        "A bonus on the way was meant as a hint, and the agent farms it. As a potential it changes no policy.",
        "Switch “Potential Φ” on: cells then pay γΦ(s′) − Φ(s), and the agent goes to the goal. Or make the bonus "
        "just too small to farm.",
        {
            "drawing": Drawing.from_text("S....#...\n.###.#.#.\n.#...b.#.\n.#.###.#.\n...#...#G", {"b": 0.2, "G": 1}),
            "gamma": 0.95,
        },
    ),
}
