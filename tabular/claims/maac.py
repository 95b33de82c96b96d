"""Claims of Clavera et al. 2020, Model-Augmented Actor-Critic: Backpropagating through Paths (MAAC).

Lemma 4.1 is about smooth systems and derivatives along rollouts (`tabular.worlds.continuous`), Lemma 4.2 and Theorem
4.1 about policies, which are tables here. A table of probabilities stands for its logits: with `pi ∝ exp(logits)` the
derivative is `dpi(a) / dlogit(b) = pi(a) (1[a = b] - pi(b))`; a step d of the logits leads to `pi e^d / sum pi e^d`.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from tabular.arithmetic import action_values, occupancy, policy_chain, policy_q, policy_values
from tabular.claims.claim import Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, mdp, pair, policy, rewards_from_zero, start
from tabular.claims.fields import Box, Discount, Field, Positive, Real, Rows, Whole
from tabular.claims.rollouts import (
    CONSTANT_ERROR,
    OFFSET,
    SIZES,
    SYSTEMS,
    ModelErrors,
    Paths,
    Slopes,
    corrected_bound,
    followed,
    largest,
    model_errors,
    parameter_slope,
    paths,
    printed_bound,
    printed_sum,
    repaired_sum,
    small_start,
    smooth_slopes,
)
from tabular.worlds.continuous import (
    Affine,
    Quadratic,
    Smooth,
    critic_matrix,
    double_integrator,
    expanded_gradient,
    expanded_return,
    rollout,
    size,
)

PAPER = "Clavera et al. 2020"
LONGEST = 4
"""Longest horizon in tables."""


# Lemma 4.1: claims


@claim(
    "maac.pathwise.gradient",
    "A0",
    source=f"{PAPER}, section 4.1: backpropagation through the model",
    fields={**SYSTEMS, "direction_A": Real(("n",)), "direction_C": Real(("k",))},
    sizes=SIZES,
    arithmetic="float",
    attackable=False,
)
def pathwise_gradient(x: Instance) -> Sides:
    """Derivatives carried along a rollout are those of the objective.

        <dJ/dtheta, v>  =  Im J(theta + i h v) / h,      h = 1e-30

    The right side runs the rollout in complex numbers and takes no derivative: a complex step has no cancellation. The
    radius is what the recursion of the corrected lemma makes of errors of a few units in the last place.
    """
    p, direction, h = paths(x), x.xp.concat([x.direction_A, x.direction_C]), 1e-30
    pi = Smooth(x.pi_A + 1j * h * x.direction_A[None], x.pi_C + 1j * h * x.direction_C[None], x.pi_U)
    steps = rollout(p.f, pi, x.start + 0j, x.noise)
    L, scale = smooth_slopes(p), 1 + max(size(values) for values in p.true.x)
    rounding = ModelErrors(scale * (L.f_s + L.f_a), L.f_s + L.f_a + p.f.curvature * scale, L.Q + p.Q.curvature * scale)
    radius = 100 * 2.0**-53 * size(direction) * corrected_bound(L, rounding, x.gamma, len(x.noise))
    exact = expanded_gradient(p.true, p.r, p.Q, x.gamma) @ direction
    return equal(exact, expanded_return(steps, p.r, p.Q, x.gamma).imag / h, radius)


@claim(
    "maac.lemma41.corrected",
    "A1",
    source=f"derived here; Lemma 4.1 of {PAPER} made right",
    fields={**SYSTEMS, **OFFSET},
    sizes=SIZES,
    sharp=True,
    equality=CONSTANT_ERROR,
)
def lemma41_corrected(x: Instance) -> Sides:
    """The gradient error of a wrong model and critic, with what the model's states do to the derivatives.

        |dJ - dJ_hat|  <=  sum_{t<H} gamma^t (L_r d_t + l_r e_t D_t) + gamma^H (eps_Q |(D_H, A_H)| + L_Q |(d_H, a_H)|)

    with A = G + L_pi D, a = l_theta e + l_s e D + L_pi d, and from e = d = D = 0

        e <- delta + (L_s + L_a L_pi) e,      d <- eps_f |(D, A)| + L_s d + L_a a,      D <- L_s D + L_a A.

    e bounds the distance of the rollouts, D the derivative of a state, d its error. `delta` is the error of the model
    itself, not of its derivative, and l_theta, l_s and l_r are Lipschitz constants of derivatives of the policy and the
    reward: the print has none of them. Each line is the triangle inequality on the chain rule; a constant error attains
    it.
    """
    p = paths(x, x.offset)
    return at_most(p.difference(), corrected_bound(smooth_slopes(p), model_errors(p), x.gamma, len(x.noise)))


@claim(
    "maac.lemma41.double_integrator",
    "A1L",
    source=f"derived here; Lemma 4.1 of {PAPER} made right, in the system of its section 5.2",
    fields={
        "gamma": Discount(),
        "dt": Box((), 0.02, 0.2),
        "K": Box((1, 2), -2, -0.5),
        "start": Real((2,)),
        "noise": Real(("H", 2)),
        "model": Real((2, 3)),
        "offset": Real((2,)),
        "critic": Real((3, 3)),
    },
    sizes={"H": (1, 5)},
)
def lemma41_double_integrator(x: Instance) -> Sides:
    """The corrected bound for a linear policy of the double integrator, with constants of the two rollouts.

    The true critic is that of the policy, in closed form; the model is linear and off by `model` and `offset`, the
    critic by `critic`. Nothing bounds the derivatives of quadratic rewards and critics globally: the constants are the
    largest values along the rollouts, where the derivation uses them.
    """
    p = integrator_paths(x)
    return at_most(p.difference(), corrected_bound(linear_slopes(p), model_errors(p), x.gamma, len(x.noise)))


def integrator_paths(x: Instance) -> Paths:
    true = double_integrator(x.dt, x.gamma)
    critic = Quadratic(critic_matrix(true, x.K))
    wrong = Quadratic(critic.M + (x.critic + x.critic.mT) / 2)
    reward = Quadratic(true.M[:2, :2])
    return followed(true.step, Affine(true.step.W + x.model, x.offset), Affine(x.K), reward, critic, wrong, x)


def linear_slopes(p: Paths) -> Slopes:
    """Constants of the double integrator along its rollouts; the reward of a state is `-|s|^2 / 2`."""
    xp = p.true.x[0].__array_namespace__()
    W, W_hat = p.f.W, p.f_hat.W
    return Slopes(
        f_s=xp.maximum(size(W[:, :2]), size(W_hat[:, :2])),
        f_a=xp.maximum(size(W[:, 2:]), size(W_hat[:, 2:])),
        pi_theta=parameter_slope(p),
        pi_s=size(p.pi.W),
        pi_theta_s=1,
        pi_ss=0,
        r=largest([size(p.r.jacobian(x)) for x in p.model.x]),
        r_s=1,
        Q=size(p.Q_hat.jacobian(p.model.x[-1])),
    )


@claim(
    "maac.lemma41.printed",
    "A1x",
    source=f"{PAPER}, Lemma 4.1, with the constants of appendix A.1",
    fields={**SYSTEMS, **OFFSET},
    sizes=SIZES,
    hypotheses=(small_start,),
    corrected="maac.lemma41.corrected",
)
def lemma41_printed(x: Instance) -> Sides:
    """The error of the gradient is bounded by errors of derivatives alone.

        |dJ - dJ_hat|  <=  c_1(H) eps_f + c_2(H) eps_Q,      c_2 = (gamma K)^H,
        c_1 = L / (L - 1) (((gamma K L)^H - 1) / (gamma K L - 1) - ((gamma K)^H - 1) / (gamma K - 1))
              + L_Q (L^H - 1) / (L - 1) (gamma K)^H

    False: `s' = s + a, a = theta s, r = Q = s` with the model f + b has eps_f = eps_Q = 0, and the gradients at H = 2
    differ by gamma^2 b. The proof leaves out that the derivative of the policy by theta is another at another state.
    `|d_theta x_t| <= K^t` is needed at t = 0 as well, which is no choice of K but a hypothesis.
    """
    p = paths(x, x.offset)
    return at_most(p.difference(), printed_bound(p, printed_sum))


@claim(
    "maac.lemma41.sum_repaired",
    "A1y",
    source=f"{PAPER}, Lemma 4.1, with its last sum repaired",
    fields={**SYSTEMS, **OFFSET},
    sizes=SIZES,
    hypotheses=(small_start,),
    corrected="maac.lemma41.corrected",
)
def lemma41_sum_repaired(x: Instance) -> Sides:
    """The printed bound with `L_r (L a - b) / (L - 1)` for rewards; a, b as in `maac.lemma41.closed_form`.

    False for the same reason: a constant error of the model isn't in it.
    """
    p = paths(x, x.offset)
    return at_most(p.difference(), printed_bound(p, repaired_sum))


@claim(
    "maac.lemma41.no_offset",
    "A1z",
    source=f"{PAPER}, Lemma 4.1, with its last sum repaired and a model without a constant error",
    fields=SYSTEMS,
    sizes=SIZES,
    hypotheses=(small_start,),
    corrected="maac.lemma41.corrected",
)
def lemma41_no_offset(x: Instance) -> Sides:
    """The printed bound with its sum repaired, for models that are right at the origin, `f_hat(0) = f(0)`.

    Random systems hardly ever violate it, but it is false: `tanh(V a)` with a large V is a constant wherever the
    rollouts are, and its slope, which is the same as that of 0 there, is wrong only where they never come.
    """
    p = paths(x)
    return at_most(p.difference(), printed_bound(p, repaired_sum))


CLOSED_FORM: dict[str, Field] = {
    "gamma": Discount(),
    "K": Positive(low=1.1, high=5),
    "L": Positive(low=1.1, high=5),
    "L_r": Positive(low=0.1, high=10),
    "H": Whole(low=1, high=LONGEST),
}


def power(q, n):
    """`q^n` for a whole number n of at most LONGEST that is an array."""
    xp, result = q.__array_namespace__(), 1 + 0 * q
    for t in range(LONGEST):
        result = result * xp.where(t < n, q, 1 + 0 * q)
    return result


def reward_terms(x: Instance):
    """`sum_{t<H} gamma^t L_r (L^(t+1) - 1) / (L - 1) K^t`, term by term."""
    total = 0 * x.gamma
    for t in range(LONGEST):
        term = x.gamma**t * x.L_r * (x.L ** (t + 1) - 1) / (x.L - 1) * x.K**t
        total = total + x.xp.where(t < x.H, term, 0 * term)
    return total


def geometric_sums(x: Instance):
    """`a = ((gamma K L)^H - 1) / (gamma K L - 1)` and `b = ((gamma K)^H - 1) / (gamma K - 1)`."""
    return [(power(q, x.H) - 1) / (q - 1) for q in (x.gamma * x.K * x.L, x.gamma * x.K)]


@claim(
    "maac.lemma41.closed_form",
    "L41a",
    source=f"{PAPER}, appendix A.1, last line on the model term",
    fields=CLOSED_FORM,
    corrected="maac.lemma41.closed_form.corrected",
)
def closed_form(x: Instance) -> Sides:
    """The printed closed form of the sum over rewards.

        sum_{t<H} gamma^t L_r (L^(t+1) - 1) / (L - 1) K^t  =  L / (L - 1) (a - b),
        a = ((gamma K L)^H - 1) / (gamma K L - 1),      b = ((gamma K)^H - 1) / (gamma K - 1)

    False: L_r has become L, and the power L^(t+1) has become L^t. What is printed is L / L_r times the sum with the
    error of step t - 1 in place of step t, which is the right index for a reward of s_t.
    """
    a, b = geometric_sums(x)
    return equal(reward_terms(x), x.L / (x.L - 1) * (a - b))


@claim(
    "maac.lemma41.closed_form.corrected",
    "L41b",
    source=f"derived here; appendix A.1 of {PAPER} made right",
    fields=CLOSED_FORM,
    attackable=False,
)
def closed_form_corrected(x: Instance) -> Sides:
    """The closed form of the sum over rewards, with its indices right.

        sum_{t<H} gamma^t L_r (L^(t+1) - 1) / (L - 1) K^t  =  L_r / (L - 1) (L a - b)

    a and b are the two geometric sums of `maac.lemma41.closed_form`.
    """
    a, b = geometric_sums(x)
    return equal(reward_terms(x), x.L_r / (x.L - 1) * (x.L * a - b))


# The objective with the true model and critic


def softmax_slopes(pi):
    """`dpi[s, a] / dlogits[s, b]`, shape (S, A, A)."""
    return pi[:, :, None] * (pi.__array_namespace__().eye(pi.shape[1])[None] - pi[:, None, :])


def policy_gradient(P, r, gamma, pi, rho):
    """`d(s) pi(a|s) (Q(s, a) - V(s))`, shape (S, A)."""
    V = policy_values(P, r, gamma, pi)
    return occupancy(P, gamma, pi, rho)[:, None] * pi * (action_values(P, r, gamma, V) - V[:, None])


def value(Q, pi):
    """`sum_a pi Q`, shape (S,)."""
    return pi.__array_namespace__().sum(pi * Q, axis=1)


def expanded_values(P, r, gamma, pi, Q, H):
    """Values of H steps in the model and then the critic, and their derivative by the logits.

    Shapes (S,) and (S, S, A). Built up from the end, `V_{h+1} = pi (r + gamma P V_h)`; the critic is frozen.
    """
    xp, S = P.__array_namespace__(), P.shape[0]
    here, slopes = xp.eye(S)[:, :, None], softmax_slopes(pi)

    def by_policy(Q):
        """How much V(s) changes with the logits of s."""
        return here * (Q[:, None, :] @ slopes)

    V, dV = value(Q, pi), by_policy(Q)
    for t in range(LONGEST):
        Q = action_values(P, r, gamma, V)
        further = by_policy(Q) + gamma * (policy_chain(P, pi) @ dV.reshape(S, -1)).reshape(dV.shape)
        V, dV = xp.where(t < H, value(Q, pi), V), xp.where(t < H, further, dV)
    return V, dV


def expanded_policy_gradient(P, r, gamma, pi, rho, Q, H):
    """Derivative of MAAC's objective by the logits, the critic being frozen; shape (S, A)."""
    slopes = expanded_values(P, r, gamma, pi, Q, H)[1]
    return (rho @ slopes.reshape(len(rho), -1)).reshape(pi.shape)


