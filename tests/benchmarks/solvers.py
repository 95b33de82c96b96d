"""Speed of `solve` against quantecon and mdpsolver, cost of `import tabular`: python -m tests.benchmarks.solvers

Every number is CPU time (`time.process_time`) of one solve on one linear-algebra thread: the median of repetitions in
which the solvers take turns, after a first call that isn't counted (it compiles quantecon's numba code). Building the
solvers' models isn't counted. Small instances are ten MDPs, solved one after the other, and the time is that of one.
Ours is asked for a certified error of 1e-6, the peers for the accuracy that by their documentation gives 1e-6; the
error shown for all is the true one, against our tightest solution of the instance. A ratio is the peer's time over
ours: above 1, ours is faster; one with `!` means that the peer's answer was off by more than 1e-6.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

import tabular as tb
from tabular.mdp import MDP, AnyMDP
from tabular.worlds import dirichlet, garnet, random_maze

ACCURACY = 1e-6
IMPORT_TARGET = 0.45
PATIENCE = 5.0
"""CPU seconds after which a solver sits out the remaining rounds."""
GAMMAS = (0.99, 0.999)
Solver = Callable[[], np.ndarray]
"""Solves one prepared MDP from scratch and returns V."""
SMALL = 100
"""Up to this many states an instance is ten MDPs."""


@dataclass(frozen=True)
class Instance:
    """A family of random MDPs: `make(seed)`."""

    name: str
    make: Callable[[int], AnyMDP]
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
    """Dense MDPs of 2 and 20 states, garnets of 1e2 to 1e5 (4 actions, 5 successors), mazes of 10^2 to 300^2 cells."""
    for gamma in GAMMAS:
        yield Instance(f"dirichlet 2 gamma {gamma}", partial(dirichlet, 2, 2, gamma), True)
        yield Instance(f"dirichlet 20 gamma {gamma}", partial(dirichlet, 20, 4, gamma), True)
        for S in (100, 1000, 10_000, 100_000):
            yield Instance(f"garnet {S} gamma {gamma}", partial(garnet, S, 4, 5, gamma), S <= 10_000)
        for size in (10, 100, 300):
            yield Instance(f"grid {size}^2 gamma {gamma}", partial(random_maze, size, gamma), size <= 100)


def ours(mdp: AnyMDP) -> dict[str, Solver]:
    """Our solver as a user calls it."""
    return {"tabular": lambda: tb.solve(mdp, tol=ACCURACY).V}


def quantecon(mdp: AnyMDP) -> dict[str, Solver]:
    """QuantEcon's modified policy iteration and, unless its sparse LU would fill in, Howard's; state-action pairs,
    sparse and for small MDPs also dense.

    Its modified policy iteration shifts V to the middle of its bounds, so that epsilon is twice the error.
    """
    from quantecon.markov import DiscreteDP

    owner, action = np.nonzero(mdp.feasible)
    kernel = mdp.to_sparse().kernel[action * mdp.S + owner]
    forms = {"": kernel, " dense": kernel.toarray()} if isinstance(mdp, MDP) else {"": kernel}
    methods = {"mpi": {"epsilon": 2 * ACCURACY, "max_iter": 10**6}}
    if mdp.grid is not None or mdp.S <= 1000:
        methods["pi"] = {"max_iter": 10**6}

    def solver(model: DiscreteDP, method: str) -> Solver:
        return lambda: model.solve(method, **methods[method]).v

    models = {form: DiscreteDP(mdp.r[owner, action], P, mdp.gamma, owner, action) for form, P in forms.items()}
    return {f"quantecon {m}{form}": solver(model, m) for form, model in models.items() for m in methods}


def mdpsolver(mdp: AnyMDP) -> dict[str, Solver]:
    """mdpsolver's modified policy iteration, on one thread as all others, and from 0 each time: left alone, it starts
    from its last answer."""
    import mdpsolver

    kernel = mdp.to_sparse().P
    ends = list(pairwise(np.asarray(kernel.indptr).tolist()))
    probabilities = [kernel.data[i:j].tolist() for i, j in ends]
    columns = [kernel.indices[i:j].tolist() for i, j in ends]
    rows = [slice(first, first + mdp.A) for first in range(0, mdp.S * mdp.A, mdp.A)]
    model = mdpsolver.model()
    model.mdp(
        discount=mdp.gamma,
        rewards=mdp.r.tolist(),
        tranMatProbs=[probabilities[row] for row in rows],
        tranMatColumns=[columns[row] for row in rows],
    )
    zeros = {"initPolicy": [0] * mdp.S, "initValueVector": [0.0] * mdp.S}

    def solve() -> np.ndarray:
        model.solve(algorithm="mpi", tolerance=ACCURACY, parallel=False, **zeros)
        return np.array(model.getValueVector())

    return {"mdpsolver mpi": solve}


PEERS = {"quantecon": quantecon, "mdpsolver": mdpsolver}


def in_turn(solvers: list[dict[str, Solver]]) -> dict[str, Solver]:
    """Solvers of several MDPs as solvers that solve them all: V one after the other."""
    return {
        name: lambda each=[named[name] for named in solvers]: np.concatenate([solve() for solve in each])
        for name in solvers[0]
    }


def cpu_seconds(action: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call, averaged over `calls` of them."""
    start = time.process_time()
    for _ in range(calls):
        action()
    return (time.process_time() - start) / calls


