"""MnM's lower bounds on log J and the models that are best for them, in any arithmetic: what `claims.mnm` is about.

    L_w(q, pi)  =  E_q,pi sum_t gamma^t [ (1 - gamma) log(r_t / (1 - gamma)) - w KL(q(.|s_t, a_t) || p(.|s_t, a_t)) ]

`tabular.optimism` has the same quantities for users, in NumPy; tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabular.arithmetic import enclosed, exact, policy_chain, policy_values
from tabular.claims.claim import Instance

TINY = 2.0**-900
"""Stands for a probability of 0 where a model goes nevertheless: its divergence is then very large."""
NEWTON = 12
"""Steps of Newton's method: 3 to 8 are usual, after which nothing changes."""
REFINEMENTS = 3
"""Newton steps from a float64 solution to the accuracy of a ball."""
TIMES = 12
"""Times of the bounds that are summed time by time; the rest is bounded in closed form."""


# divergences and optimistic models


def kl(q, p):
    """`KL(q || p)` along the last axis, in nats; terms with q = 0 are 0."""
    xp = q.__array_namespace__()
    ratio = xp.where(q > 0, q, 1.0) / xp.where(p > 0, p, TINY)
    return xp.sum(xp.where(q > 0, q * xp.log(ratio), 0.0), axis=-1)


def powers(p, V):
    """`e^{V - top}` for rows p, and a number `top` near the largest V that a row can reach, so that nothing overflows.
    V has p's rank."""
    xp = p.__array_namespace__()
    top: Any = settled(xp.max(xp.where(p > 0, V, xp.min(V)), axis=-1))
    return xp.exp(xp.where(p > 0, V - top[..., None], 0.0)), top


def log_mean_exp(p, V):
    """`log E_p e^V` along the last axis, without overflow. V has p's rank."""
    raised, top = powers(p, V)
    xp = p.__array_namespace__()
    return top + xp.log(xp.sum(p * raised, axis=-1))


def tilted(P, V):
    """The model `q ~ P e^V` for values V (S,), shape (S, A, S)."""
    return rescaled(P * powers(P, V[None, None, :])[0])


def rescaled(weights):
    """Weights divided by their sum along the last axis."""
    return weights / weights.__array_namespace__().sum(weights, axis=-1)[..., None]


@dataclass(frozen=True)
class Optimism:
    """The operator `TV = E_pi [c + w log E_p e^{tilt V}]`, whose fixed point is the best value over all models.

    Over q, `E_q X - w KL(q || p)` is greatest at `q ~ p e^{X / w}`, where it is `w log E_p e^{X / w}` (Donsker and
    Varadhan). With X = gamma V that is a gamma-contraction.
    """

    P: Any
    """True dynamics, shape (S, A, S)."""
    c: Any
    """Reward, shape (S, A)."""
    gamma: Any
    """Discount."""
    weight: Any
    """w, the price of a nat of divergence."""
    tilt: Any
    """`gamma / w`; given apart, so that w = gamma = 0 needs no division."""
    pi: Any = None
    """Policy, shape (S, A); None for the best one: a maximum in place of the average."""

    def q_values(self, V):
        """The value of every action when the best model follows, shape (S, A)."""
        return self.c + self.weight * log_mean_exp(self.P, (self.tilt * V)[None, None, :])

    def backup(self, V):
        """TV, shape (S,)."""
        Q = self.q_values(V)
        xp = Q.__array_namespace__()
        return xp.max(Q, axis=1) if self.pi is None else xp.sum(self.pi * Q, axis=1)

    def newton(self, V):
        """One step of Newton's method on TV = V: the values of the model and policy that answer V."""
        xp = V.__array_namespace__()
        raised, top = powers(self.P, (self.tilt * V)[None, None, :])
        mass = xp.sum(self.P * raised, axis=-1)
        Q = self.c + self.weight * (top + xp.log(mass))
        pi = one_hot(Q) if self.pi is None else self.pi
        chain = policy_chain(self.P * raised / mass[..., None], pi)
        return V + xp.linalg.solve(xp.eye(len(V)) - self.gamma * chain, xp.sum(pi * Q, axis=1) - V)

    def map(self, function) -> Optimism:
        """The same with a function applied to its numbers."""
        return replace(self, **{name: function(value) for name, value in vars(self).items() if value is not None})


def one_hot(Q):
    """The policy that takes the best action of Q, shape (S, A)."""
    xp = Q.__array_namespace__()
    return xp.eye(Q.shape[1])[xp.argmax(Q, axis=1)]


def best_value(operator: Optimism):
    """The fixed point of the operator, shape (S,): by Newton's method, enclosed by `|V - V*| <= |TV - V| / (1 - gamma)`
    in the arithmetics that prove. In JAX only the last step has a derivative, which is that of the fixed point."""
    xp = operator.P.__array_namespace__()
    if xp not in (enclosed, exact):
        V = operator.backup(0 * operator.c[:, 0])
        for _ in range(NEWTON):
            V = operator.newton(V)
        return operator.newton(constant(V))
    V = xp.asarray(best_value(operator.map(xp.midpoint))) + 0 * operator.c[:, 0]
    for _ in range(REFINEMENTS if xp is exact else 0):
        V = exact.middles(operator.newton(V))
    return xp.around(V, xp.max(abs(operator.backup(V) - V)) / (1 - operator.gamma))


