"""The linear system of a policy, `(I - gamma P_pi) x = b`, factored once and solved as often as needed.

A dense LU up to a few hundred states; above that a sparse LU where the chain is long and narrow (grids, queues), and
preconditioned Krylov iterations with refinement where a factor would fill in (random graphs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.csgraph
import scipy.sparse.linalg as spla

from tabular.mdp import MDP, AnyMDP

DENSE_STATES = 300
"""Up to this many states a chain is factored as a dense matrix."""
SMALL_STATES = 3000
"""Up to this many states a sparse LU is cheap whatever the graph."""
NARROW = 0.05
"""A graph whose widest level of hop distances holds less than this share of the states has little fill-in."""

Solve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PolicySystem:
    """Factored `I - gamma P_pi`: `solve(b)` and, for occupancies, `solve_adjoint(b)` with the transpose."""

    solve: Solve
    solve_adjoint: Solve
    chain: np.ndarray | sp.csr_matrix
    """The transition matrix P_pi."""
    kernel: object
    """The storage of the MDP the chain was taken from; the same object means the same transition kernel."""
    pi: np.ndarray
    gamma: float

    def belongs_to(self, mdp: AnyMDP, pi: np.ndarray) -> bool:
        """Whether this is the system of policy `pi` in `mdp`, so that nothing need be factored again."""
        return storage(mdp) is self.kernel and mdp.gamma == self.gamma and np.array_equal(pi, self.pi)


def storage(mdp: AnyMDP):
    """The object that holds the transition probabilities."""
    return mdp.P if isinstance(mdp, MDP) else mdp.kernel


def policy_system(mdp: AnyMDP, pi: np.ndarray, reuse: PolicySystem | None = None) -> PolicySystem:
    """Factor `I - gamma P_pi`, or return `reuse` if it is that factorisation already."""
    if reuse is not None and reuse.belongs_to(mdp, pi):
        return reuse
    chain = mdp.chain(pi)
    solve, adjoint = factor(chain, mdp.gamma)
    return PolicySystem(solve, adjoint, chain, storage(mdp), pi, mdp.gamma)


def factor(chain, gamma: float) -> tuple[Solve, Solve]:
    """Solvers for `(I - gamma chain) x = b` and for its transpose."""
    S = chain.shape[0]
    if sp.issparse(chain) and S > DENSE_STATES:
        matrix = sp.csc_matrix(sp.eye_array(S) - gamma * chain)
        if S <= SMALL_STATES or is_narrow(chain):
            return _sparse_lu(matrix)
        return _krylov(matrix), _krylov(matrix.T.tocsc())
    dense = chain.toarray() if sp.issparse(chain) else chain
    lu = scipy.linalg.lu_factor(np.eye(S) - gamma * dense, check_finite=False)
    return (
        lambda b: scipy.linalg.lu_solve(lu, b, check_finite=False),
        lambda b: scipy.linalg.lu_solve(lu, b, trans=1, check_finite=False),
    )


def _sparse_lu(matrix: sp.csc_matrix) -> tuple[Solve, Solve]:
    lu = spla.splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0)
    return lu.solve, lambda b: lu.solve(b, trans="T")


def is_narrow(chain: sp.csr_matrix) -> bool:
    """Whether the largest level of undirected hop distances holds less than 5% of the states it reaches."""
    start = int(np.argmax(np.diff(chain.indptr)))
    hops = scipy.sparse.csgraph.dijkstra(chain, directed=False, indices=start, unweighted=True)
    levels = np.bincount(hops[np.isfinite(hops)].astype(int))
    return levels.max() <= NARROW * levels.sum()


def _krylov(matrix: sp.csc_matrix) -> Solve:
    """GMRES with refinement; a sparse LU if it stalls."""

    def solve(b: np.ndarray) -> np.ndarray:
        x, residual = np.zeros_like(b), b
        for _ in range(6):
            size = abs(residual).max()
            if size <= 4 * np.finfo(float).eps * (abs(b).max() + abs(x).max()):
                return x
            correction, _ = spla.gmres(matrix, residual, rtol=1e-8, restart=40, maxiter=10)
            candidate = x + correction
            remaining = b - matrix @ candidate
            if not abs(remaining).max() < size:
                break
            x, residual = candidate, remaining
        if abs(residual).max() <= 1e-12 * (abs(b).max() + abs(x).max()):
            return x
        return spla.splu(matrix).solve(b)

    return solve
