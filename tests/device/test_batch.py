"""Batches of MDPs against the host's solutions, exact rationals, closed forms and quantecon."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular import device
from tabular.device.batch import SMALL
from tabular.device.batched import Batch, solve_large
from tests.exact import exact_solution, largest_gap
from tests.instances import random_mdp

SHAPES = [(2, 2), (8, 3)]
"""Solved number by number, and by sweeps."""
B = 60
"""MDPs in a batch: nearly always this many, since each shape is compiled."""


def random_batch(seed, S, A, **given):
    return [random_mdp(seed, i, S=S, A=A, **given) for i in range(B)]


def stacked(mdps):
    """P, r, gamma and rho of MDPs of one shape."""
    return (np.stack([getattr(mdp, name) for mdp in mdps]) for name in ("P", "r", "gamma", "rho"))


def terminating_mdp(seed, i, S, A):
    """A random MDP in which each action ends the episode with a probability from 0 to .2, a third of them never."""
    mdp, rng = random_mdp(seed, i, S=S, A=A), np.random.default_rng([seed, i, 1])
    stop = 0.2 * rng.random((S, A)) * (rng.random((S, A)) > 1 / 3)
    return tb.make_mdp(mdp.P * (1 - stop)[:, :, None], mdp.r, gamma=mdp.gamma, terminating=True)


def test_shapes_take_both_methods():
    small, large = (S * A * S for S, A in SHAPES)
    assert small <= SMALL < large


# optimal values


@pytest.mark.parametrize("seed", [301, 302])
@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_solve_batch_agrees_with_the_host(S, A, seed):
    """240 MDPs with discounts up to .999, a sixth of them deterministic: some mix far too slowly for sweeps."""
    mdps = random_batch(seed, S, A)
    P, r, gamma, rho = stacked(mdps)
    batch = device.solve_batch(P, r, gamma, rho=rho)
    for i, mdp in enumerate(mdps):
        host = tb.solve(mdp)
        gap = abs(batch.Q[i] - host.Q).max()
        assert gap <= batch.error[i] + host.error
        assert gap <= 1e-9 * max(1, abs(host.V).max())
        assert abs(batch.V[i] - host.V).max() <= batch.error[i] + host.error
        assert abs(batch.J[i] - host.J) <= batch.error[i] + host.error
        assert host.ties[np.arange(S), batch.action[i]].all()


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_certified_error_holds_against_exact_rationals(S, A):
    mdps = random_batch(31, S, A)
    P, r, gamma, _ = stacked(mdps)
    for tol in (None, 1e-3):
        batch = device.solve_batch(P, r, gamma, tol=tol)
        assert batch.converged.all() and (tol is None or batch.error.max() <= tol)
        np.testing.assert_allclose(batch.V, np.max(batch.Q, axis=2), rtol=1e-14)
        for i, mdp in enumerate(mdps):
            assert largest_gap(np.asarray(batch.Q[i]), exact_solution(mdp)) <= batch.error[i]


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_residual_bounds_the_bellman_residual(S, A):
    mdps = random_batch(32, S, A)
    P, r, gamma, _ = stacked(mdps)
    batch = device.solve_batch(P, r, gamma, tol=1e-2)
    backup = r + gamma[:, None, None] * np.einsum("bsat,bt->bsa", P, np.max(batch.Q, axis=2))
    rounding = 1e-13 * (1 + abs(np.asarray(batch.V)).max(1))
    assert (abs(backup - batch.Q).max((1, 2)) <= batch.residual + rounding).all()


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_terminating_rows_agree_with_the_host(S, A):
    """The range of TV - V alone says nothing here: an ended episode has value 0, and no shift moves it."""
    mdps = [terminating_mdp(33, i, S, A) for i in range(B)]
    P, r, gamma, _ = stacked(mdps)
    batch = device.solve_batch(P, r, gamma, terminating=True)
    for i, mdp in enumerate(mdps):
        host = tb.solve(mdp)
        assert abs(batch.Q[i] - host.Q).max() <= batch.error[i] + host.error


def test_a_geometric_end_has_its_closed_form():
    """One state, reward 1, going on with probability p: V = 1 / (1 - gamma p). Both methods: with 1 and 40 actions."""
    p = np.linspace(0, 1, 11)
    for A in (1, 40):
        P, r = np.tile(p[:, None, None, None], (1, 1, A, 1)), np.ones((11, 1, A))
        batch = device.solve_batch(P, r, 0.99, terminating=True)
        exact = 1 / (1 - 0.99 * p)
        assert (abs(batch.V[:, 0] - exact) <= batch.error).all()
        assert (batch.error <= 1e-10 * (1 + 1e-6) * np.maximum(1, exact)).all()


def test_a_long_cycle_is_certified():
    """A ring of 40 states, reward 1 in one of them, gamma .999: V(k) = gamma^k / (1 - gamma^40). It never mixes."""
    S, gamma = 40, 0.999
    P, r = np.roll(np.eye(S), 1, axis=1)[None, :, None, :], np.zeros((1, S, 1))
    r[0, 0, 0] = 1
    batch = device.solve_batch(P, r, gamma)
    distance = -np.arange(S) % S
    np.testing.assert_allclose(batch.V[0], gamma**distance / (1 - gamma**S), rtol=1e-10)


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_infeasible_actions_are_never_taken_and_their_rows_never_read(S, A):
    mdps = random_batch(34, S, A, gamma=0.95)
    P, r, gamma, _ = stacked(mdps)
    closed = np.random.default_rng(34).random(r.shape) < 0.4
    closed[:, :, 0] &= ~closed.all(2)
    r[closed], P[closed] = -np.inf, np.nan
    batch = device.solve_batch(P, r, gamma)
    soft = device.soft_solve_batch(P, r, gamma, 0.1)
    for i in range(B):
        host = tb.solve(tb.make_mdp(P[i], r[i], gamma=0.95))
        assert (np.asarray(batch.Q[i])[closed[i]] == -np.inf).all()
        assert not closed[i][np.arange(S), batch.action[i]].any()
        np.testing.assert_allclose(batch.V[i], host.V, rtol=0, atol=float(batch.error[i] + host.error))
        host = tb.soft_solve(tb.make_mdp(P[i], r[i], gamma=0.95), 0.1)
        np.testing.assert_allclose(soft.Q[i], host.Q, rtol=0, atol=float(soft.error[i] + host.error))


def test_solve_batch_agrees_with_quantecon():
    markov = pytest.importorskip("quantecon.markov")
    rng = np.random.default_rng(35)
    P, r = rng.dirichlet(np.ones(8), size=(B, 8, 3)), rng.normal(size=(B, 8, 3))
    batch = device.solve_batch(P, r, np.full(B, 0.95))
    for i in range(B):
        peer = markov.DiscreteDP(r[i], P[i], 0.95).policy_iteration()
        np.testing.assert_allclose(batch.V[i], peer.v, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(batch.action[i], peer.sigma)


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_rows_count_as_divided_by_their_sum(S, A):
    """As in make_mdp: a deficit of 1e-9 is rounding of the input, not an end with probability 1e-9."""
    P, r, gamma, _ = stacked(random_batch(36, S, A, gamma=0.999))
    batch, scaled = device.solve_batch(P, r, gamma), device.solve_batch(P * (1 - 1e-9), r, gamma)
    assert (abs(batch.V - scaled.V).max(1) <= batch.error + scaled.error).all()


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_the_first_of_tying_actions_is_returned(S, A):
    P, r = np.full((B, S, A, S), 1 / S), np.ones((B, S, A))
    assert (device.solve_batch(P, r, np.full(B, 0.9)).action == 0).all()


@pytest.mark.parametrize(("S", "A"), SHAPES)
def test_batch_answers_do_not_depend_on_the_company(S, A):
    """An easy MDP gets the same values alone and beside hard ones, up to its certified error."""
    P, r, gamma, _ = stacked(random_batch(37, S, A))
    batch = device.solve_batch(P, r, gamma)
    alone = device.solve_batch(P[[0] * B], r[[0] * B], gamma[[0] * B])
    assert abs(batch.V[0] - alone.V[0]).max() <= batch.error[0] + alone.error[0]


def test_batch_answers_do_not_depend_on_the_chunk():
    """60 MDPs seven at a time: nine chunks, the last of which overlaps the eighth. A fault in any of them counts."""
    P, r, gamma, rho = (jnp.asarray(x) for x in stacked(random_batch(43, 8, 3)))
    chunked, fault = solve_large(Batch(P, r, gamma, rho), 1e-6, False, chunk=7)
    whole, _ = solve_large(Batch(P, r, gamma, rho), 1e-6, False, chunk=B)
    assert not fault and chunked.converged.all()
    assert (abs(chunked.V - whole.V).max(1) <= chunked.error + whole.error).all()
    assert (abs(chunked.J - whole.J) <= chunked.error + whole.error).all()
    assert solve_large(Batch(P.at[17, 0, 0, 0].add(1), r, gamma, rho), 1e-6, False, chunk=7).fault


def test_start_distributions_of_all_shapes():
    P, r, gamma, rho = stacked(random_batch(38, 2, 2, gamma=0.9))
    V = device.solve_batch(P, r, gamma).V
    for given, J in [(None, V.mean(1)), (rho[0], V @ rho[0]), (rho, (V * rho).sum(1))]:
        np.testing.assert_allclose(device.solve_batch(P, r, gamma, rho=given).J, J, rtol=1e-12)


def test_arrays_may_lie_on_either_side_and_stay_as_they_are():
    P, r, gamma, _ = stacked(random_batch(39, 2, 2, gamma=0.9))
    kept = P.copy(), r.copy()
    host, on_device = device.solve_batch(P, r, 0.9), device.solve_batch(jnp.asarray(P), jnp.asarray(r), gamma)
    np.testing.assert_array_equal(host.Q, on_device.Q)
    np.testing.assert_array_equal(P, kept[0])
    np.testing.assert_array_equal(r, kept[1])


# soft values and evaluation


def test_soft_solve_batch_agrees_with_the_host():
    mdps = random_batch(40, 8, 3)
    P, r, gamma, _ = stacked(mdps)
    alpha = np.geomspace(0.01, 1, B)
    batch = device.soft_solve_batch(P, r, gamma, alpha)
    for i, mdp in enumerate(mdps):
        host = tb.soft_solve(mdp, alpha[i])
        gap = abs(batch.Q[i] - host.Q).max()
        assert gap <= batch.error[i] + host.error
        assert gap <= 1e-9 * max(1, abs(host.V).max())


def test_evaluate_batch_agrees_with_the_host():
    mdps = random_batch(41, 8, 3)
    P, r, gamma, rho = stacked(mdps)
    pi = np.random.default_rng(41).dirichlet(np.ones(3), size=(B, 8))
    batch = device.evaluate_batch(P, r, gamma, pi, rho=rho)
    action = pi.argmax(2)
    deterministic = device.evaluate_batch(P, r, gamma, action)
    for i, mdp in enumerate(mdps):
        host = tb.evaluate(mdp, pi[i])
        assert abs(batch.V[i] - host.V).max() <= batch.error[i] + host.error
        assert abs(batch.Q[i] - host.Q).max() <= batch.error[i] + host.error
        assert abs(batch.J[i] - host.J) <= batch.error[i] + host.error
        host = tb.evaluate(mdp, action[i])
        assert abs(deterministic.V[i] - host.V).max() <= deterministic.error[i] + host.error


# failures


def test_a_tolerance_below_rounding_is_not_certified():
    P, r, _, _ = stacked(random_batch(42, 2, 2))
    gamma = np.full(B, 0.5)
    gamma[3] = 0.999
    with pytest.raises(tb.NotConverged, match=r"60 of 60 MDPs.*MDP 3 has the error bound") as caught:
        device.solve_batch(P, r / abs(r).max(), gamma, tol=1e-18)
    result = caught.value.result
    assert not result.converged.any() and jnp.isfinite(result.error).all()


GOOD = np.full((3, 2, 2, 2), 0.5)
REWARD = np.ones((3, 2, 2))


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"P": changed(GOOD, (1, 0, 1, 0), 0.6)}, r"MDP 1 of the batch: P\[0, 1\] sums to 1.1, not 1"),
        ({"P": changed(GOOD, (2, 1, 0), [-0.5, 1.5])}, r"MDP 2 of the batch: P\[1, 0, 0\] = -0.5"),
        ({"P": changed(GOOD, (0, 1, 0, 1), np.nan)}, r"MDP 0 of the batch: P\[1, 0, 1\] = nan"),
        ({"P": GOOD / 2}, r"MDP 0 of the batch: P\[0, 0\] sums to 0.5.*terminating=True"),
        ({"P": GOOD * 1.1, "terminating": True}, r"MDP 0 of the batch: P\[0, 0\] sums to 1.1"),
        ({"r": changed(REWARD, (2, 0, 1), np.nan)}, r"MDP 2 of the batch: r\[0, 1\] = nan"),
        ({"r": changed(REWARD, (2, 0, 1), np.inf)}, r"MDP 2 of the batch: r\[0, 1\] = inf"),
        ({"r": changed(REWARD, (1, 1), -np.inf)}, r"MDP 1 of the batch: state 1 has no feasible action"),
    ],
)
def test_what_is_wrong_with_an_mdp_is_named(change, message, large):
    arguments = {"P": GOOD, "r": REWARD, "gamma": 0.9, "terminating": False} | change
    if large:  # the same actions five times more: too many numbers for the method that writes them out
        arguments |= {name: np.concatenate([arguments[name]] * 6, axis=2) for name in ("P", "r")}
    solvers = (
        (device.solve_batch,) if large else (device.solve_batch, lambda **a: device.soft_solve_batch(alpha=1, **a))
    )
    for solve in solvers:
        with pytest.raises(ValueError, match=message):
            solve(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"P": GOOD[0]}, ValueError, r"P has shape \(2, 2, 2\), expected \(B, S, A, S\) = \(3, 2, 2, 2\)"),
        ({"r": REWARD[0]}, ValueError, r"r has shape \(2, 2\), expected \(B, S, A\)"),
        ({"P": GOOD.astype("float32")}, TypeError, "P is float32; exact work needs float64"),
        ({"gamma": 1.0}, ValueError, r"gamma = 1.0, expected a discount in \[0, 1\).*tabular.solve"),
        ({"gamma": np.nan}, ValueError, "gamma = nan, expected a discount"),
        ({"gamma": [0.9, 0.9]}, ValueError, r"gamma has shape \(2,\).*one for each MDP, shape \(3,\)"),
        ({"rho": [0.5, 0.6]}, ValueError, r"rho\[0\] = \[0.5 0.6\], expected probabilities that sum to 1"),
        ({"rho": np.ones(3) / 3}, ValueError, r"rho has shape \(3,\), expected \(2,\) or \(3, 2\)"),
        ({"tol": 0.0}, ValueError, "tol = 0.0, expected a positive number"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(change, error, message):
    with pytest.raises(error, match=message):
        device.solve_batch(**({"P": GOOD, "r": REWARD, "gamma": 0.9} | change))


@pytest.mark.parametrize(
    ("pi", "message"),
    [
        (np.full((3, 2, 2), 0.6), r"pi\[0, 0\] = \[0.6 0.6\], expected probabilities"),
        (np.full((3, 2), 2), r"pi\[0, 0\] = 2, expected an action from 0 to 1"),
        (np.full((2, 2), 0.5), r"pi has shape \(2, 2\), expected \(3, 2, 2\)"),
    ],
)
def test_evaluate_batch_refuses_what_is_no_policy(pi, message):
    with pytest.raises(ValueError, match=message):
        device.evaluate_batch(GOOD, REWARD, 0.9, pi)


def test_soft_solve_batch_refuses_a_temperature_of_zero():
    with pytest.raises(ValueError, match=r"alpha = 0.0, expected a positive temperature"):
        device.soft_solve_batch(GOOD, REWARD, 0.9, 0.0)


def test_results_are_pytrees():
    first = jax.tree.map(lambda field: field[0], device.solve_batch(GOOD, REWARD, 0.9))
    np.testing.assert_allclose(first.V, 10, rtol=1e-12)
