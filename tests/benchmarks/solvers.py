"""Speed of `solve` against quantecon and mdpsolver, and the cost of `import tabular`: python -m tests.benchmarks.solvers

Every number is CPU time (`time.process_time`) of one solve call on one linear-algebra thread: the median of repetitions
in which the solvers take turns, after a first call that isn't counted (it compiles quantecon's numba code). Building
the solvers' models isn't counted. Ours is asked for a certified error of 1e-6, the peers for the accuracy that by
their documentation gives 1e-6; the error shown for all is the true one, against our tightest solution of the instance.
A ratio above 1 means that ours is faster; one with `!` means that the peer's answer was off by more than 1e-6.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import argparse  # noqa: E402
import importlib.util  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass  # noqa: E402

import numpy as np  # noqa: E402

import tabular as tb  # noqa: E402
from tabular.mdp import AnyMDP  # noqa: E402
from tabular.worlds import garnet, random_maze  # noqa: E402

ACCURACY = 1e-6
IMPORT_TARGET = 0.45
GAMMAS = (0.99, 0.999)
Solver = Callable[[], np.ndarray]
"""Solves one prepared instance from scratch and returns V."""


@dataclass(frozen=True)
class Instance:
    """An MDP to be made when its turn comes."""

    name: str
    make: Callable[[], AnyMDP]
    quick: bool


@dataclass(frozen=True)
class Result:
    """One solver's performance on one instance."""

    solver: str
    seconds: float
    """Median CPU seconds of a solve."""
    error: float
    """True error `max |V - V*|`."""

    @property
    def correct(self) -> bool:
        """Whether the answer is as accurate as was asked."""
        return self.error <= ACCURACY


def instances() -> Iterator[Instance]:
    """Garnets of 1e2 to 1e5 states (4 actions, 5 successors) and mazes of up to 300 x 300 cells, at both discounts."""
    for gamma in GAMMAS:
        for S in (100, 1000, 10_000, 100_000):
            make = lambda S=S, gamma=gamma: garnet(S, 4, 5, gamma)  # noqa: E731
            yield Instance(f"garnet {S:g} gamma {gamma}", make, S <= 10_000)
        for size in (10, 100, 300):
            make = lambda size=size, gamma=gamma: random_maze(size, gamma)  # noqa: E731
            yield Instance(f"grid {size}^2 gamma {gamma}", make, size <= 100)


def ours(mdp: AnyMDP) -> dict[str, Solver]:
    """Our solver as a user calls it."""
    return {"tabular": lambda: tb.solve(mdp, tol=ACCURACY).V}


def quantecon(mdp: AnyMDP) -> dict[str, Solver]:
    """QuantEcon's modified and (where a sparse LU doesn't fill in) Howard's policy iteration, state-action-pair form.

    Its modified policy iteration shifts V to the middle of its bounds, so that epsilon is twice the error.
    """
    from quantecon.markov import DiscreteDP

    owner, action = np.nonzero(mdp.feasible)
    kernel = mdp.to_sparse().kernel[action * mdp.S + owner]
    model = DiscreteDP(mdp.r[owner, action], kernel, mdp.gamma, owner, action)

    def modified() -> np.ndarray:
        return model.solve(method="modified_policy_iteration", epsilon=2 * ACCURACY, max_iter=10**6).v

    def policy() -> np.ndarray:
        return model.solve(method="policy_iteration", max_iter=10**6).v

    narrow = mdp.grid is not None or mdp.S <= 1000
    return {"quantecon mpi": modified} | ({"quantecon pi": policy} if narrow else {})


