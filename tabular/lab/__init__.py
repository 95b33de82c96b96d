"""The theorem lab: claims checked on random instances, attacked by optimisation, certified in exact numbers.

    board = lab.check("omd", n=10_000)                  # claim, verdict, violations, least slack, largest ratio
    lab.attack("omd.thm2.mle.signed").worst             # a counterexample in small fractions
    lab.check("omd.thm2.mle", without="rewards in [0, r_max]")

A claim of your own is a function of an instance `x`, whose arrays are drawn from the fields:

    @lab.claim("my.gap", "my1", source="an idea", fields=lab.mdp())
    def my_gap(x):
        '''max Q* <= max r / (1 - gamma).'''
        Q = lab.optimal_q(x.P, x.r, x.gamma)
        return lab.at_most(x.xp.max(Q), x.xp.max(x.r) / (1 - x.gamma))

    print(lab.check(my_gap))
"""

from tabular.arithmetic import (
    action_values,
    deterministic,
    occupancy,
    optimal_q,
    policy_chain,
    policy_q,
    policy_values,
    soft_q,
)
from tabular.claims import PAPERS, find, resolve
from tabular.claims.claim import Claim, Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import mdp, pair, policy, rewards_from_zero, start, temperature
from tabular.claims.fields import Box, Discount, Field, Positive, Real, Rows, Whole
from tabular.lab.attack import attack
from tabular.lab.board import Board
from tabular.lab.certificate import Certificate, certify, counterexample
from tabular.lab.check import check, replay
from tabular.lab.stored import recheck
from tabular.lab.verdict import STATUSES, Verdict, Witness

__all__ = [
    "PAPERS",
    "STATUSES",
    "Board",
    "Box",
    "Certificate",
    "Claim",
    "Discount",
    "Field",
    "Hypothesis",
    "Instance",
    "Positive",
    "Real",
    "Rows",
    "Sides",
    "Verdict",
    "Whole",
    "Witness",
    "action_values",
    "at_most",
    "attack",
    "certify",
    "check",
    "claim",
    "counterexample",
    "deterministic",
    "equal",
    "find",
    "mdp",
    "occupancy",
    "optimal_q",
    "pair",
    "policy",
    "policy_chain",
    "policy_q",
    "policy_values",
    "recheck",
    "replay",
    "resolve",
    "rewards_from_zero",
    "soft_q",
    "start",
    "temperature",
]