def objective_gradient(x: Instance):
    """The same with the true model and critic."""
    Q = policy_q(x.P, x.r, x.gamma, x.pi)
    return expanded_policy_gradient(x.P, x.r, x.gamma, x.pi, x.rho, Q, x.H)


def advantages(x: Instance):
    Q = policy_q(x.P, x.r, x.gamma, x.pi)
    return Q - value(Q, x.pi)[:, None]


SOFTMAX: dict[str, Field] = {"weights": Positive(axes=SA, low=1e-3, high=1e3)}
"""A softmax policy by its weights e^logits."""


def softmax(weights):
    """The policy of weights, `pi = weights / sum weights`: positive everywhere."""
    return weights / weights.__array_namespace__().sum(weights, axis=1)[:, None]


HORIZON: dict[str, Field] = {"H": Whole(low=0, high=LONGEST)}
EXPANSION = mdp(**policy(), **start(), **HORIZON)


@claim(
    "maac.objective.value",
    "A2b",
    source=f"{PAPER}, section 4.1: under the true dynamics and Q-function it is the RL objective",
    fields=EXPANSION,
    attackable=False,
)
def objective_value(x: Instance) -> Sides:
    """With the true model and critic the objective is the return, for every horizon.

        E[sum_{t<H} gamma^t r(s_t, a_t) + gamma^H Q(s_H, a_H)]  =  J(pi)

    Q is a fixed point of one more step.
    """
    Q = policy_q(x.P, x.r, x.gamma, x.pi)
    V = expanded_values(x.P, x.r, x.gamma, x.pi, Q, x.H)[0]
    return equal(x.rho @ V, x.rho @ policy_values(x.P, x.r, x.gamma, x.pi))


