"""Continuous systems: slopes against samples, derivatives against complex steps, LQR against simulation and Riccati."""

from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import exact
from tabular.worlds.continuous import (
    Affine,
    LinearQuadratic,
    Quadratic,
    Smooth,
    critic_matrix,
    double_integrator,
    expanded_gradient,
    expanded_return,
    growth,
    linear_expansion_gradient,
    linear_gradient,
    linear_return,
    optimal_gain,
    rollout,
    size,
    value_matrix,
)

K = np.array([[-1.0, -1.0]])
CORNER = np.array([[1.0, 1.0], [1.0, 1.0]])
STEP = 1e-30


def smooth(rng, m: int, n: int, k: int = 3) -> Smooth:
    return Smooth(rng.normal(size=(m, n)), rng.normal(size=(m, k)), rng.normal(size=(k, n)), rng.normal(size=m))


def random_lq(seed: int) -> tuple[LinearQuadratic, np.ndarray, np.ndarray]:
    """A stable random system of 3 states and 2 actions with cross costs, gains, and moments of the start."""
    rng = np.random.default_rng(seed)
    A, B, gains = rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), 0.2 * rng.normal(size=(2, 3))
    A = 0.8 * A / max(abs(np.linalg.eigvals(A + B @ gains)))
    B = 0.8 * B
    root, start = rng.normal(size=(5, 5)), rng.normal(size=(3, 3))
    return LinearQuadratic(A, B, root @ root.T + np.eye(5), 0.9), gains, start @ start.T


def simulated(system: LinearQuadratic, gains, start: np.ndarray, T: int = 3000):
    """Return from one state by adding up rewards; works for complex gains."""
    s, total = start, 0.0
    for t in range(T):
        x = np.concatenate([s, gains @ s])
        total = total - system.gamma**t * (x @ system.M @ x) / 2
        s = system.A @ s + system.B @ (gains @ s)
    return total


def test_smooth_jacobian_is_the_complex_step():
    rng = np.random.default_rng(0)
    f, x, v = smooth(rng, 2, 3), rng.normal(size=3), rng.normal(size=3)
    assert f.jacobian(x) @ v == pytest.approx(f.value(x + 1j * STEP * v).imag / STEP, rel=1e-13)


def test_smooth_bounds_hold_between_random_points():
    rng = np.random.default_rng(1)
    for _ in range(200):
        f, x = smooth(rng, 2, 3), rng.normal(size=3)
        y = x + rng.normal(size=3) * 10 ** rng.uniform(-3, 0)
        assert size(f.jacobian(x)) <= f.slope
        assert size(f.jacobian(x) - f.jacobian(y)) <= f.curvature * np.linalg.norm(x - y)


def test_smooth_curvature_is_that_of_tanh():
    """`|tanh''|` is largest, 4 / (3 sqrt 3) = .7698, where tanh^2 = 1/3; the constant .77 is just above."""
    f, x = Smooth(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1))), np.array([np.arctanh(1 / np.sqrt(3))])
    slope = size(f.jacobian(x + 1e-5) - f.jacobian(x - 1e-5)) / 2e-5
    assert slope == pytest.approx(4 / (3 * np.sqrt(3)), rel=1e-6)
    assert slope <= f.curvature <= 1.001 * slope


def test_smooth_of_some_columns_has_their_slope():
    f = smooth(np.random.default_rng(2), 2, 3)
    states = f.of(slice(0, 2))
    assert (states.W == f.W[:, :2]).all() and (states.U == f.U[:, :2]).all()
    assert states.slope < f.slope


def test_quadratic_slope_is_the_complex_step():
    rng = np.random.default_rng(3)
    root, x, v = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)
    cost = Quadratic(root @ root.T)
    assert cost.jacobian(x) @ v == pytest.approx(cost.value(x + 1j * STEP * v).imag / STEP, rel=1e-13)


def test_rollout_carries_the_derivative_by_the_parameters():
    """Against complex steps in each parameter of a policy that isn't linear, with noise."""
    rng = np.random.default_rng(4)
    f, pi, r, Q = smooth(rng, 2, 3), smooth(rng, 1, 2), smooth(rng, 1, 3), smooth(rng, 1, 3)
    start, noise = rng.normal(size=2), rng.normal(size=(4, 2))
    gradient = expanded_gradient(rollout(f, pi, start, noise), r, Q, 0.9)
    assert gradient.shape == (5,)
    for i, direction in enumerate(np.eye(5)):
        W, C = pi.W + 1j * STEP * direction[None, :2], pi.C + 1j * STEP * direction[None, 2:]
        moved = rollout(f, Smooth(W, C, pi.U, pi.b), start + 0j, noise)
        assert gradient[i] == pytest.approx(expanded_return(moved, r, Q, 0.9).imag / STEP, rel=1e-11)


def test_double_integrator_is_a_mass_on_a_line():
    system = double_integrator(dt=0.1)
    assert system.step.value(np.array([1.0, 2.0, 3.0])) == pytest.approx([1.2, 2.3])
    assert system.reward.value(np.array([1.0, 2.0, 3.0])) == pytest.approx([-7])
    assert double_integrator().gamma == 0.99


