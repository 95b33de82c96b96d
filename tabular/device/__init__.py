"""Device engine (JAX): gradients through the Bellman fixed point, and thousands of MDPs in one call.

Importing it switches JAX to float64, here and nowhere else, and makes `MDP` a pytree: its arrays and discount are data,
its labels and geometry are static. Functions are written for one MDP; callers `vmap`.

    soft_q(mdp, alpha)          soft-optimal Q, differentiable by the implicit function theorem
    solve_soft(mdp, alpha)      the same with iterations, residual, error bound and status
    policy_return(mdp, pi)      closed-form return, with policy_v, policy_q and occupancy
    solve_batch(P, r, gamma)    optimal values of many MDPs at once, with soft_solve_batch and evaluate_batch
"""

from __future__ import annotations

import jax

jax.config.update("jax_enable_x64", True)

from tabular.mdp import MDP  # noqa: E402

jax.tree_util.register_dataclass(
    MDP, data_fields=["P", "r", "gamma", "rho"], meta_fields=["terminating", "states", "actions", "grid"]
)

from tabular.device.batch import evaluate_batch, soft_solve_batch, solve_batch  # noqa: E402
from tabular.device.batched import BatchEvaluation, BatchSolution  # noqa: E402
from tabular.device.implicit import (  # noqa: E402
    SoftSolution,
    implicit_q,
    occupancy,
    policy_q,
    policy_return,
    policy_v,
    soft_q,
    solve_soft,
)
from tabular.device.linear import cg, exact, gmres, identity, neumann  # noqa: E402
from tabular.device.transfer import to_device  # noqa: E402

__all__ = [
    "BatchEvaluation",
    "BatchSolution",
    "SoftSolution",
    "cg",
    "evaluate_batch",
    "exact",
    "gmres",
    "identity",
    "implicit_q",
    "neumann",
    "occupancy",
    "policy_q",
    "policy_return",
    "policy_v",
    "soft_q",
    "soft_solve_batch",
    "solve_batch",
    "solve_soft",
    "to_device",
]
