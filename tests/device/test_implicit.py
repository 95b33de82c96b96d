"""Soft-optimal values and their derivatives, against complex steps, linear algebra and published numbers."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular import device
from tabular.mdp import MDP
from tabular.operators import soft_bellman, soft_value, softmax_policy
from tests.instances import random_mdp

FIGURES = Path(__file__).parents[1] / "reference" / "tabular_figures.json"
TWO_STATE_P = np.array([[[0.7, 0.3], [0.99, 0.01]], [[0.2, 0.8], [0.99, 0.01]]])
TWO_STATE_R = np.array([[-0.45, -0.1], [0.5, 0.5]])


def two_state():
    """Dadashi et al. 2019, appendix A(d), with the discount and start of Nikishin et al. 2021."""
    return tb.make_mdp(TWO_STATE_P, TWO_STATE_R, gamma=0.9, rho=np.array([0.5, 0.5]))


def mdp_of_few_shapes(seed, i, **given):
    """A random MDP of one of three shapes, since each is compiled."""
    S, A = ((2, 2), (4, 3), (8, 2))[i % 3]
    return random_mdp(seed, i, S=S, A=A, **given)


def with_infeasible_actions():
    """Four states; one action of each of the first two is infeasible."""
    mdp = random_mdp(5, 1, S=4, A=3, gamma=0.9)
    r = mdp.r.copy()
    r[0, 1] = r[1, 2] = -np.inf
    return tb.make_mdp(mdp.P, r, gamma=0.9)


# independent route: Newton's method in complex arithmetic, NumPy only


def complex_soft_value(Q, alpha):
    top = Q.real.max(1)
    return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(1))


def complex_softmax(Q, alpha):
    weights = np.exp((Q - Q.real.max(1)[:, None]) / alpha)
    return weights / weights.sum(1)[:, None]


def complex_soft_q(P, r, gamma, alpha) -> Any:
    """The soft-optimal Q of complex P and r; logsumexp is analytic, so imaginary parts carry exact derivatives."""
    S = len(r)
    V = np.zeros(S, complex)
    for _ in range(100):
        Q = r + gamma * P @ V
        chain = np.einsum("sa,sat->st", complex_softmax(Q, alpha), P)
        step = np.linalg.solve(np.eye(S) - gamma * chain, complex_soft_value(Q, alpha) - V)
        V = V + step
        if abs(step.real).max() < 1e-13 * (1 + abs(V.real).max()) and abs(step.imag).max() < 1e-13 * abs(V.imag).max():
            break
    return r + gamma * P @ V


def complex_return(P, r, gamma, rho, pi):
    chain, reward = np.einsum("sa,sat->st", pi, P), (pi * r).sum(1)
    return rho @ np.linalg.solve(np.eye(len(r)) - gamma * chain, reward)


STEP = 1e-30


def directions(rng, P):
    """A change of P that keeps rows summing to 1, and one of r, of size 1."""
    dP = rng.normal(size=P.shape) * P
    return dP - P * dP.sum(-1, keepdims=True), rng.normal(size=P.shape[:-1])


# values


def test_soft_q_equals_the_published_values():
    Q = device.soft_q(device.to_device(two_state()), 0.01)
    published = [[0.163638075, 0.062820092], [1.890910460, 0.662820092]]
    np.testing.assert_allclose(Q, published, atol=5e-9)


def test_policy_return_equals_the_published_returns():
    mdp = device.to_device(two_state())
    soft_optimal = softmax_policy(device.soft_q(mdp, 0.01), 0.01)
    assert device.policy_return(mdp, soft_optimal) == pytest.approx(1.0272550903, abs=1e-9)
    assert device.policy_return(mdp, jnp.full((2, 2), 0.5)) == pytest.approx(-0.855, abs=1e-12)
    deterministic = {(0, 0): 1.0272727273, (0, 1): -2.0892149088, (1, 0): 0.2249134948, (1, 1): -0.646}
    for actions, J in deterministic.items():
        assert device.policy_return(mdp, jnp.eye(2)[jnp.array(actions)]) == pytest.approx(J, abs=1e-9)


def test_soft_q_is_a_fixed_point_within_its_error():
    for i in range(40):
        mdp = mdp_of_few_shapes(1, i)
        solution = device.solve_soft(mdp, 0.1)
        assert solution.converged
        gap = abs(soft_bellman(device.to_device(mdp), solution.Q, 0.1) - solution.Q).max()
        assert gap <= (1 + mdp.gamma) * solution.error


@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_soft_q_agrees_with_the_host(alpha):
    for i in range(100):
        mdp = mdp_of_few_shapes(2, i)
        host = tb.soft_solve(mdp, alpha)
        solution = device.solve_soft(mdp, alpha)
        assert abs(host.Q - solution.Q).max() <= host.error + solution.error
        assert abs(host.Q - solution.Q).max() <= 1e-9 * max(1, abs(host.V).max())


def test_policy_functions_agree_with_the_host():
    rng = np.random.default_rng(3)
    for i in range(50):
        mdp = mdp_of_few_shapes(3, i)
        pi = rng.dirichlet(np.ones(mdp.A), size=mdp.S)
        host = tb.evaluate(mdp, pi)
        scale = max(1, abs(host.V).max()) / (1 - mdp.gamma)
        np.testing.assert_allclose(device.policy_v(mdp, pi), host.V, rtol=0, atol=1e-13 * scale)
        np.testing.assert_allclose(device.policy_q(mdp, pi), host.Q, rtol=0, atol=1e-13 * scale)
        np.testing.assert_allclose(device.policy_return(mdp, pi), host.J, rtol=0, atol=1e-13 * scale)
        np.testing.assert_allclose(device.occupancy(mdp, pi), host.occupancy, rtol=0, atol=1e-13 / (1 - mdp.gamma) ** 2)


def test_soft_q_of_a_large_problem_uses_lu():
    rng = np.random.default_rng(4)
    mdp = tb.make_mdp(rng.dirichlet(np.ones(60), size=(60, 3)), rng.normal(size=(60, 3)), gamma=0.95)
    np.testing.assert_allclose(device.soft_q(mdp, 0.2), tb.soft_solve(mdp, 0.2).Q, rtol=0, atol=1e-10)


def test_soft_q_starts_where_it_is_told():
    mdp = mdp_of_few_shapes(6, 1, gamma=0.9)
    cold = device.solve_soft(mdp, 0.1)
    warm = device.solve_soft(mdp, 0.1, start=cold.Q)
    far = device.solve_soft(mdp, 0.1, start=cold.Q + 1e6)
    assert warm.iterations <= 2 < cold.iterations
    np.testing.assert_allclose(far.Q, cold.Q, rtol=0, atol=float(cold.error + far.error))


# derivatives: compiled functions of (true MDP, model, ...), so that each shape compiles once


@jax.jit
def derivatives_of_soft_q(model, alpha, c, dP, dr):
    """Of `sum c Q`: the directional derivative in forward mode, and the gradients by P and r."""

    def objective(P, r):
        return jnp.sum(c * device.soft_q(replace(model, P=P, r=r), alpha))

    _, forward = jax.jvp(objective, (model.P, model.r), (dP, dr))
    return forward, *jax.grad(objective, argnums=(0, 1))(model.P, model.r)


@jax.jit
def return_and_gradients(true, model, alpha):
    """J in the true MDP of the model's soft-optimal policy, and its gradients by the model's P and r."""

    def J(P, r):
        Q = device.soft_q(replace(model, P=P, r=r), alpha)
        return device.policy_return(true, softmax_policy(Q, alpha))

    return J(model.P, model.r), *jax.grad(J, argnums=(0, 1))(model.P, model.r)


def unit_mdps():
    return json.loads(FIGURES.read_text())["unit_mdps"]


@pytest.mark.parametrize("case", unit_mdps(), ids=lambda case: f"seed{case['seed']}")
def test_gradient_of_the_return_equals_the_reference(case):
    """Four published MDPs: the return in the true MDP of the model's soft-optimal policy, and its gradients."""
    alpha, gamma = case["temperature"], case["gamma"]
    true = device.to_device(tb.make_mdp(case["P"], case["R"], gamma=gamma, rho=np.array(case["rho"])))

    def model(logits, r):
        return replace(true, P=jax.nn.softmax(logits, axis=-1), r=r)

    @jax.jit
    def answers(logits, r):
        def J(logits, r):
            Q = device.soft_q(model(logits, r), alpha)
            return device.policy_return(true, softmax_policy(Q, alpha)), Q

        (value, Q), gradients = jax.value_and_grad(J, argnums=(0, 1), has_aux=True)(logits, r)
        return {"soft_Q_model": Q, "J_of_model": value, "dJ_dlogits": gradients[0], "dJ_dR": gradients[1]}

    found = answers(jnp.array(case["model_logits"]), jnp.array(case["model_R"]))
    for name, answer in (found | {"soft_Q_true": device.soft_q(true, alpha)}).items():
        expected = np.array(case[name])
        assert abs(answer - expected).max() <= 1e-8 * max(1, abs(expected).max()), name


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0])
def test_derivative_of_soft_q_equals_a_complex_step(alpha):
    """Scaled by the size of the adjoint, |c|_1 / (1 - gamma), times what is varied and the condition of the softmax."""
    for i in range(60):
        mdp = mdp_of_few_shapes(7, i, gamma=(0.5, 0.9, 0.99)[i // 3 % 3])
        rng = np.random.default_rng([7, i])
        dP, dr = directions(rng, mdp.P)
        c = rng.normal(size=mdp.r.shape)
        Q = complex_soft_q(mdp.P + STEP * 1j * dP, mdp.r + STEP * 1j * dr, mdp.gamma, alpha)
        expected = (c * Q.imag).sum() / STEP
        forward, gP, gr = derivatives_of_soft_q(device.to_device(mdp), alpha, c, dP, dr)
        reverse = (gP * dP).sum() + (gr * dr).sum()
        top = abs(Q.real).max()
        scale = abs(c).sum() / (1 - mdp.gamma) * (abs(dr).max() + abs(dP).sum(-1).max() * top) * (1 + top / alpha)
        assert abs(forward - expected) <= 1e-14 * scale
        assert abs(reverse - expected) <= 1e-14 * scale


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0])
def test_gradient_of_the_return_equals_a_complex_step_through_the_fixed_point(alpha):
    """J(softmax(Q / alpha)) in another MDP, as optimal model design has it.

    The adjoint of Q is mu (Q^pi - V^pi) / alpha: its size is taken before the two values cancel.
    """
    for i in range(60):
        model = mdp_of_few_shapes(8, i, gamma=(0.5, 0.9, 0.99)[i // 3 % 3])
        true = random_mdp(9, i, S=model.S, A=model.A, gamma=model.gamma)
        dP, dr = directions(np.random.default_rng([8, i]), model.P)
        Q = complex_soft_q(model.P + STEP * 1j * dP, model.r + STEP * 1j * dr, model.gamma, alpha)
        expected = complex_return(true.P, true.r, true.gamma, true.rho, complex_softmax(Q, alpha)).imag / STEP
        _, gP, gr = return_and_gradients(device.to_device(true), device.to_device(model), alpha)
        answer = (gP * dP).sum() + (gr * dr).sum()
        host, top = tb.evaluate(true, np.asarray(softmax_policy(Q.real, alpha))), abs(Q.real).max()
        adjoint = (host.occupancy * (abs(host.Q) + abs(host.V)[:, None])).sum() / alpha / (1 - model.gamma)
        scale = adjoint * (abs(dr).max() + abs(dP).sum(-1).max() * top) * (1 + top / alpha)
        assert abs(answer - expected) <= 1e-13 * scale


def test_gradient_at_a_discount_of_99_hundredths_is_exact():
    """Iterating the adjoint to a relative change of 1e-10 leaves 5e-6 at this discount; the solve leaves rounding."""
    mdp, alpha = random_mdp(10, 0, S=8, A=2, gamma=0.99), 0.05
    c = np.random.default_rng(10).normal(size=(8, 2))
    _, _, gr = derivatives_of_soft_q(device.to_device(mdp), alpha, c, np.zeros((8, 2, 8)), np.zeros((8, 2)))
    pi = np.asarray(softmax_policy(device.soft_q(mdp, alpha), alpha))
    adjoint = np.eye(16) - mdp.gamma * np.einsum("sat,tb->satb", np.asarray(mdp.P), pi).reshape(16, 16).T
    np.testing.assert_allclose(gr.ravel(), np.linalg.solve(adjoint, c.ravel()), rtol=0, atol=1e-11 * abs(c).sum())


def test_derivative_by_the_temperature_and_the_discount_equals_a_complex_step():
    mdp, alpha = random_mdp(11, 0, S=2, A=2, gamma=0.9), 0.3

    @jax.jit
    def derivatives(gamma, alpha):
        return jax.jacfwd(lambda gamma, alpha: device.soft_q(replace(mdp, gamma=gamma), alpha), (0, 1))(gamma, alpha)

    by_gamma, by_alpha = derivatives(mdp.gamma, alpha)
    P, r = mdp.P.astype(complex), mdp.r.astype(complex)
    scale = 1e-12 * abs(mdp.r).max() / (1 - mdp.gamma) ** 2 / alpha
    expected = complex_soft_q(P, r, mdp.gamma, alpha + STEP * 1j).imag / STEP
    np.testing.assert_allclose(by_alpha, expected, rtol=0, atol=scale)
    expected = complex_soft_q(P, r, mdp.gamma + STEP * 1j, alpha).imag / STEP
    np.testing.assert_allclose(by_gamma, expected, rtol=0, atol=scale)


def test_derivative_of_the_return_by_the_policy_is_occupancy_times_q():
    """The policy gradient theorem before any parametrisation: dJ/dpi = mu Q, also where pi is 0."""
    mdp = random_mdp(12, 0, S=4, A=3, gamma=0.9)
    pi = jnp.eye(3)[jnp.array([0, 2, 1, 1])]
    g = jax.jit(jax.grad(lambda pi: device.policy_return(mdp, pi)))(pi)
    visits = device.occupancy(mdp, pi).sum(1)
    np.testing.assert_allclose(g, visits[:, None] * device.policy_q(mdp, pi), rtol=1e-12, atol=1e-12)


def test_infeasible_actions_have_zero_gradient():
    mdp, alpha = device.to_device(with_infeasible_actions()), 0.1
    J, gP, gr = return_and_gradients(mdp, mdp, alpha)
    assert (device.soft_q(mdp, alpha)[~mdp.feasible] == -jnp.inf).all()
    assert jnp.isfinite(gP).all() and jnp.isfinite(gr).all()
    assert (gr[~mdp.feasible] == 0).all() and (gP[~mdp.feasible] == 0).all()
    assert abs(gr[mdp.feasible]).min() > 0
    _, gP, gr = derivatives_of_soft_q(mdp, alpha, np.ones((4, 3)), np.zeros((4, 3, 4)), np.zeros((4, 3)))
    assert (gr[~mdp.feasible] == 0).all() and (gP[~mdp.feasible] == 0).all()
    host = with_infeasible_actions()
    assert pytest.approx(tb.evaluate(host, tb.soft_solve(host, alpha).pi).J, abs=1e-10) == J


def test_return_of_an_infeasible_action_is_nan():
    assert jnp.isnan(device.policy_return(with_infeasible_actions(), jnp.full((4, 3), 1 / 3)))


def test_vmap_equals_a_loop():
    """Values, forward mode and reverse mode."""
    rng = np.random.default_rng(13)
    mdps = [device.to_device(random_mdp(13, i, S=2, A=2, gamma=0.95)) for i in range(20)]
    c, (dP, dr) = rng.normal(size=(20, 2, 2)), directions(rng, np.stack([mdp.P for mdp in mdps]))
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *mdps)
    Q = jax.vmap(lambda mdp: device.soft_q(mdp, 0.1))(batch)
    many = jax.vmap(derivatives_of_soft_q, in_axes=(0, None, 0, 0, 0))(batch, 0.1, c, dP, dr)
    for i, mdp in enumerate(mdps):
        scale = 1e-11 * float(1 + abs(Q[i]).max())
        np.testing.assert_allclose(Q[i], device.soft_q(mdp, 0.1), rtol=0, atol=scale)
        for batched, one in zip(many, derivatives_of_soft_q(mdp, 0.1, c[i], dP[i], dr[i]), strict=True):
            np.testing.assert_allclose(batched[i], one, rtol=0, atol=100 * scale)


def test_start_and_tolerance_have_no_derivative():
    mdp = mdp_of_few_shapes(14, 0)
    Q = device.soft_q(mdp, 0.1)
    assert (jax.grad(lambda start: device.soft_q(mdp, 0.1, start=start).sum())(Q) == 0).all()


def test_implicit_q_differentiates_at_the_q_it_is_given():
    """At any Q, adding 1 to all rewards adds 1 / (1 - gamma); the value stays what it was."""
    mdp, alpha = random_mdp(15, 0, S=2, A=2, gamma=0.9), 0.2
    disturbed = device.soft_q(mdp, alpha) + np.random.default_rng(15).normal(size=(2, 2))

    @jax.jit
    def push(r, dr):
        return jax.jvp(lambda r: device.implicit_q(replace(mdp, r=r), alpha, disturbed), (r,), (dr,))

    value, dQ = push(mdp.r, jnp.ones((2, 2)))
    assert (value == disturbed).all()
    np.testing.assert_allclose(dQ, 1 / (1 - mdp.gamma), rtol=1e-12)


# inverses


def dense_tangent(mdp, alpha, dP, dr, powers=None):
    """dQ by linear algebra on state-action pairs: the inverse of I - gamma M, or `powers` terms of its series."""
    n = mdp.S * mdp.A
    Q = np.asarray(device.soft_q(mdp, alpha))
    pi, V = np.asarray(softmax_policy(Q, alpha)), np.asarray(soft_value(Q, alpha))
    M = mdp.gamma * np.einsum("sat,tb->satb", mdp.P, pi).reshape(n, n)
    direct = (dr + mdp.gamma * dP @ V).ravel()
    if powers is None:
        return np.linalg.solve(np.eye(n) - M, direct).reshape(mdp.S, mdp.A)
    return np.sum([np.linalg.matrix_power(M, k) @ direct for k in range(powers)], axis=0).reshape(mdp.S, mdp.A)


INVERSES = {
    "exact": (device.exact, None),
    "identity": (device.identity, 1),
    "neumann7": (device.neumann(7), 7),
    "gmres": (device.gmres(1e-12), None),
    "cg": (device.cg(1e-12), None),
}


SIZES = {"exact": (2, 12, 30)}
"""Elimination written out, elimination in a loop, and LU; the others at 12 states."""


@partial(jax.jit, static_argnames="inverse")
def derivatives_with(inverse, model, alpha, c, dP, dr):
    """The directional derivative of Q in forward mode, and that of `sum c Q` in reverse mode under vmap."""

    def soft_q(P, r):
        return device.soft_q(replace(model, P=P, r=r), alpha, inverse=inverse)

    _, forward = jax.jvp(soft_q, (model.P, model.r), (dP, dr))
    gradient = jax.vmap(jax.grad(lambda P, r: jnp.sum(c * soft_q(P, r)), argnums=(0, 1)))
    gP, gr = gradient(model.P[None], model.r[None])
    return forward, jnp.sum(gP[0] * dP) + jnp.sum(gr[0] * dr)


@pytest.mark.parametrize(("name", "S"), [(name, S) for name in INVERSES for S in SIZES.get(name, (12,))])
def test_inverse_equals_dense_linear_algebra(name, S):
    inverse, powers = INVERSES[name]
    mdp, alpha = random_mdp(16, S, S=S, A=2, gamma=0.9), 0.5
    rng = np.random.default_rng([16, S])
    dP, dr = directions(rng, mdp.P)
    c = rng.normal(size=mdp.r.shape)
    expected = dense_tangent(mdp, alpha, dP, dr, powers)
    scale = 1e-9 * abs(expected).max() * S
    forward, reverse = derivatives_with(inverse, device.to_device(mdp), alpha, c, dP, dr)
    np.testing.assert_allclose(forward, expected, rtol=0, atol=scale)
    assert abs(reverse - (c * expected).sum()) <= scale * abs(c).sum()


@pytest.mark.parametrize("inverse", [device.identity, device.neumann(1)])
def test_identity_passes_the_derivative_by_q_on_to_the_reward(inverse):
    mdp = random_mdp(17, 0, S=2, A=2)
    c = np.random.default_rng(17).normal(size=mdp.r.shape)

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradient(P, r):
        return jnp.sum(c * device.soft_q(replace(mdp, P=P, r=r), 0.1, inverse=inverse))

    gP, gr = gradient(mdp.P, mdp.r)
    V = soft_value(device.soft_q(mdp, 0.1), 0.1)
    np.testing.assert_allclose(gr, c, rtol=0, atol=1e-15)
    np.testing.assert_allclose(gP, mdp.gamma * c[:, :, None] * V[None, None, :], rtol=1e-13)


def test_inverses_are_the_same_object_for_the_same_setting():
    """They are static arguments of compiled functions: a new object would be a new compilation."""
    assert device.neumann(3) is device.neumann(3)
    assert device.gmres(1e-8) is device.gmres(1e-8)
    assert device.cg(1e-8) is device.cg(1e-8)


# numerical hazards


@pytest.mark.parametrize("size", [1e3, 1e8])
def test_values_far_above_the_temperature_do_not_overflow(size):
    """exp(Q / alpha) overflows at Q = 7.1 for alpha = 0.01; the hard solution is the limit."""
    mdp = random_mdp(18, 0, S=4, A=3, gamma=0.9)
    mdp = tb.with_changes(mdp, r=mdp.r * size)
    solution = device.solve_soft(mdp, 0.01)
    assert solution.converged and jnp.isfinite(solution.Q).all()
    bonus = mdp.gamma * 0.01 * np.log(3) / (1 - mdp.gamma)
    assert abs(solution.Q - tb.solve(mdp).Q).max() <= bonus + 1e-11 * size / (1 - mdp.gamma)
    derivatives = derivatives_of_soft_q(
        device.to_device(mdp), 0.01, np.ones((4, 3)), np.ones((4, 3, 4)), np.ones((4, 3))
    )
    assert all(jnp.isfinite(derivative).all() for derivative in derivatives)


@pytest.mark.parametrize("where", ["P", "r", "start"])
def test_nan_is_a_failure_and_not_convergence(where):
    mdp = device.to_device(two_state())
    broken = mdp if where == "start" else replace(mdp, **{where: getattr(mdp, where).at[0, 0].set(jnp.nan)})
    start = jnp.full((2, 2), jnp.nan) if where == "start" else None
    solution = device.solve_soft(broken, 0.01, start=start)
    assert not solution.converged
    assert not solution.error <= 1e300
    assert jnp.isnan(device.soft_q(broken, 0.01, start=start)).all()
    gradient = jax.grad(lambda r: device.soft_q(replace(broken, r=r), 0.01, start=start).sum())
    assert jnp.isnan(gradient(broken.r)).any()


def test_a_broken_lane_leaves_the_others_alone():
    mdp = device.to_device(two_state())
    r = jnp.stack([mdp.r, mdp.r.at[0, 0].set(jnp.nan), mdp.r])
    Q = jax.vmap(lambda r: device.soft_q(replace(mdp, r=r), 0.01))(r)
    assert (Q[0] == Q[2]).all() and jnp.isfinite(Q[0]).all() and jnp.isnan(Q[1]).all()


def test_thousands_of_solves_compile_once():
    """A compilation for each solve filled the memory map of the authors' process after 363 of them."""
    mdps = [device.to_device(random_mdp(19, i, S=2, A=2)) for i in range(10)]
    labelled = [replace(mdp, states=("left", f"right {i}")) for i, mdp in enumerate(mdps)]
    gradient = jax.grad(lambda r, mdp: device.soft_q(replace(mdp, r=r), 0.1, inverse=device.neumann(4)).sum())
    gradient(labelled[0].r, labelled[0])
    device.soft_q(labelled[0], 0.1, inverse=device.neumann(4))
    device.policy_return(labelled[0], jnp.full((2, 2), 0.5))
    with count_compilations() as compilations:
        for i in range(2000):
            mdp = labelled[i % 10]
            device.soft_q(mdp, 0.1 + 1e-4 * i, inverse=device.neumann(4))
            if i % 20 == 0:
                gradient(mdp.r, mdp)
                device.policy_return(mdp, jnp.full((2, 2), 0.5))
    assert compilations == []


class count_compilations:
    """Names of what JAX compiles in a `with` block."""

    def __enter__(self):
        self.compilations = []
        jax.monitoring.register_event_duration_secs_listener(self.note)
        return self.compilations

    def note(self, event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            self.compilations.append(seconds)

    def __exit__(self, *_):
        jax.monitoring.unregister_event_duration_listener(self.note)


def test_thousands_of_warm_started_solves_run_in_a_scan():
    """Ten lanes of Newton's method and its gradient inside scan, with LU: none stuck and none failed."""
    mdp = device.to_device(random_mdp(20, 0, S=30, A=2, gamma=0.9))

    @partial(jax.vmap, in_axes=0)
    def descend(r):
        def step(carry, _):
            r, Q = carry
            (_, Q), g = jax.value_and_grad(lambda r: _loss(mdp, r, Q), has_aux=True)(r)
            return (r - 0.1 * g, Q), None

        return jax.lax.scan(step, (r, r), length=100)[0]

    r, Q = jax.jit(descend)(mdp.r[None] + jnp.arange(10.0)[:, None, None])
    assert jnp.isfinite(Q).all() and jnp.isfinite(r).all()


def _loss(mdp, r, start):
    Q = device.soft_q(replace(mdp, r=r), 0.1, start=start)
    return jnp.mean(Q**2), Q


# the door


def test_to_device_keeps_labels_and_numbers():
    mdp = tb.make_mdp(TWO_STATE_P, TWO_STATE_R, gamma=0.9, states=["left", "right"])
    moved = device.to_device(mdp)
    assert moved.states == ("left", "right") and isinstance(moved.P, jax.Array)
    assert (moved.P == TWO_STATE_P).all() and (moved.r == TWO_STATE_R).all() and moved.gamma == 0.9
    assert jax.tree.structure(moved) == jax.tree.structure(device.to_device(mdp))


def test_to_device_makes_sparse_dense_up_to_a_size():
    mdp = random_mdp(21, 0)
    sparse = mdp.to_sparse()
    np.testing.assert_array_equal(device.to_device(sparse).P, mdp.P)
    with pytest.raises(TypeError, match=r"SparseMDP.*to_device"):
        device.soft_q(sparse, 0.1)
    huge = tb.worlds.garnet(20_000, 2, 2, gamma=0.9)
    with pytest.raises(ValueError, match=r"6\.0 GiB as a dense MDP.*tabular\.solve"):
        device.to_device(huge)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alpha": 0.0}, ValueError, "alpha = 0.0, expected a positive temperature"),
        ({"alpha": np.nan}, ValueError, "alpha = nan, expected a positive temperature"),
        ({"start": np.zeros(2)}, ValueError, r"start has shape \(2,\), expected \(2, 2\)"),
        ({"mdp": MDP(TWO_STATE_P.astype("float32"), TWO_STATE_R, 0.9, np.ones(2) / 2)}, TypeError, "P is float32"),
        ({"mdp": MDP(TWO_STATE_P, TWO_STATE_R, 1.0, np.ones(2) / 2)}, ValueError, "gamma = 1.0, expected a discount"),
    ],
)
def test_soft_q_refuses_bad_input(change, error, message):
    arguments = {"mdp": two_state(), "alpha": 0.1, "start": None} | change
    with pytest.raises(error, match=message):
        device.soft_q(arguments["mdp"], arguments["alpha"], start=arguments["start"])


def test_inverses_refuse_bad_settings():
    with pytest.raises(ValueError, match="terms = 0, expected a whole number"):
        device.neumann(0)
    for inverse in (device.gmres, device.cg):
        with pytest.raises(ValueError, match="tol = 0, expected a relative residual"):
            inverse(0)


@pytest.mark.slow
def test_batches_of_large_systems_do_not_block_each_other():
    """Two batched LU decompositions at a time block both XLA threads of a machine with two cores, for ever (JAX 0.10).

    In a process of its own, since a blocked one can't be interrupted.
    """
    program = """
from tabular import fit
from tabular.models import aliased_blocks
from tabular.objectives import omd
from tabular.worlds import wall15
true = wall15()
found = fit(true, omd(0.1), aliased_blocks(true, 3, learns_reward=False), seeds=(0, 1), steps=20)
print(found.J.shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == "(1, 2)", done.stderr