@claim(
    "maac.objective.gradient",
    "A2",
    source=f"derived here; the objective of {PAPER}, section 4.1",
    fields=EXPANSION,
    attackable=False,
)
def objective_gradient_truncated(x: Instance) -> Sides:
    """With the true model and critic the gradient of the objective is the policy gradient without its terms t > H.

        dJ_H / dlogits[s, a]  =  sum_{t<=H} gamma^t Pr(s_t = s) pi(a|s) (Q(s, a) - V(s))

    The left side is derived backwards through the H steps, with a frozen critic: it stands for what the policy does
    after step H, and doesn't move with it.
    """
    visits = total = x.rho
    for t in range(LONGEST):
        visits = x.gamma * (visits @ policy_chain(x.P, x.pi))
        total = total + x.xp.where(t < x.H, visits, 0 * visits)
    return equal(objective_gradient(x), total[:, None] * x.pi * advantages(x))


@claim(
    "maac.objective.bias",
    "A2c",
    source=f"derived here; the objective of {PAPER}, section 4.1",
    fields=EXPANSION,
    sharp=True,
    equality={
        "gamma": Fraction(1, 2),
        "P": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]],
        "r": [[1, -1], [0, 0]],
        "pi": [[Fraction(1, 2), Fraction(1, 2)], [1, 0]],
        "rho": [1, 0],
        "H": 0,
    },
)
def objective_bias(x: Instance) -> Sides:
    """How much of the policy gradient the objective lacks with the true model and critic.

        sum_{s, a} |dJ_H - dJ|  <=  gamma^(H+1) / (1 - gamma) max_s E_pi |A(s, .)|

    The visits after step H sum to gamma^(H+1) / (1 - gamma). Equality where one state is never left.
    """
    xp = x.xp
    missing = xp.sum(abs(objective_gradient(x) - policy_gradient(x.P, x.r, x.gamma, x.pi, x.rho)))
    return at_most(missing, x.gamma * power(x.gamma, x.H) / (1 - x.gamma) * xp.max(value(abs(advantages(x)), x.pi)))