def test_linear_return_is_the_simulated_one():
    system, gains, _ = random_lq(0)
    s = np.array([1.0, -2.0, 0.5])
    assert linear_return(system, gains, np.outer(s, s)) == pytest.approx(simulated(system, gains, s), rel=1e-12)


def test_critic_is_one_step_of_the_simulation():
    system, gains, _ = random_lq(1)
    s, a = np.array([1.0, -2.0, 0.5]), np.array([0.3, -0.7])
    x = np.concatenate([s, a])
    after = simulated(system, gains, system.A @ s + system.B @ a)
    expected = -(x @ system.M @ x) / 2 + system.gamma * after
    assert -(x @ critic_matrix(system, gains) @ x) / 2 == pytest.approx(expected, rel=1e-12)


def test_linear_gradient_is_the_complex_step_of_the_return():
    system, gains, start = random_lq(2)
    gradient = linear_gradient(system, gains, start)
    for i in np.ndindex(gains.shape):
        moved = gains.astype(complex)
        moved[i] += 1j * STEP
        assert gradient[i] == pytest.approx(linear_return(system, moved, start).imag / STEP, rel=1e-10)


@pytest.mark.parametrize("H", [0, 1, 7])
def test_expansion_gradient_is_that_of_a_rollout_with_the_true_critic(H):
    system, s = double_integrator(), np.array([1.0, -0.5])
    steps = rollout(system.step, Affine(K), s, np.zeros((H, 2)))
    critic = Quadratic(critic_matrix(system, K))
    found = linear_expansion_gradient(system, K, np.outer(s, s), H)
    assert found[0] == pytest.approx(expanded_gradient(steps, system.reward, critic, system.gamma), rel=1e-11)
    J = expanded_return(steps, system.reward, critic, system.gamma)
    assert J == pytest.approx(linear_return(system, K, np.outer(s, s)), rel=1e-12)


def test_expansion_gradient_tends_to_the_policy_gradient():
    """Relative errors at gamma .9, dt .05, K = (-1, -1) from (1, 0)."""
    system, start = double_integrator(gamma=0.9), np.diag([1.0, 0.0])
    exact_gradient = linear_gradient(system, K, start)
    errors = [linear_expansion_gradient(system, K, start, H) - exact_gradient for H in (0, 5, 20, 200)]
    relative = [np.linalg.norm(error) / np.linalg.norm(exact_gradient) for error in errors]
    assert relative == pytest.approx([0.8632, 0.3941, 0.0182, 0], abs=5e-5)


def test_optimal_gain_solves_the_riccati_recursion():
    system, _, _ = random_lq(3)
    P = np.zeros((3, 3))
    for _ in range(2000):
        W = np.hstack([system.A, system.B])
        H = system.M + system.gamma * W.T @ P @ W
        gains = -np.linalg.solve(H[3:, 3:], H[3:, :3])
        N = np.vstack([np.eye(3), gains])
        P = N.T @ H @ N
    assert optimal_gain(system) == pytest.approx(gains, rel=1e-9)
    assert value_matrix(system, gains) == pytest.approx(P, rel=1e-9)


def test_optimal_gain_has_no_gradient_and_the_largest_return():
    system = double_integrator()
    best = optimal_gain(system)
    assert best == pytest.approx(np.array([[-0.804142, -1.518210]]), abs=1e-6)
    assert abs(linear_gradient(system, best, CORNER)).max() < 1e-9 * abs(linear_gradient(system, K, CORNER)).max()
    assert linear_return(system, best, CORNER) > linear_return(system, 1.01 * best, CORNER)
    assert linear_return(system, best, CORNER) > linear_return(system, 0.99 * best, CORNER)


def test_value_matrix_of_fractions_solves_its_equation_exactly():
    tenth = exact.asarray(Fraction(1, 10))
    system, gains = double_integrator(tenth, exact.asarray(Fraction(9, 10))), exact.asarray(K)
    P = value_matrix(system, gains)
    F, N = system.A + system.B @ gains, exact.concat([exact.eye(2), gains])
    assert (P == N.mT @ system.M @ N + system.gamma * (F.mT @ P @ F)).all()
    assert P.rational


def test_gains_without_a_finite_return_are_refused():
    with pytest.raises(ValueError, match=r"K = \[\[1.0, 1.0\]\] has sqrt\(gamma\) \* spectral radius = 1.07"):
        value_matrix(double_integrator(dt=0.05), -K)
    assert growth(double_integrator(dt=0.05), -K) > 1


def test_a_system_that_nothing_stabilises_is_refused():
    system = LinearQuadratic(2 * np.eye(2), np.zeros((2, 1)), np.eye(3), 0.9)
    with pytest.raises(ValueError, match="Riccati"):
        optimal_gain(system)


@pytest.mark.parametrize("dt", [0, -0.1, np.inf, np.nan])
def test_a_time_step_that_is_none_is_refused(dt):
    with pytest.raises(ValueError, match="positive time step"):
        double_integrator(dt)
