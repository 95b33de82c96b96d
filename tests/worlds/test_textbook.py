"""Textbook MDPs: the tables of the sources, closed forms and published numbers."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tabular as tb
from tabular import worlds

ENTRIES = {
    entry["name"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "reference" / "known_answers.json").read_text())
}
BUILT = {
    "Puterman 3.1 two-state (gamma=.95)": worlds.puterman,
    "pymdptoolbox small": worlds.toolbox_small,
    "forest S=3 gamma=.9": lambda: worlds.forest(3, gamma=0.9),
    "forest S=3 gamma=.96": worlds.forest,
    "forest S=10 gamma=.96": lambda: worlds.forest(10),
    "MDPSolver README 3-state": worlds.mdpsolver_readme,
    "Sutton-Barto Ex. 3.5 gridworld, random policy": worlds.sutton_barto,
    "Dadashi et al. (2019) Fig. 2d MDP": worlds.two_state,
    "Deterministic counter N=10 gamma=.9": worlds.counter,
    "QuantEcon gamma=0": worlds.gamma_zero,
}


def number(x):
    return -np.inf if x is None else float(Fraction(x))


def test_textbook_builds_every_known_answer():
    assert set(BUILT) == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_textbook_world_is_the_table_of_its_source(name):
    entry, mdp = ENTRIES[name], BUILT[name]()
    P = np.array([[[number(p) for p in row] for row in state] for state in entry["P"]])
    r = np.array([[number(x) for x in row] for row in entry["R"]])
    assert mdp.gamma == pytest.approx(number(entry["gamma"]), abs=1e-16)
    assert abs(mdp.P - np.where(np.isfinite(r)[..., None], P, 0)).max() < 1e-15
    assert (mdp.r == r).all()


@pytest.mark.parametrize("name", ENTRIES)
def test_textbook_world_has_the_exact_values(name):
    entry, mdp = ENTRIES[name], BUILT[name]()
    V = np.array([number(v) for v in entry["V_exact"]])
    if entry["kind"] == "policy":
        found = tb.evaluate(mdp, np.full((mdp.S, mdp.A), 1 / mdp.A)).V
    else:
        found = tb.solve(mdp, tol=1e-10).V
    assert found == pytest.approx(V, abs=1e-9)


def test_sutton_barto_figure_3_5():
    """Optimal values, printed to one decimal."""
    printed = [
        [22.0, 24.4, 22.0, 19.4, 17.5],
        [19.8, 22.0, 19.8, 17.8, 16.0],
        [17.8, 19.8, 17.8, 16.0, 14.4],
        [16.0, 17.8, 16.0, 14.4, 13.0],
        [14.4, 16.0, 14.4, 13.0, 11.7],
    ]
    assert abs(tb.solve(worlds.sutton_barto()).V.reshape(5, 5) - printed).max() < 0.0501


def test_puterman_closed_form():
    for gamma in (0.92, 0.95, 0.99):
        V = tb.solve(worlds.puterman(gamma=gamma)).V
        expected = (5 - 5.5 * gamma) / ((1 - gamma / 2) * (1 - gamma))
        assert pytest.approx([expected, -1 / (1 - gamma)], rel=1e-9) == V


def test_counter_closed_form():
    for N, gamma in ((1, 0.5), (4, 0.99), (20, 0.9)):
        mdp = worlds.counter(N, gamma=gamma)
        s = np.arange(N + 1)
        assert tb.solve(mdp, tol=1e-10).V == pytest.approx(-(1 - gamma ** (N - s)) / (1 - gamma), abs=1e-9)
    assert tb.solve(worlds.counter(7, gamma=1)).J == pytest.approx(-7, abs=1e-9)


def test_chain_optimal_policy_earns_3677_in_a_thousand_steps():
    """Strens 2000, Table 1 gives 3677 as the optimal total over 1,000 steps: the long-run mean of always forward."""
    mdp = worlds.chain().to_dense()
    forward = np.zeros(5, dtype=int)
    assert (tb.solve(mdp).action == forward).all()
    assert mdp.P[2].tolist() == [[0.2, 0, 0, 0.8, 0], [0.8, 0, 0, 0.2, 0]]
    assert mdp.r[[0, 4]] == pytest.approx(np.array([[0.4, 1.6], [8.4, 3.6]]), abs=1e-15)
    stationary = np.linalg.matrix_power(mdp.chain(forward), 200)[0]
    assert 1000 * stationary @ mdp.r[:, 0] == pytest.approx(3677, abs=0.5)


def test_river_swim_is_worth_swimming():
    """Against the current is optimal at gamma = .99; drifting for ever earns .005 / (1 - gamma)."""
    mdp = worlds.river_swim()
    assert (tb.solve(mdp).action == 1).all()
    assert tb.evaluate(mdp, np.zeros(6, dtype=int)).J == pytest.approx(0.005 / 0.01, abs=1e-10)


def test_gambler_value_is_the_probability_of_bold_play():
    """V(s) at heads p < 1/2 is that of bold play: F(x) = p F(2x) up to 1/2, else p + (1 - p) F(2x - 1)."""
    p = 0.4

    def bold(s, target):
        if s in (0, target):
            return s / target
        return p * bold(2 * s, target) if 2 * s <= target else p + (1 - p) * bold(2 * s - target, target)

    mdp = worlds.gambler(target=16)
    assert mdp.states == tuple(range(1, 16))
    assert tb.solve(mdp).V == pytest.approx([bold(s, 16) for s in range(1, 16)], abs=1e-9)
    V = tb.solve(worlds.gambler()).V
    assert V[[24, 49, 74]] == pytest.approx([0.16, 0.4, 0.64], abs=1e-9)


def test_four_rooms_has_the_cells_and_noise_of_the_paper():
    mdp = worlds.four_rooms()
    assert mdp.S == 104
    assert len(mdp.grid.goals) == 1
    middle = mdp.grid.state(2, 2)
    to = {move: mdp.P[middle, 0, mdp.grid.state(2 + move[0], 2 + move[1])] for move in mdp.grid.moves}
    assert list(to.values()) == pytest.approx([2 / 3, 1 / 9, 1 / 9, 1 / 9], abs=1e-15)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: worlds.forest(1), "S = 1, expected an integer of at least 2"),
        (lambda: worlds.forest(p=1.2), "p = 1.2"),
        (lambda: worlds.counter(0), "N = 0"),
        (lambda: worlds.chain(slip=-1), "slip = -1"),
        (lambda: worlds.gambler(heads=2), "heads = 2"),
        (lambda: worlds.gambler(target=1), "target = 1"),
    ],
)
def test_textbook_refuses_bad_settings(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_named_builds_every_world():
    for name in worlds.NAMED:
        mdp = worlds.named(name)
        assert mdp.S >= 2


def test_named_suggests_the_nearest_name():
    with pytest.raises(ValueError, match=r"no world 'maze_10'. Did you mean maze10.*two_state"):
        worlds.named("maze_10")