@claim(
    "maac.objective.policy_gradient",
    "A2x",
    source=f"read into {PAPER}, section 4.1: the gradient of the objective is that of the return",
    fields=EXPANSION,
    control=True,
    corrected="maac.objective.gradient",
)
def objective_policy_gradient(x: Instance) -> Sides:
    """With the true model and critic the gradient of the objective is the policy gradient.

        dJ_H / dlogits  =  dJ / dlogits

    False, though the values agree: eps_f = eps_Q = 0 does not give the gradient of the return; the terms t > H lack.
    """
    return equal(objective_gradient(x), policy_gradient(x.P, x.r, x.gamma, x.pi, x.rho))


# Lemma 4.2


def stepped(pi, d):
    """The policy after a step d of the logits, `pi e^d / sum pi e^d`."""
    xp = pi.__array_namespace__()
    weights = pi * xp.exp(d - xp.max(d, axis=1)[:, None])
    return weights / xp.sum(weights, axis=1)[:, None]


def variation(pi, pi_hat):
    """Total variation in each state, `sum_a |pi - pi_hat| / 2`, shape (S,)."""
    return pi.__array_namespace__().sum(abs(pi - pi_hat), axis=1) / 2


def spread(d):
    """`max_a d - min_a d`, shape (S,)."""
    xp = d.__array_namespace__()
    return xp.max(d, axis=1) - xp.min(d, axis=1)


def fisher(pi, d):
    """`d' F d` with the Fisher information F of the logits, the variance of d under pi; shape (S,)."""
    centred = d - value(d, pi)[:, None]
    return value(centred * centred, pi)


STEP: dict[str, Field] = {**SOFTMAX, "d": Real(SA, 10.0)}
STATES = {"S": (1, 3), "A": (2, 4)}


