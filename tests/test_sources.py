"""MDPs from functions and from Gymnasium: closed forms, independent solutions of the tables, rollouts."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import tabular as tb
from tabular.sources import from_functions, from_gymnasium

# plain functions


def walk(s, a):
    """On 1, 2, 3, 4: half a chance each way; ends at 0, or at 5 with reward 1."""
    left = (0.5, s - 1 if s > 1 else None, 0.0)
    right = (0.5, s + 1, 0.0) if s < 4 else (0.5, None, 1.0)
    return [left, right]


def test_from_functions_random_walk_has_the_gamblers_ruin_values():
    """V(s) = s / 5 at gamma = 1: the probability of getting to 5 first."""
    mdp = from_functions(walk, ["go"], gamma=1, states=[1, 2, 3, 4])
    assert mdp.states == (1, 2, 3, 4) and mdp.actions == ("go",) and mdp.terminating
    assert tb.solve(mdp).V == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=1e-12)


def test_from_functions_discovers_the_states_breadth_first():
    mdp = from_functions(walk, ["go"], gamma=1, start=2)
    assert mdp.states == (2, 1, 3, 4)
    assert mdp.rho.tolist() == [1, 0, 0, 0]
    assert tb.solve(mdp).J == pytest.approx(0.4, abs=1e-12)


def test_from_functions_start_distribution():
    mdp = from_functions(walk, ["go"], gamma=1, start={4: 0.25, 1: 0.75})
    assert mdp.states == (4, 1, 3, 2)
    assert mdp.rho.tolist() == [0.25, 0.75, 0, 0]
    listed = from_functions(walk, ["go"], gamma=1, states=[1, 2, 3, 4], start={4: 0.25, 1: 0.75})
    assert listed.rho.tolist() == [0.75, 0, 0, 0.25]


def test_from_functions_adds_up_duplicate_outcomes():
    """Three outcomes to one successor with different rewards, one of probability 0 to an unknown one."""

    def coin(s, a):
        return [(0.25, "x", 4.0), (0.5, "x", -1.0), (0.25, "x", 0.0), (0.0, "nowhere", 99.0)]

    for sparse in (False, True):
        mdp = from_functions(coin, ["toss"], gamma=0.5, states=["x"], sparse=sparse)
        assert mdp.to_dense().P.tolist() == [[[1.0]]]
        assert mdp.r.tolist() == [[0.5]]
        assert mdp.successors == 1
        assert not mdp.terminating


def test_from_functions_actions_by_state_are_infeasible_elsewhere():
    def move(s, a):
        return [(1.0, "b" if a == "go" else s, -1.0 if a == "go" else 0.0)]

    mdp = from_functions(move, lambda s: ["go", "wait"] if s == "a" else ["wait"], gamma=0.9, start="a")
    assert mdp.actions == ("go", "wait") and mdp.states == ("a", "b")
    assert mdp.r.tolist() == [[-1, 0], [-np.inf, 0]]
    assert mdp.to_dense().P[1].tolist() == [[0, 0], [0, 1]]


def test_from_functions_rebuilds_a_random_mdp():
    """From an MDP's own arrays as a function, both storages."""
    mdp = tb.worlds.garnet(30, 3, 4, 0.9, seed=2).to_dense()

    def transitions(s, a):
        return [(mdp.P[s, a, t], t, float(mdp.r[s, a])) for t in np.flatnonzero(mdp.P[s, a])]

    for sparse in (False, True):
        again = from_functions(transitions, range(3), gamma=0.9, states=range(30), sparse=sparse)
        assert abs(again.to_dense().P - mdp.P).max() < 1e-15
        assert abs(again.r - mdp.r).max() < 1e-14


def test_from_functions_storage_follows_the_size():
    for n, kind in ((200, tb.MDP), (201, tb.SparseMDP)):
        cycle = from_functions(lambda s, a, n=n: [(1, (s + 1) % n, 0)], "+", gamma=0.9, start=0)
        assert isinstance(cycle, kind) and cycle.S == n


def sure(successor, reward=0.0, p=1.0):
    return lambda s, a: [(p, successor, reward)]