def constant(array):
    """An array without a derivative, in NumPy or JAX."""
    if isinstance(array, np.ndarray | np.generic):
        return array
    from jax import lax

    return lax.stop_gradient(array)


def settled(array):
    """Numbers without error near an array, in its arithmetic: for choices that are right whatever they are."""
    xp = array.__array_namespace__()
    return xp.asarray(xp.midpoint(array)) if xp in (enclosed, exact) else constant(array)


def plain(x: Instance) -> Instance:
    """The instance in numbers that prove nothing, for choices that need no proof."""
    if x.xp in (enclosed, exact):
        return Instance({name: x.xp.midpoint(array) for name, array in x.arrays.items()})
    return x


# the bounds


def log_rewards(x: Instance):
    """`(1 - gamma) log(r / (1 - gamma))`, the reward of eq. 3 without its divergence; shape (S, A)."""
    return (1 - x.gamma) * x.xp.log(x.r / (1 - x.gamma))


def lower_bound(x: Instance, weight, q=None, pi=None):
    """`L_weight(q, pi)` from every state, shape (S,); the instance's own model and policy unless others are given."""
    q, pi = x.q if q is None else q, x.pi if pi is None else pi
    return policy_values(q, log_rewards(x) - weight * kl(q, x.P), x.gamma, pi)


def returns(x: Instance):
    """The true return of the policy from every state, shape (S,)."""
    return policy_values(x.P, x.r, x.gamma, x.pi)


def simple_optimism(x: Instance) -> Optimism:
    """Whose fixed point is the largest L_1 over models: eq. 2 at its best."""
    return Optimism(x.P, log_rewards(x), x.gamma, 1, x.gamma, x.pi)


def sharp_optimism(x: Instance) -> Optimism:
    """Whose fixed point is the largest L_gamma over models."""
    return Optimism(x.P, log_rewards(x), x.gamma, x.gamma, 1, x.pi)


def time_terms(x: Instance, q, times: int):
    """`e^{l_t}` for t < times, and `sum_{k < times} E_q KL_k`, where

    l_t = E_q log r_t - sum_{k < t} E_q KL_k,      each of shape (S,).
    """
    xp, chain = x.xp, policy_chain(q, x.pi)
    here = xp.stack([xp.sum(x.pi * xp.log(x.r), axis=1), xp.sum(x.pi * kl(q, x.P), axis=1)], axis=1)
    spent, terms = xp.zeros_like(here[:, 0]), []
    for _ in range(times):
        terms.append(xp.exp(here[:, 0] - spent))
        spent, here = spent + here[:, 1], chain @ here
    return terms, spent


def discounted(terms, gamma, rest):
    """`sum_t gamma^t terms[t] + gamma^n rest`, by Horner's rule."""
    for term in reversed(terms):
        rest = term + gamma * rest
    return rest


def learned_time(x: Instance, q=None, times: int = TIMES):
    """The bound of eq. 10 with its best q(H) from every state, in units of J, less what a geometric q(H) loses after
    `times` steps:

        sum_{t < n} gamma^t e^{l_t}  +  gamma^n e^{(M^n L_gamma) - spent_n}.

    Grows with n, from e^{L_gamma} at n = 0 to the bound of eq. 10.
    """
    q = x.q if q is None else q
    terms, spent = time_terms(x, q, times)
    later = lower_bound(x, x.gamma, q)
    chain = policy_chain(q, x.pi)
    for _ in range(times):
        later = chain @ later
    return discounted(terms, x.gamma, x.xp.exp(later - spent))


def stopping_value(x: Instance, kappa, q):
    """Bound on log J of an agent that stops in s, a with probability kappa to collect the reward, shape (S,):

    V = E_pi [ kappa log(r / kappa) + (1 - kappa) (log(gamma / (1 - kappa)) - KL(q || p) + E_q V) ].
    """
    xp, go = x.xp, 1 - kappa
    now = kappa * xp.log(x.r / kappa) + go * (xp.log(x.gamma / go) - kl(q, x.P))
    chain = policy_chain(q, x.pi * go)
    return xp.linalg.solve(xp.eye(len(chain)) - chain, xp.sum(x.pi * now, axis=1))


def stopping_choice(x: Instance, V):
    """The best stopping probabilities and model for values V after the next step."""
    later = x.gamma * x.xp.exp(log_mean_exp(x.P, V[None, None, :]))
    return x.r / (x.r + later), tilted(x.P, V)


def best_stopping(x: Instance):
    """Nearly the best stopping probabilities and model, as exact numbers of the instance's arithmetic."""
    y = plain(x)
    V = y.xp.log(returns(y))
    for _ in range(NEWTON):
        V = stopping_value(y, *stopping_choice(y, V))
    kappa, q = stopping_choice(y, V)
    kappa, q = (x.xp.asarray(choice) if y is not x else constant(choice) for choice in (kappa, q))
    return kappa, rescaled(q)