@claim(
    "maac.lemma42.softmax",
    "A3",
    source=f"derived here; Lemma 4.2 of {PAPER} for tables of logits",
    fields=STEP,
    sizes=STATES,
)
def lemma42_softmax(x: Instance) -> Sides:
    """A step d of the logits, of any size, changes a softmax policy by at most a quarter of its range.

        TV(pi, pi_d)  <=  (max_a d - min_a d) / 4

    The derivative of pi along d is pi (d - E d), of L1 norm E |d - E d| <= (max d - min d) / 2; half of its integral.
    """
    pi = softmax(x.weights)
    return at_most(variation(pi, stepped(pi, x.d)), spread(x.d) / 4)


@claim(
    "maac.lemma42.softmax.sharp",
    "A3c",
    source=f"derived here; Lemma 4.2 of {PAPER} for tables of logits",
    fields={**SOFTMAX, "factors": Positive(axes=SA)},
    sizes=STATES,
    sharp=True,
    equality={"weights": [[2, 1]], "factors": [[1, 4]]},
)
def lemma42_softmax_sharp(x: Instance) -> Sides:
    """The largest change that factors w = e^d of the weights can make.

        TV(pi, pi w / sum pi w)  <=  (sqrt(k) - 1) / (sqrt(k) + 1),      k = max w / min w

    In logits this is tanh((max d - min d) / 4). Equality for two actions and pi = (sqrt(k), 1) / (1 + sqrt(k)).
    """
    xp = x.xp
    root = xp.sqrt(xp.max(x.factors, axis=1) / xp.min(x.factors, axis=1))
    return at_most(variation(softmax(x.weights), softmax(x.weights * x.factors)), (root - 1) / (root + 1))


PARTS = 8
"""Parts of the segment between two policies in which the Fisher information is bounded."""


def fisher_on_segment(pi, d):
    """An upper bound of `d' F d` at all policies from pi to the one after the step d.

    The derivative of the variance of d along the segment is its third moment, at most max d - min d times the variance:
    within 1 / (2 PARTS) of a point it grows by a factor of at most exp((max d - min d) / (2 PARTS)).
    """
    xp = pi.__array_namespace__()
    middles = [fisher(stepped(pi, (2 * k + 1) * d / (2 * PARTS)), d) for k in range(PARTS)]
    return xp.max(xp.stack(middles), axis=0) * xp.exp(spread(d) / (2 * PARTS))


@claim(
    "maac.lemma42.corrected",
    "A3b",
    source=f"derived here; Lemma 4.2 of {PAPER} made right",
    fields=STEP,
    sizes=STATES,
)
def lemma42_corrected(x: Instance) -> Sides:
    """Lemma 4.2 with the Fisher information of the whole step.

        TV(pi, pi_d)  <=  sqrt(v / 4),      v = max_t d' F(theta + t d) d

    KL = integral of (1 - t) d' F(theta + t d) d over t from 0 to 1, at most v / 2, and Pinsker's inequality. v is
    computed from above. The bound of the paper is this one with `c_3 = sqrt(max |F| / 4)`, the maximum being over the
    steps that the two gradients span, and over states.
    """
    pi = softmax(x.weights)
    return at_most(variation(pi, stepped(pi, x.d)), x.xp.sqrt(fisher_on_segment(pi, x.d) / 4))


small_step = Hypothesis("|d| <= 1/10", lambda x: at_most(10 * abs(x.d), x.xp.ones(x.d.shape)))


@claim(
    "maac.lemma42.fisher",
    "A3x",
    source=f"{PAPER}, appendix A.2: for a small enough step the following inequality holds",
    fields={**SOFTMAX, "d": Real(SA, 0.03)},
    sizes=STATES,
    hypotheses=(small_step,),
    corrected="maac.lemma42.corrected",
)
def lemma42_fisher(x: Instance) -> Sides:
    """The divergence of a small step is at most its quadratic part.

        KL(pi, pi_d)  <=  d' F(theta) d / 2

    False for steps as small as one likes: the remainder of third order has either sign.
    """
    pi = softmax(x.weights)
    KL = x.xp.log(value(x.xp.exp(x.d), pi)) - value(x.d, pi)
    return at_most(KL, fisher(pi, x.d) / 2)


@claim(
    "maac.lemma42.printed",
    "A3y",
    source=f"{PAPER}, Lemma 4.2, alpha any positive number, with the constant of appendix A.2",
    fields=STEP,
    sizes=STATES,
    corrected="maac.lemma42.corrected",
)
def lemma42_printed(x: Instance) -> Sides:
    """The change of the policy is bounded by the length of the step and the Fisher information where it starts.

        max_s TV(pi, pi_d)  <=  c_3 |d|_2,      c_3 = sqrt(c / 2),      c = max_s tr F(theta) / 2

    False: a saturated softmax has almost no Fisher information, and a long step leaves it. The trace is no less than
    the largest eigenvalue, so that any reading of the constant fails.
    """
    xp, pi = x.xp, softmax(x.weights)
    c = xp.max(value(1 - pi, pi)) / 2
    return at_most(xp.max(variation(pi, stepped(pi, x.d))), xp.sqrt(c / 2) * size(x.d))