@pytest.mark.parametrize(
    ("transitions", "actions", "settings", "error", "message"),
    [
        (sure(0, p=0.9), "a", {"start": 0}, ValueError, r"of transitions\(0, 'a'\) sum to 0.9, not 1 .* None"),
        (sure(0, p=-1.0), "a", {"start": 0}, ValueError, r"transitions\(0, 'a'\) lists the probability -1 for 0"),
        (sure(0, p=float("nan")), "a", {"start": 0}, ValueError, "lists the probability nan"),
        (sure(0, np.nan), "a", {"start": 0}, ValueError, r"transitions\(0, 'a'\) lists the reward nan for 0"),
        (sure(0, -np.inf), "a", {"start": 0}, ValueError, "lists the reward -inf .* leaves it out"),
        (sure(7), "a", {"states": [0, 1]}, ValueError, r"transitions\(0, 'a'\) leads to 7, which is not among"),
        (sure([1]), "a", {"start": 0}, TypeError, r"transitions\(0, 'a'\) has \[1\], which is not hashable"),
        (sure((1, [2])), "a", {"start": 0}, TypeError, "not hashable. Use tuples for lists"),
        (lambda s, a: [], "a", {"start": 0}, ValueError, r"transitions\(0, 'a'\) sum to 0"),
        (lambda s, a: None, "a", {"start": 0}, TypeError, r"transitions\(0, 'a'\) returned None"),
        (lambda s, a: [(1.0, 0)], "a", {"start": 0}, TypeError, r"transitions\(0, 'a'\) lists \(1.0, 0\), expected"),
        (lambda s, a: [("all", 0, 0)], "a", {"start": 0}, TypeError, r"lists \('all', 0, 0\)"),
        (sure(0), [], {"start": 0}, ValueError, "actions is empty"),
        (sure(0), lambda s: [], {"start": 0}, ValueError, "state 0 has no action"),
        (sure(0), lambda s: None, {"start": 0}, TypeError, r"actions\(0\) returned None"),
        (sure(0), "aa", {"start": 0}, ValueError, "actions lists 'a' twice"),
        (sure(0), lambda s: "aa", {"start": 0}, ValueError, r"actions\(0\) lists 'a' twice"),
        (sure(0), "a", {}, ValueError, "states and start are both missing"),
        (sure(0), "a", {"states": []}, ValueError, "states is empty"),
        (sure(0), "a", {"states": [0, 1, 0]}, ValueError, "states lists 0 twice"),
        (sure(0), "a", {"states": [0], "start": 1}, ValueError, "start names 1, which is not among the states"),
        (sure(0), "a", {"start": {}}, ValueError, "start is empty"),
        (sure(0), "a", {"start": {0: 0.5}}, ValueError, "probabilities of start sum to 0.5"),
        (sure(0), "a", {"start": [0]}, TypeError, r"start has \[0\], which is not hashable"),
        (lambda s, a: [(1, s + 1, 0)], "a", {"start": 0, "max_states": 50}, ValueError, "more than max_states = 50"),
        (sure(0), "a", {"start": 0, "gamma": 2}, ValueError, "gamma = 2"),
    ],
)
def test_from_functions_refuses_bad_input(transitions, actions, settings, error, message):
    with pytest.raises(error, match=message):
        from_functions(transitions, actions, **{"gamma": 0.9, **settings})


# Gymnasium

gymnasium = pytest.importorskip("gymnasium")
IDS = ["FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4"]


def values_of_the_table(env, gamma):
    """Optimal Q straight from `env.unwrapped.P`, by sweeps over its lists; nothing follows a terminated outcome."""
    table = env.unwrapped.P
    p, t, reward, ended = (
        np.array([[np.pad([float(o[k]) for o in table[s][a]], (0, 3))[:3] for a in table[s]] for s in table])
        for k in range(4)
    )
    successor, go_on = t.astype(int), 1 - ended
    Q = np.zeros(p.shape[:2])
    for _ in range(4000):
        Q = (p * (reward + gamma * go_on * Q.max(1)[successor])).sum(-1)
    return Q


@pytest.mark.parametrize("env_id", IDS)
def test_from_gymnasium_values_are_those_of_the_environments_table(env_id):
    Q = values_of_the_table(gymnasium.make(env_id), 0.99)
    mdp = from_gymnasium(env_id)
    assert mdp.gamma == 0.99
    solution = tb.solve(mdp, tol=1e-9)
    assert abs(solution.Q - Q).max() < 1e-8


@pytest.mark.parametrize("env_id", IDS)
def test_from_gymnasium_optimal_policy_earns_its_value_in_the_environment(env_id):
    """3,000 seeded episodes without the time limit, which would change the problem.

    The mean discounted return is normal about J, so it leaves 4 standard errors with probability 6e-5.
    """
    mdp = from_gymnasium(env_id)
    solution = tb.solve(mdp)
    action = solution.action.tolist()
    env = gymnasium.make(env_id).unwrapped
    s, _ = env.reset(seed=0)
    returns = []
    for _ in range(3000):
        total, discount, ended = 0.0, 1.0, False
        while not ended:
            s, reward, ended, _, _ = env.step(action[s])
            total += discount * float(reward)
            discount *= mdp.gamma
        returns.append(total)
        s, _ = env.reset()
    error = np.std(returns) / np.sqrt(len(returns))
    assert abs(np.mean(returns) - solution.J) <= 4 * error + 1e-9


@pytest.mark.parametrize(("env_id", "steps"), [("FrozenLake-v1", 6), ("FrozenLake8x8-v1", 14)])
def test_from_gymnasium_frozen_lake_without_slip_is_the_shortest_path(env_id, steps):
    mdp = from_gymnasium(gymnasium.make(env_id, is_slippery=False), gamma=0.9)
    assert tb.solve(mdp, tol=1e-12).J == pytest.approx(0.9 ** (steps - 1), abs=1e-12)


