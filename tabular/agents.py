"""Agents that learn from sampled transitions of a known MDP: Q-learning, MnM and VMBPO in tables.

An agent is a record that says what it is rewarded with and in which dynamics it acts. Every iteration it

    1. forms V(s) = max_a Q(s, a) and its dynamics q(s'|s, a), either fixed or tilted by V (eq. 9),
    2. takes `steps` steps from the start in q, epsilon-greedily, with rewards r_tilde(s, a), and keeps them for ever,
    3. makes one pass over everything it has kept, of m transitions so far:

           Q(s, a) += (lr / steps) sum_{i <= m: (s_i, a_i) = (s, a)} [r_i + gamma V(s'_i) - Q(s, a)].

The pass needs no list of transitions. With N(s, a, s') the number of times each was seen, n its sum over s' and R(s, a)
the sum of rewards as they were when collected, its increment is R + gamma sum_s' N V - n Q.

Every agent here knows the MDP's kernel p: it acts in a simulator, and what is optimistic about MnM and VMBPO is q
computed from p, not learned from data. Eysenbach et al. 2021, section 5.1 and Figure 2a left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import index
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.device import policy_return, to_device
from tabular.errors import suggestion
from tabular.mdp import TOLERANCE, AnyMDP
from tabular.models import RANDOM_BITS, pinned_bits, seed_key
from tabular.operators import greedy, hard_value
from tabular.probability import kl_rows, log_reward, tilt

BLOCK_BYTES = 2**25
"""Random numbers are drawn for at most this much memory at a time."""


@dataclass(frozen=True, eq=False)
class Agent:
    """What tells one agent from another.

    r_tilde = r or (1 - gamma) log r, less KL(q || p) where asked for, with q = k or q ~ k e^V and k = p or given.
    """

    name: str
    """Label in results."""
    log: bool = False
    """Whether it is rewarded with `(1 - gamma) log r`, which needs r > 0, or with r."""
    kl: bool = False
    """Whether `KL(q(.|s, a) || p(.|s, a))` is subtracted from the reward: what MnM's classifier estimates."""
    optimistic: bool = False
    """Whether it acts in dynamics tilted by its own values, `q(s'|s, a) ~ k(s'|s, a) e^V(s')`, or in k."""
    kernel: np.ndarray | None = None
    """The dynamics k, shape (S, A, S); the MDP's own if None."""
    Q0: float = 0.0
    """Initial value of every action."""


Q_LEARNING = Agent("Q-learning")
MNM = Agent("MnM", log=True, kl=True, optimistic=True)
VMBPO = Agent("VMBPO", kl=True, optimistic=True)

AGENTS: Mapping[str, Agent] = MappingProxyType({agent.name: agent for agent in (Q_LEARNING, MNM, VMBPO)})
"""The published agents by name (Eysenbach et al. 2021)."""


class Stream(Protocol):
    """Uniform random numbers in [0, 1) for agents and seeds."""

    def uniforms(self, first: int, count: int, draws: int, /) -> Any:
        """Numbers of the iterations from `first` on: shape (agents or 1, count, draws, seeds), in float64."""
        ...
