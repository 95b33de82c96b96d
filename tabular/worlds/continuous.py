"""Systems with continuous states in closed form: smooth maps with known slopes, linear systems with quadratic rewards.

Everything is a deterministic map of `x = (s, a)`, states before actions, and is written for arrays that know their
namespace (NumPy, JAX, `tabular.arithmetic`). A map has `value(x)`, shape (m,), and `jacobian(x)`, shape (m, n). A
policy is a map of s with one output, a single action; rewards and critics have one output too.

`rollout` follows a system and carries the derivative by the policy's parameters along, which is what backpropagation
through a model computes (Clavera et al. 2020, sec. 4.1). For a linear policy of a `LinearQuadratic` system the values,
the return and the policy gradient are known in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg


def size(matrix):
    """Frobenius norm: no less than the largest singular value, and submultiplicative too."""
    xp = matrix.__array_namespace__()
    return xp.sqrt(xp.sum(matrix * matrix))


# Maps


@dataclass(frozen=True)
class Affine:
    """`y = W x + b`."""

    W: Any
    """Shape (m, n)."""
    b: Any = 0
    """Shape (m,)."""

    def value(self, x):
        return self.W @ x + self.b

    def jacobian(self, x):
        return self.W

    def features(self, x):
        """Derivative of a single output by its parameters W."""
        return x


@dataclass(frozen=True)
class Smooth:
    """`y = W x + C tanh(U x) + b`: any smooth map, nearly, with enough terms; its bounds hold globally."""

    W: Any
    """Shape (m, n)."""
    C: Any
    """Shape (m, k)."""
    U: Any
    """Shape (k, n)."""
    b: Any = 0
    """Shape (m,)."""

    def value(self, x):
        return self.W @ x + self.C @ _tanh(self.U @ x) + self.b

    def jacobian(self, x):
        bend = _tanh(self.U @ x)
        return self.W + (self.C * (1 - bend * bend)) @ self.U

    def features(self, x):
        """Derivative of a single output by its parameters (W, C)."""
        return x.__array_namespace__().concat([x, _tanh(self.U @ x)])

    def of(self, columns: slice) -> Smooth:
        """The map of some of its arguments, the others being held."""
        return Smooth(self.W[:, columns], self.C, self.U[:, columns], self.b)

    @property
    def slope(self):
        """A bound of `size(jacobian(x))` for all x."""
        return size(self.W) + size(self.C) * size(self.U)

    @property
    def curvature(self):
        """A Lipschitz constant of the Jacobian: `|tanh''| <= 4 / (3 sqrt(3)) < 77 / 100`."""
        return 77 * size(self.C) * size(self.U) ** 2 / 100


@dataclass(frozen=True)
class Quadratic:
    """`y = -x' M x / 2`, M symmetric: minus a cost, with one output."""

    M: Any
    """Shape (n, n)."""

    def value(self, x):
        return -(x[None, :] @ self.M @ x) / 2

    def jacobian(self, x):
        return -(x @ self.M)[None, :]


def _tanh(x):
    return x.__array_namespace__().tanh(x)


# Rollouts with their derivative


@dataclass(frozen=True)
class Rollout:
    """A trajectory and its derivative by the parameters of the policy."""

    x: list
    """`(s_t, a_t)` for t = 0, ..., H, each of shape (n + 1,)."""
    dx: list
    """Its derivative, each of shape (n + 1, p)."""


def rollout(system, policy, start, noise) -> Rollout:
    """H steps of `s' = system(s, a) + noise_t`, `a = policy(s)`, and the derivative along them.

        da_t = features(s_t) + policy'(s_t) ds_t,      ds_{t+1} = system'(x_t) (ds_t, da_t)

    Args:
      system: a map of (s, a) to the next s.
      policy: a map of s to one action, with `features`: its derivative by the parameters.
      start: s_0, shape (n,).
      noise: shape (H, n). The same noise in two systems is the reparametrisation that makes their rollouts comparable.
    """
    xp = start.__array_namespace__()
    s, ds = start, xp.zeros((len(start), len(policy.features(start))))
    steps = Rollout([], [])
    for t in range(len(noise) + 1):
        steps.x.append(xp.concat([s, policy.value(s)]))
        steps.dx.append(xp.concat([ds, policy.features(s)[None, :] + policy.jacobian(s) @ ds]))
        if t < len(noise):
            s, ds = system.value(steps.x[t]) + noise[t], system.jacobian(steps.x[t]) @ steps.dx[t]
    return steps


def expanded_return(steps: Rollout, reward, critic, gamma) -> Any:
    """MAAC's objective on one rollout, `sum_{t<H} gamma^t r(s_t, a_t) + gamma^H Q(s_H, a_H)`."""
    H = len(steps.x) - 1
    return sum((gamma**t * reward.value(steps.x[t])[0] for t in range(H)), gamma**H * critic.value(steps.x[H])[0])


def expanded_gradient(steps: Rollout, reward, critic, gamma) -> Any:
    """Its derivative by the parameters of the policy through the system, the critic being frozen; shape (p,)."""
    H = len(steps.x) - 1
    last = gamma**H * (critic.jacobian(steps.x[H]) @ steps.dx[H])[0]
    return sum((gamma**t * (reward.jacobian(steps.x[t]) @ steps.dx[t])[0] for t in range(H)), last)


# Linear systems with quadratic rewards


@dataclass(frozen=True)
class LinearQuadratic:
    """`s' = A s + B a`, reward `-x' M x / 2` with `x = (s, a)`, discount gamma; linear policies `a = K s`."""

    A: Any
    """Shape (n, n)."""
    B: Any
    """Shape (n, m)."""
    M: Any
    """Cost, symmetric, shape (n + m, n + m)."""
    gamma: Any

    @property
    def step(self) -> Affine:
        """The system as a map of (s, a)."""
        return Affine(_joined(self.A, self.B))

    @property
    def reward(self) -> Quadratic:
        return Quadratic(self.M)


