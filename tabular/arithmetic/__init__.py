"""One equation, four arithmetics: plain floats, floats with a rigorous radius, exact numbers, JAX.

A statement about an MDP is written once, for arrays that know their namespace (`xp = P.__array_namespace__()`):

- NumPy arrays: fast, without proof;
- `enclosed`: NumPy arrays with a radius that covers every rounding error;
- `exact`: rationals, and real balls of 192 bits where logarithms occur, by python-flint;
- JAX arrays: for gradients and many instances at once.
"""

from tabular.arithmetic.ambiguous import Ambiguous, Irrational
from tabular.arithmetic.values import (
    action_values,
    deterministic,
    occupancy,
    optimal_q,
    policy_chain,
    policy_q,
    policy_values,
    soft_q,
)

__all__ = [
    "Ambiguous",
    "Irrational",
    "action_values",
    "deterministic",
    "occupancy",
    "optimal_q",
    "policy_chain",
    "policy_q",
    "policy_values",
    "soft_q",
]