def race(solvers: dict[str, Solver], exact: np.ndarray, rounds: int) -> list[Result]:
    """Each solver's median over rounds in which they take turns, of 20 ms or one call; slow ones miss later rounds."""
    errors = {name: float(abs(solver() - exact).max()) for name, solver in solvers.items()}
    once = {name: cpu_seconds(solver, 1) for name, solver in solvers.items()}
    times = {name: [] for name in solvers}
    for done in range(rounds):
        for name, solver in solvers.items():
            if done * once[name] < PATIENCE:
                times[name].append(cpu_seconds(solver, 1 + int(0.02 / max(once[name], 1e-6))))
    return [Result(name, statistics.median(times[name]), errors[name]) for name in solvers]


def compare(instance: Instance, peers: list[str], rounds: int) -> str:
    """Race ours and the peers on one instance: a line of the table."""
    first = instance.make(0)
    mdps = [first, *(instance.make(seed) for seed in range(1, 10))] if first.S <= SMALL else [first]
    solvers = in_turn([ours(mdp) for mdp in mdps])
    for peer in peers:
        solvers |= in_turn([PEERS[peer](mdp) for mdp in mdps])
    own, *others = race(solvers, np.concatenate([tb.solve(mdp).V for mdp in mdps]), rounds)
    cells = [f"{instance.name:<26}", f"{1e3 * own.seconds / len(mdps):9.3f} ms {own.error:7.0e}"]
    for peer in peers:
        fastest = best([other for other in others if other.solver.startswith(peer)])
        ratio = f"{fastest.seconds / own.seconds:6.2f}{' ' if fastest.correct else '!'}"
        cells.append(f"{fastest.solver:<18} {1e3 * fastest.seconds / len(mdps):9.3f} ms {fastest.error:7.0e} {ratio}")
    return " | ".join(cells)


def best(results: list[Result]) -> Result:
    """The fastest of the correct ones, or of all if none is."""
    return min(results, key=lambda result: (not result.correct, result.seconds))


def import_seconds(rounds: int) -> float:
    """Median CPU seconds that `import tabular` adds to a fresh interpreter."""
    program = "import time; start = time.process_time(); import tabular; print(time.process_time() - start)"
    return statistics.median(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(rounds))


def header(peers: list[str]) -> str:
    """First line of the table."""
    columns = [f"{f'{peer}: time, error, ratio':<46}" for peer in peers]
    return " | ".join([f"{'instance':<26}", f"{'tabular: time, error':<20}", *columns])


def run_batches(peers: list[str]) -> None:
    """The batches of small MDPs, which need JAX."""
    if len(peers) < len(PEERS):
        print("batches: left out, they need both peers")
        return
    from tests.benchmarks.batches import batches

    batches()


def main() -> None:
    """Print the table, the batches and the import time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only what contains one of these: garnet, '100^2', 0.999, import ...")
    parser.add_argument("--quick", action="store_true", help="small instances only, fewer repetitions, no batches")
    options = parser.parse_args()
    rounds = 3 if options.quick else 7

    def selected(name: str) -> bool:
        return not options.names or any(part in name for part in options.names)

    peers = [peer for peer in PEERS if importlib.util.find_spec(peer)]
    for missing in set(PEERS) - set(peers):
        print(f"{missing} is not installed: no comparison with it (pip install {missing})")
    if selected("import tabular"):
        print(f"import tabular: {import_seconds(2 * rounds + 1):.3f} CPU s (target {IMPORT_TARGET})")
    print(header(peers))
    for instance in instances():
        if selected(instance.name) and (instance.quick or not options.quick):
            print(compare(instance, peers, rounds), flush=True)
    if selected("batches") and not options.quick:
        run_batches(peers)


if __name__ == "__main__":
    main()
