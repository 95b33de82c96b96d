"""From the host engine to the device engine."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from tabular.mdp import MDP, AnyMDP, SparseMDP

DENSE_BYTES = 2**31
"""A sparse MDP whose dense transition matrix would be larger than this isn't converted."""


def to_device(mdp: AnyMDP) -> MDP:
    """The same MDP with JAX arrays, dense; float64.

    Raises:
      ValueError if a sparse MDP would need more than 2 GiB as a dense one (8 S^2 A bytes).
    """
    size = 8 * mdp.S**2 * mdp.A
    if isinstance(mdp, SparseMDP) and size > DENSE_BYTES:
        raise ValueError(
            f"{mdp!r} would need {size / 2**30:.1f} GiB as a dense MDP, and the device engine has dense ones only "
            f"(at most {DENSE_BYTES / 2**30:g} GiB). Solve it on the host: tabular.solve, tabular.soft_solve."
        )
    dense = mdp.to_dense()
    arrays = {name: jnp.asarray(getattr(dense, name), jnp.float64) for name in ("P", "r", "gamma", "rho")}
    return dataclasses.replace(dense, **arrays)