@claim(
    "maac.lemma42.gaussian",
    "A3z",
    source=f"{PAPER}, Lemma 4.2, for the linear-Gaussian policies of its section 5.2",
    fields={
        "s": Positive(low=1, high=1e3),
        "visited": Box((), 0.1, 1),
        "sigma": Positive(low=0.1, high=10),
        "step": Positive(low=1e-3, high=1),
    },
    sizes={},
    corrected="maac.lemma42.corrected",
)
def lemma42_gaussian(x: Instance) -> Sides:
    """The constant of the states that are visited bounds the change of the policy in all states.

        TV(N(theta s, sigma^2), N((theta + d) s, sigma^2))  <=  c_3 d,      c_3 = s_visited / (2 sigma)

    False: the Fisher information s^2 / sigma^2 doesn't depend on theta but grows with s, so that no constant serves all
    states. The left side is `1 - exp(-(d s)^2 / (8 sigma^2))`, which the total variation is at least (Hellinger).
    """
    change = x.step * x.s / x.sigma
    return at_most(1 - x.xp.exp(-change * change / 8), x.visited / (2 * x.sigma) * x.step)


# Theorem 4.1

POLICIES = mdp(**start(), **policy(), pi_hat=Rows(SA, near="pi"))
VISITS = {name: kind for name, kind in POLICIES.items() if name != "r"}


def return_difference(x: Instance):
    """`|J(pi) - J(pi_hat)|`."""
    gap = policy_values(x.P, x.r, x.gamma, x.pi) - policy_values(x.P, x.r, x.gamma, x.pi_hat)
    return abs(x.rho @ gap)


def distance(x: Instance):
    """`max_s TV(pi, pi_hat)`."""
    return x.xp.max(variation(x.pi, x.pi_hat))


def largest_reward(x: Instance):
    return x.xp.max(abs(x.r))


def visited_pairs(x: Instance, pi):
    """Discounted visits of states and actions, shape (S, A); they sum to 1 / (1 - gamma)."""
    return occupancy(x.P, x.gamma, pi, x.rho)[:, None] * pi


def visit_difference(x: Instance):
    return x.xp.sum(abs(visited_pairs(x, x.pi) - visited_pairs(x, x.pi_hat)))


LEAVING: dict[str, Any] = {
    "gamma": Fraction(1, 2),
    "P": [[[1, 0], [0, 1]], [[0, 1], [0, 1]]],
    "r": [[1, 0], [0, 0]],
    "rho": [1, 0],
    "pi": [[1, 0], [1, 0]],
    "pi_hat": [[Fraction(1, 2), Fraction(1, 2)], [1, 0]],
}
"""One policy stays where the reward is; the other leaves it, for ever, with probability tau in each step."""


@claim("maac.thm41.corrected", "A4", source=f"derived here; Theorem 4.1 of {PAPER} made right", fields=POLICIES)
def thm41_corrected(x: Instance) -> Sides:
    """Returns of two policies differ by at most their distance, counted twice over the horizon.

        |J(pi) - J(pi_hat)|  <=  2 r_max tau / (1 - gamma)^2,      tau = max_s TV(pi, pi_hat),   |r| <= r_max

    The visits of states and actions differ by at most 2 tau / (1 - gamma)^2 in sum.
    """
    return at_most(return_difference(x), 2 * largest_reward(x) * distance(x) / (1 - x.gamma) ** 2)


@claim(
    "maac.thm41.nonnegative",
    "A4b",
    source=f"derived here; Theorem 4.1 of {PAPER} made right, for rewards in [0, r_max]",
    fields=POLICIES,
    hypotheses=(rewards_from_zero(),),
)
def thm41_nonnegative(x: Instance) -> Sides:
    """For rewards in [0, r_max] half of the corrected bound is enough.

        |J(pi) - J(pi_hat)|  <=  r_max tau / (1 - gamma)^2,      0 <= r <= r_max

    What counts is the range of rewards: a constant changes both returns alike.
    """
    return at_most(return_difference(x), largest_reward(x) * distance(x) / (1 - x.gamma) ** 2)


@claim(
    "maac.thm41.sharp",
    "A4c",
    source=f"derived here; Theorem 4.1 of {PAPER} made sharp",
    fields=POLICIES,
    sharp=True,
    equality=LEAVING,
)
def thm41_sharp(x: Instance) -> Sides:
    """The largest difference of returns that a distance tau of two policies allows.

        |J(pi) - J(pi_hat)|  <=  tau R / ((1 - gamma) (1 - gamma + gamma tau)),      R = max r - min r

    Let both take the same action with probability 1 - tau. The difference D then obeys

        D  <=  tau R / (1 - gamma) + gamma (1 - tau) D

    as no more than R / (1 - gamma) can be lost once they differ. Equality where the other action ends it all.
    """
    tau, R = distance(x), x.xp.max(x.r) - x.xp.min(x.r)
    return at_most(return_difference(x), tau * R / ((1 - x.gamma) * (1 - x.gamma + x.gamma * tau)))


