"""Claims of Nikishin et al. 2021, Control-Oriented Model-Based RL with Implicit Differentiation (OMD)."""

from __future__ import annotations

from tabular import mismatch
from tabular.arithmetic import optimal_q
from tabular.claims.claim import Instance, Sides, at_most, claim
from tabular.claims.families import pair, rewards_from_zero
from tabular.claims.fields import Box

SA = ("S", "A")
PAPER = "Nikishin et al. 2021"


def q_error(x: Instance):
    """`max |Q* - Q_hat|`."""
    return x.xp.max(abs(optimal_q(x.P, x.r, x.gamma) - optimal_q(x.P_hat, x.r_hat, x.gamma)))


def errors(x: Instance):
    """Reward error eps_r and transition error eps_p."""
    return mismatch.reward_error(x.r, x.r_hat), mismatch.transition_error(x.P, x.P_hat)


@claim(
    "omd.thm2.mle",
    "O6",
    source=f"{PAPER}, Theorem 2, first part",
    fields=pair(Box(SA, -1, 1)),
    hypotheses=(rewards_from_zero(),),
    corrected="omd.thm2.mle.sharp",
)
def thm2_mle(x: Instance) -> Sides:
    """A model with small errors has a small error of Q.

        max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)

    Q* - Q_hat = (r - r_hat) + gamma (P - P_hat) V* + gamma P_hat (V* - V_hat), and (P - P_hat) V* is at most half of
    eps_p times the range of V*, which is at most r_max / (1 - gamma) for rewards in [0, r_max].
    """
    return at_most(q_error(x), mismatch.likelihood_bound(*errors(x), mismatch.largest_reward(x.r), x.gamma))


thm2_mle_signed = thm2_mle.without(
    "rewards in [0, r_max]", name="omd.thm2.mle.signed", id="O6x", corrected="omd.thm2.mle.range"
)


@claim(
    "omd.thm2.mle.sharp",
    "O7c",
    source="derived here; Theorem 2 of " + PAPER + " made sharp",
    fields=pair(Box(SA, -1, 1)),
    sharp=True,
)
def thm2_mle_sharp(x: Instance) -> Sides:
    """max |Q* - Q_hat| <= (eps_r + gamma eps_p R / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)."""
    return at_most(q_error(x), mismatch.sharp_bound(*errors(x), mismatch.reward_span(x.r, x.r_hat), x.gamma))
