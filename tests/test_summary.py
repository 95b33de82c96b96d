"""What the terminal shows of a solution."""

import numpy as np
import pytest

from tabular import from_gymnasium, gridworld, make_mdp, soft_solve, solve, worlds
from tabular.summary import decimals, never_left, summary

CORRIDOR = "S.G\n#.."


def shown(mdp, **options):
    return summary(mdp, solve(mdp), "here", **options)


def facts(text):
    """The lines `name   value` as a mapping."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_summary_states_the_size_and_the_proof():
    mdp = gridworld(CORRIDOR, gamma=0.5)
    text = shown(mdp)
    assert text.splitlines()[0] == "here: 5 states, 4 actions, 2 x 3 grid, gamma = 0.5"
    assert facts(text)["status"] == "converged"
    assert facts(text)["method"].startswith("policy iteration: ")
    assert float(facts(text)["error"].split()[0]) == pytest.approx(solve(mdp).error, rel=0.05)
    assert float(facts(text)["return"].split()[1]) == 0.5


def test_summary_maps_values_and_actions_side_by_side():
    assert shown(gridworld(CORRIDOR, gamma=0.5)).split("\n\n")[2].splitlines() == [
        "values            actions",
        "0.50 1.00 0.00    → → G",
        "   # 0.50 1.00    # ↑ ↑",
    ]


def test_summary_in_ascii_uses_no_other_character():
    text = shown(gridworld(CORRIDOR, gamma=0.5), unicode=False)
    assert text.isascii() and "> > G" in text and "# ^ ^" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("mdp", [worlds.wall15(), worlds.four_rooms(), worlds.river_swim(), worlds.gambler()], ids=str)
def test_summary_stays_within_the_width(mdp, width):
    body = shown(mdp, width=width).split("\n\n", maxsplit=2)[2]
    assert (
        max(len(line) for line in body.splitlines() if not line.startswith(("# wall", "actions (", "...", "(the")))
        <= width
    )


def test_summary_of_a_wide_grid_shows_actions_only_and_says_what_is_cut():
    mdp = gridworld("\n".join([("." * 99) + "G"] * 50))
    text = shown(mdp, width=80)
    assert "values" not in text
    assert "(the first 40 of 100 columns)" in text
    assert "(the first 40 of 50 rows)" in text
    assert sum(line.startswith("→") for line in text.splitlines()) == 40


def test_summary_marks_ends():
    text = summary(*(lambda mdp: (mdp, solve(mdp)))(from_gymnasium("FrozenLake-v1", gamma=0.99)), "lake")
    assert [line.split()[4:] for line in text.splitlines() if line.count("x") == 2] == [["←", "x", "←", "x"]]
    assert "x → ↓ G" in text


def test_summary_counts_ties_where_there_is_something_to_decide():
    """From the start of an open 2 x 2 room both ways are as short; the goal's four actions are no choice."""
    assert facts(shown(gridworld("S.\n.G", gamma=0.9)))["ties"] == "1 state with several best actions"
    assert facts(shown(gridworld("S.G", gamma=0.9)))["ties"] == "none"


def test_summary_lists_states_by_label_with_all_best_actions():
    P = np.zeros((2, 2, 2))
    P[:, :, 1] = 1
    mdp = make_mdp(P, [[1.0, 1.0], [0.0, -1.0]], gamma=0.5, states=("here", "there"), actions=("go", "run"))
    body = shown(mdp).split("\n\n")[2].splitlines()
    assert [line.split() for line in body] == [
        ["state", "V", "action"],
        ["here", "1", "go", "=", "run"],
        ["there", "0", "go"],
    ]


def test_summary_lists_the_first_states_and_says_so():
    assert "... and 87 more" in shown(worlds.gambler())


def test_summary_of_a_soft_solution_gives_temperature_and_probabilities():
    mdp = worlds.two_state()
    text = summary(mdp, soft_solve(mdp, 1.0), "two_state")
    assert facts(text)["temperature"] == "1"
    assert "entropy" in facts(text)["return"]
    rows = [line.split() for line in text.splitlines() if line.startswith(("s0", "s1"))]
    for row in rows:
        assert float(row[3]) + float(row[5]) == pytest.approx(1, abs=2e-3)


def test_never_left_needs_every_feasible_action_to_stay_or_end():
    P = np.zeros((4, 2, 4))
    P[0, :, 0] = 1  # both stay
    P[1, 0, 1], P[1, 1, 2] = 1, 1  # one leaves
    P[2, 0, 2] = 0.3  # stays or ends; the other is infeasible
    r = [[0, 0], [0, 0], [0, -np.inf], [0, 0]]  # the last ends at once
    mdp = make_mdp(P, r, gamma=0.9, terminating=True)
    for storage in (mdp.to_dense(), mdp.to_sparse()):
        assert never_left(storage).tolist() == [True, False, True, True]


@pytest.mark.parametrize(("top", "expected"), [(0, 2), (0.05, 3), (0.5, 3), (1, 2), (31, 1), (450, 0), (1e9, 0)])
def test_decimals_leave_three_significant_digits(top, expected):
    assert decimals(np.array([-top, 0.0])) == expected