@claim(
    "maac.thm41.occupancy",
    "A4d",
    source=f"derived here; appendix A.3 of {PAPER} made right",
    fields=VISITS,
)
def thm41_occupancy(x: Instance) -> Sides:
    """Discounted visits of states and actions differ by at most the distance of the policies, over the horizon twice.

        sum_{s, a} |rho pi - rho_hat pi_hat|  <=  2 tau / (1 - gamma)^2,      rho(s) = sum_t gamma^t Pr(s_t = s)

    It is the corrected bound for the worst rewards from -1 to 1.
    """
    return at_most(visit_difference(x), 2 * distance(x) / (1 - x.gamma) ** 2)


@claim(
    "maac.thm41.printed",
    "A4x",
    source=f"{PAPER}, Theorem 4.1, last line of appendix A.3",
    fields=POLICIES,
    corrected="maac.thm41.sharp",
)
def thm41_printed(x: Instance) -> Sides:
    """The printed bound of the return, before Lemma 4.2 is put in.

        |J(pi) - J(pi_hat)|  <=  2 r_max / (1 - gamma) tau,      |r| <= r_max

    False: a factor 1 / (1 - gamma) is lost where visits are compared, since a policy that differs once also comes to
    other states for the rest of time. By the sharp form it fails for every gamma > 0: with rewards -r_max and r_max,
    whenever gamma (1 - tau) > 0.
    """
    return at_most(return_difference(x), 2 * largest_reward(x) * distance(x) / (1 - x.gamma))


@claim(
    "maac.thm41.printed.nonnegative",
    "A4v",
    source=f"{PAPER}, Theorem 4.1, last line of appendix A.3, for rewards in [0, r_max]",
    fields=POLICIES,
    hypotheses=(rewards_from_zero(),),
    corrected="maac.thm41.sharp",
)
def thm41_printed_nonnegative(x: Instance) -> Sides:
    """The same for rewards in [0, r_max], whose range is r_max instead of 2 r_max.

        |J(pi) - J(pi_hat)|  <=  2 r_max / (1 - gamma) tau,      0 <= r <= r_max

    By the sharp form it can fail where gamma (1 - tau) > 1/2, and holds up to gamma = 1/2.
    """
    return at_most(return_difference(x), 2 * largest_reward(x) * distance(x) / (1 - x.gamma))


def _short(x: Instance) -> Sides:
    return at_most(2 * x.gamma, 1 + 0 * x.gamma)


short = Hypothesis("gamma <= 1/2", _short, {"gamma": Discount(choices=(0.1, 0.3, 0.4, 0.5))})

thm41_printed_short = dataclasses.replace(
    thm41_printed_nonnegative,
    name="maac.thm41.printed.short",
    id="A4u",
    hypotheses=(*thm41_printed_nonnegative.hypotheses, short),
    corrected="",
)


@claim(
    "maac.thm41.occupancy.printed",
    "A4w",
    source=f"{PAPER}, appendix A.3, fourth line",
    fields=VISITS,
    corrected="maac.thm41.occupancy",
)
def thm41_occupancy_printed(x: Instance) -> Sides:
    """The line of the proof in which 1 / (1 - gamma) is lost, with the sum over actions that it still has.

        sum_{s, a} |rho pi - rho_hat pi_hat|  <=  2 / (1 - gamma) max_s sum_a |pi - pi_hat|

    False for gamma > 1/2: the left side reaches 2 tau / ((1 - gamma) (1 - gamma + gamma tau)).
    """
    return at_most(visit_difference(x), 4 * distance(x) / (1 - x.gamma))


@claim(
    "maac.thm41.sum_is_tv",
    "A4z",
    source=f"{PAPER}, appendix A.3, last line",
    fields={"pi": Rows(SA), "pi_hat": Rows(SA, near="pi")},
    corrected="maac.thm41.corrected",
)
def thm41_sum_is_tv(x: Instance) -> Sides:
    """The last equality of the proof takes a sum of differences for the total variation.

        max_s sum_a |pi - pi_hat|  =  max_s TV(pi, pi_hat)

    False by a factor 2, and in the direction that makes the bound smaller.
    """
    return equal(x.xp.max(x.xp.sum(abs(x.pi - x.pi_hat), axis=1)), distance(x))


@claim(
    "maac.thm41.alpha_twice",
    "A4y",
    source=f"{PAPER}, Theorem 4.1, main text",
    fields={**POLICIES, "alpha": Box((), 0.01, 1)},
    corrected="maac.thm41.corrected",
)
def thm41_alpha_twice(x: Instance) -> Sides:
    """The bound as the theorem prints it, with the step size in front though Lemma 4.2 contains it already.

        |J(pi) - J(pi_hat)|  <=  2 alpha r_max / (1 - gamma)^2 tau

    tau is at most the `alpha c_3 (...)` of Lemma 4.2; the lost 1 / (1 - gamma) is put back, so that only the second
    alpha is tested. False for steps alpha < 1: a bound on the distance of two policies can't be multiplied by one.
    """
    bound = 2 * x.alpha * largest_reward(x) * distance(x) / (1 - x.gamma) ** 2
    return at_most(return_difference(x), bound)


