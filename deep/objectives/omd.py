"""Optimal model design: the model whose Q, learned in it, is right in the truth (Nikishin et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array

from tabular.device.hypergradient import Inverse, hypergradient, identity


def omd(inner: Callable[[Any, Any], Array], model: Any, w: Any, slope: Any, inverse: Inverse = identity) -> Any:
    """Derivative of the outer loss by the model, `-(d_theta d_w L)' (d_w^2 L)^-1 d_w L_true`, a tree like the model.

    Nikishin et al. 2021, eq. 14: `w` minimises the inner loss L(theta, w), the error of Q in the model; the outer loss
    L_true(w) is its error on real transitions.

    Args:
      inner: the inner loss, from (model, w) to a scalar.
      w: critic after the steps of the inner loop, near the minimum of `inner(model, .)`.
      slope: derivative of the outer loss at w.
      inverse: for the Hessian of the inner loss; published: the identity.
    """
    return hypergradient(jax.grad(inner, argnums=1), model, w, slope, inverse)