def double_integrator(dt: Any = 0.05, gamma: Any = 0.99) -> LinearQuadratic:
    """A mass on a line, pushed: `p' = p + dt v`, `v' = v + dt a`, cost `(p^2 + v^2 + a^2) / 2`.

    The defaults are those of Clavera et al. 2020, sec. 5.2, in their code; `dt` may be an array of any namespace.

    Raises:
      ValueError for a time step that isn't positive.
    """
    if isinstance(dt, float | int) and not 0 < dt < np.inf:
        raise ValueError(f"dt = {dt}, expected a positive time step.")
    xp = np if isinstance(dt, float | int) else dt.__array_namespace__()
    A = xp.eye(2) + dt * xp.asarray([[0.0, 1.0], [0.0, 0.0]])
    return LinearQuadratic(A, dt * xp.asarray([[0.0], [1.0]]), xp.eye(3), gamma)


def growth(system: LinearQuadratic, K: np.ndarray) -> float:
    """`sqrt(gamma)` times the spectral radius of A + B K (NumPy only): the return of `K` is finite if it is below 1."""
    return float(np.sqrt(system.gamma) * max(abs(np.linalg.eigvals(system.A + system.B @ K))))


def value_matrix(system: LinearQuadratic, K):
    """Values of a linear policy, `V(s) = -s' P s / 2` with `P = N' M N + gamma F' P F`, N = (I; K), F = A + B K.

    Args:
      K: gains, shape (m, n). `growth` below 1 is needed, or the equation has a solution that is no value.

    Raises:
      ValueError for gains whose return is infinite (for NumPy arrays).
    """
    xp = K.__array_namespace__()
    if xp is np and growth(system, K) >= 1:
        raise ValueError(
            f"K = {K.tolist()} has sqrt(gamma) * spectral radius = {growth(system, K):.6g}, expected below 1: the "
            "return is infinite. optimal_gain(system) gives gains that stabilise it."
        )
    N = _with_action(K)
    return _discounted_sum(system.A + system.B @ K, N.mT @ system.M @ N, system.gamma)


def critic_matrix(system: LinearQuadratic, K):
    """Action values of a linear policy, `Q(x) = -x' H x / 2` with `H = M + gamma (A B)' P (A B)`."""
    W = _joined(system.A, system.B)
    return system.M + system.gamma * (W.mT @ value_matrix(system, K) @ W)


def linear_return(system: LinearQuadratic, K, start):
    """Return of a linear policy, `-tr(P S_0) / 2` for the second moments `start = E s_0 s_0'`, shape (n, n)."""
    xp = K.__array_namespace__()
    return -xp.sum(value_matrix(system, K) * start) / 2


def linear_gradient(system: LinearQuadratic, K, start):
    """Policy gradient, `-(H_aa K + H_as) S` with the discounted moments `S = sum_t gamma^t E s_t s_t'`; shape of K.

    It is the deterministic policy gradient, `sum_t gamma^t E dQ/da s_t'`; without its factor 1/2 and with minus signs,
    that of Fazel et al. 2018, Lemma 1.
    """
    return -_action_slope(system, K) @ _discounted_sum((system.A + system.B @ K).mT, start, system.gamma)


def linear_expansion_gradient(system: LinearQuadratic, K, start, H: int):
    """Gradient of MAAC's objective with the true system and frozen true critic: the terms t <= H of the gradient."""
    F, moments, total = system.A + system.B @ K, start, start
    for _ in range(H):
        moments = system.gamma * (F @ moments @ F.mT)
        total = total + moments
    return -_action_slope(system, K) @ total


def optimal_gain(system: LinearQuadratic) -> np.ndarray:
    """The best linear policy, from the Riccati equation; the best of all policies for any start. NumPy only.

    Raises:
      ValueError if no linear policy has a finite return, or the cost of actions isn't positive.
    """
    n, root = len(system.A), np.sqrt(system.gamma)
    M_s, M_a, M_sa = system.M[:n, :n], system.M[n:, n:], system.M[:n, n:]
    try:
        P = scipy.linalg.solve_discrete_are(root * system.A, root * system.B, M_s, M_a, s=M_sa)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "the Riccati equation has no stabilising solution. Give actions a positive cost M[n:, n:], and a B that "
            "reaches whatever grows."
        ) from error
    H = system.M + system.gamma * system.step.W.T @ P @ system.step.W
    return -np.linalg.solve(H[n:, n:], H[n:, :n])


def _action_slope(system: LinearQuadratic, K):
    """`H_aa K + H_as`: minus the derivative of Q by the action is this times s."""
    n = len(system.A)
    return (critic_matrix(system, K) @ _with_action(K))[n:]


def _discounted_sum(F, X, gamma):
    """`sum_t gamma^t F'^t X F^t`: the solution of `Y = X + gamma F' Y F`."""
    xp, n = F.__array_namespace__(), len(F)
    pairs = (F.mT[:, None, :, None] * F.mT[None, :, None, :]).reshape(n * n, n * n)
    return xp.linalg.solve(xp.eye(n * n) - gamma * pairs, X.reshape(n * n)).reshape(n, n)


def _with_action(K):
    """N with `(s, K s) = N s`."""
    xp = K.__array_namespace__()
    return xp.concat([xp.eye(K.shape[1]), K])


def _joined(A, B):
    """(A B), so that `s' = (A B) x`."""
    return A.__array_namespace__().concat([A, B], axis=1)