# Improvement

UNIT_REWARDS = Box(SA)


def before_and_after(x: Instance, pi, after):
    """`V(pi)` and `V(after)`, shape (S,)."""
    return policy_values(x.P, x.r, x.gamma, pi), policy_values(x.P, x.r, x.gamma, after)


def step_size(x: Instance):
    """A share of `(1 - gamma)^3 / 8`; 8 / (1 - gamma)^3 is a Lipschitz constant of the gradient, for r in [0, 1]."""
    return x.share * (1 - x.gamma) ** 3 / 8


def squared(G):
    return G.__array_namespace__().sum(G * G)


@claim(
    "maac.improvement.exact",
    "A5",
    source=f"derived here from Mei et al. 2020, Lemma 7; what Theorem 4.1 of {PAPER} is named for",
    fields=mdp(UNIT_REWARDS, **SOFTMAX, **start(), share=Box()),
)
def improvement_exact(x: Instance) -> Sides:
    """A small step along the exact gradient improves the return of a softmax policy.

        J(theta + alpha G)  >=  J(theta) + alpha / 2 |G|^2,      alpha <= (1 - gamma)^3 / 8,   r in [0, 1]

    The gradient of J has the Lipschitz constant 8 / (1 - gamma)^3; the rest is the descent lemma.
    """
    pi, alpha = softmax(x.weights), step_size(x)
    G = policy_gradient(x.P, x.r, x.gamma, pi, x.rho)
    V, V_after = before_and_after(x, pi, stepped(pi, alpha * G))
    return at_most(x.rho @ V + alpha / 2 * squared(G), x.rho @ V_after)


@claim(
    "maac.improvement.inexact",
    "A5b",
    source=f"derived here; the improvement statement that Theorem 4.1 of {PAPER} lacks",
    fields={**pair(UNIT_REWARDS), **SOFTMAX, **start(), **HORIZON, "Q_hat": Real(SA), "share": Box()},
)
def improvement_inexact(x: Instance) -> Sides:
    """A small step along the gradient of MAAC's objective, model and critic being wrong, gains what its error leaves.

        J(theta + alpha G_hat)  >=  J(theta) + alpha / 2 (|G|^2 - |G - G_hat|^2),      alpha <= (1 - gamma)^3 / 8

    By the Lipschitz constant of the gradient, J(theta + alpha G_hat) >= J + alpha <G, G_hat> - alpha / 2 |G_hat|^2. It
    compares with theta, where Theorem 4.1 compares with the exact step.
    """
    pi, alpha = softmax(x.weights), step_size(x)
    G = policy_gradient(x.P, x.r, x.gamma, pi, x.rho)
    G_hat = expanded_policy_gradient(x.P_hat, x.r_hat, x.gamma, pi, x.rho, x.Q_hat, x.H)
    V, V_after = before_and_after(x, pi, stepped(pi, alpha * G_hat))
    return at_most(x.rho @ V + alpha / 2 * (squared(G) - squared(G - G_hat)), x.rho @ V_after)


@claim(
    "maac.improvement.softmax",
    "E1",
    source="derived here",
    fields=mdp(**SOFTMAX, **start(), alpha=Positive(low=1e-2, high=1e5)),
)
def improvement_softmax(x: Instance) -> Sides:
    """A step of any size along the exact gradient improves every state, for a table of logits.

        V_after(s)  >=  V(s)

    The step of state s is alpha d(s) pi A =: c pi A with c >= 0, and E_after A = E_pi [(e^(c pi A) - 1) A] / Z >= 0 as
    both factors have the same sign. The performance difference lemma does the rest. False for shared parameters (A5x).
    """
    pi = softmax(x.weights)
    G = policy_gradient(x.P, x.r, x.gamma, pi, x.rho)
    return at_most(*before_and_after(x, pi, stepped(pi, x.alpha * G)))


@claim(
    "maac.thm41.improvement",
    "A5x",
    source=f"read into {PAPER}, Theorem 4.1: monotonic improvement",
    fields=mdp(**start(), weights=Positive(axes=(1, "A"), low=1e-3, high=1e3), alpha=Positive(low=1e-1, high=1e3)),
    control=True,
    corrected="maac.improvement.inexact",
)
def thm41_improvement(x: Instance) -> Sides:
    """Where both gradients are exact, the step improves the return.

        J(theta + alpha G)  >=  J(theta)

    False, for a policy that can't see its state: Theorem 4.1 then reads J >= J, since it compares with the exact step,
    and an exact step that is too long makes the return worse.
    """
    blind = softmax(x.weights)
    pi = x.xp.broadcast_to(blind, x.r.shape)
    G = x.xp.sum(policy_gradient(x.P, x.r, x.gamma, pi, x.rho), axis=0)
    after = x.xp.broadcast_to(stepped(blind, x.alpha * G[None, :]), x.r.shape)
    V, V_after = before_and_after(x, pi, after)
    return at_most(x.rho @ V, x.rho @ V_after)