def test_from_gymnasium_cliff_walking_is_thirteen_steps():
    assert tb.solve(from_gymnasium("CliffWalking-v1", gamma=0.9)).J == pytest.approx(-(1 - 0.9**13) / 0.1, abs=1e-9)


def test_from_gymnasium_terminated_outcomes_end_the_episode():
    """In a hole, at the goal: no reward and nothing follows; the reward of getting there counts."""
    mdp = from_gymnasium("FrozenLake-v1")
    assert mdp.terminating
    hole, goal = mdp.grid.state(1, 1), mdp.grid.state(3, 3)
    for s in (hole, goal):
        assert (mdp.stop_probability[s] == 1).all() and (mdp.r[s] == 0).all()
        assert (tb.solve(mdp).Q[s] == 0).all()
    assert mdp.r[mdp.grid.state(3, 2), 2] == pytest.approx(1 / 3)


def test_from_gymnasium_keeps_start_geometry_and_names():
    lake = from_gymnasium("FrozenLake8x8-v1")
    assert lake.rho[0] == 1 and lake.grid.starts == {(0, 0)} and lake.grid.goals == {(7, 7)}
    assert lake.actions == ("left", "down", "right", "up") and lake.states == lake.grid.cells
    cliff = from_gymnasium("CliffWalking-v1")
    assert cliff.grid.shape == (4, 12) and cliff.grid.starts == {(3, 0)} and cliff.grid.goals == {(3, 11)}
    assert cliff.grid.walls == {(3, column) for column in range(1, 11)}
    assert cliff.rho[36] == 1
    taxi = from_gymnasium("Taxi-v4")
    assert taxi.S == 500 and np.count_nonzero(taxi.rho) == 300 and taxi.grid is None
    assert taxi.actions == ("south", "north", "east", "west", "pickup", "dropoff")


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "CliffWalking-v1"])
def test_from_gymnasium_moves_agree_with_the_table(env_id):
    """Where a move has room, the likeliest successor lies in its direction."""
    settings = {"is_slippery": False} if env_id == "FrozenLake-v1" else {}
    mdp = from_gymnasium(gymnasium.make(env_id, **settings))
    checked = 0
    for s, (i, j) in enumerate(mdp.grid.cells):
        for a, (down, right) in enumerate(mdp.grid.moves):
            there = (i + down, j + right)
            if there in mdp.grid.cells and there not in mdp.grid.walls and not mdp.stop_probability[s, a]:
                assert mdp.P[s, a].argmax() == mdp.grid.state(*there)
                checked += 1
    assert checked > 20


def test_from_gymnasium_takes_wrapped_environments():
    env = gymnasium.wrappers.TimeLimit(gymnasium.make("FrozenLake-v1"), max_episode_steps=3)
    assert np.array_equal(from_gymnasium(env).to_dense().P, from_gymnasium("FrozenLake-v1").to_dense().P)


def test_from_gymnasium_takes_any_table():
    """An environment of one's own, without a description here: numbers as labels."""
    env = SimpleNamespace(
        P={0: {0: [(0.5, 0, 1.0, False), (0.5, 0, 0.0, True)]}}, initial_state_distrib=np.ones(1), spec=None
    )
    mdp = from_gymnasium(env, gamma=0.5)
    assert mdp.states == (0,) and mdp.actions == (0,)
    assert tb.solve(mdp).J == pytest.approx(0.5 / (1 - 0.25), abs=1e-12)


@pytest.mark.parametrize(
    ("env_or_id", "message"),
    [
        ("FrozenLak-v1", "no Gymnasium environment 'FrozenLak-v1'. Did you mean FrozenLake-v1"),
        ("frozenlake-v1", "Did you mean FrozenLake-v1"),
        ("Taxi-v9", "Did you mean Taxi-v4"),
        ("Taxi-v3", "can't make 'Taxi-v3': .*deprecated.* Did you mean Taxi-v4"),
        ("nothing like it!", "can't make 'nothing like it!'"),
        ("Blackjack-v1", "Blackjack-v1 has no transition table env.unwrapped.P"),
        ("CartPole-v1", "CartPole-v1 has no transition table"),
        (None, "NoneType has no transition table"),
        (
            SimpleNamespace(P={0: {0: [(1.0, 0, 0, False)]}}),
            "initial_state_distrib has 0 entries, expected .* 1 states",
        ),
    ],
)
def test_from_gymnasium_refuses_what_it_cant_solve(env_or_id, message):
    with pytest.raises(ValueError, match=message):
        from_gymnasium(env_or_id)


def test_from_gymnasium_refuses_dynamics_that_the_table_hides():
    with pytest.raises(ValueError, match="fickle_passenger"):
        from_gymnasium(gymnasium.make("Taxi-v4", fickle_passenger=True))


def test_import_of_sources_leaves_gymnasium_alone():
    code = "import sys, tabular.sources; print('gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