def mdpsolver(mdp: AnyMDP) -> dict[str, Solver]:
    """mdpsolver's modified policy iteration, on one thread as all others."""
    import mdpsolver

    kernel = mdp.to_sparse().P
    bounds = kernel.indptr.reshape(-1)
    pairs = [(kernel.data[i:j].tolist(), kernel.indices[i:j].tolist()) for i, j in zip(bounds, bounds[1:], strict=False)]
    rows = [pairs[s * mdp.A : (s + 1) * mdp.A] for s in range(mdp.S)]
    model = mdpsolver.model()
    model.mdp(
        discount=mdp.gamma,
        rewards=mdp.r.tolist(),
        tranMatProbs=[[probabilities for probabilities, _ in row] for row in rows],
        tranMatColumns=[[columns for _, columns in row] for row in rows],
    )

    def solve() -> np.ndarray:
        model.solve(algorithm="mpi", tolerance=ACCURACY, parallel=False)
        return np.array(model.getValueVector())

    return {"mdpsolver mpi": solve}


PEERS = {"quantecon": quantecon, "mdpsolver": mdpsolver}


def cpu_seconds(action: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call, averaged over `calls` of them."""
    start = time.process_time()
    for _ in range(calls):
        action()
    return (time.process_time() - start) / calls


def race(solvers: dict[str, Solver], exact: np.ndarray, rounds: int) -> list[Result]:
    """Each solver's median over rounds in which they take turns; a turn lasts 20 ms or one call."""
    errors = {name: float(abs(solver() - exact).max()) for name, solver in solvers.items()}
    calls = {name: 1 + int(0.02 / max(cpu_seconds(solver, 1), 1e-6)) for name, solver in solvers.items()}
    times = {name: [] for name in solvers}
    for _ in range(rounds):
        for name, solver in solvers.items():
            times[name].append(cpu_seconds(solver, calls[name]))
    return [Result(name, statistics.median(times[name]), errors[name]) for name in solvers]


def compare(instance: Instance, peers: list[str], rounds: int) -> str:
    """Race ours and the peers on one instance: a line of the table."""
    mdp = instance.make()
    solvers = ours(mdp)
    for peer in peers:
        solvers |= PEERS[peer](mdp)
    own, *others = race(solvers, tb.solve(mdp).V, rounds)
    cells = [f"{instance.name:<26}", f"{own.seconds:9.5f} s {own.error:8.1e}"]
    for peer in peers:
        fastest = best([other for other in others if other.solver.startswith(peer)])
        mark = " " if fastest.correct else "!"
        ratio = f"{fastest.seconds / own.seconds:6.2f}{mark}"
        cells.append(f"{fastest.solver:<13} {fastest.seconds:9.5f} s {fastest.error:8.1e} {ratio}")
    return " | ".join(cells)


def best(results: list[Result]) -> Result:
    """The fastest of the correct ones, or of all if none is."""
    return min(results, key=lambda result: (not result.correct, result.seconds))


def import_seconds(rounds: int) -> float:
    """Median CPU seconds that `import tabular` adds to a fresh interpreter."""
    program = "import time; start = time.process_time(); import tabular; print(time.process_time() - start)"
    return statistics.median(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(rounds))


def main() -> None:
    """Print the table, the batches and the import time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only what contains one of these: garnet, '100^2', 0.999, import ...")
    parser.add_argument("--quick", action="store_true", help="small instances only, fewer repetitions")
    options = parser.parse_args()
    rounds = 3 if options.quick else 7

    def selected(name: str) -> bool:
        return not options.names or any(part in name for part in options.names)

    peers = [peer for peer in PEERS if importlib.util.find_spec(peer)]
    for missing in set(PEERS) - set(peers):
        print(f"{missing} is not installed: no comparison with it (pip install {missing})")
    print(" | ".join([f"{'instance':<26}", f"{'tabular':<20}", *(f"{f'{peer}: time, error, ratio':<41}" for peer in peers)]))
    for instance in instances():
        if selected(instance.name) and (instance.quick or not options.quick):
            print(compare(instance, peers, rounds), flush=True)
    if selected("import"):
        print(f"import tabular: {import_seconds(2 * rounds + 1):.3f} CPU s (target {IMPORT_TARGET})")


if __name__ == "__main__":
    main()
