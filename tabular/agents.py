"""Agents that learn from sampled transitions of a known MDP: Q-learning, MnM and VMBPO in tables.

An agent is a record that says what it is rewarded with and in which dynamics it acts. In each iteration it

    1. takes V(s) = max_a Q(s, a), and its dynamics q(s'|s, a), fixed or tilted by V;
    2. makes `steps` steps from the start in q, epsilon-greedily, and keeps all transitions, each with the reward
       r_tilde(s, a) of this iteration (the actions of the first iteration are uniformly random);
    3. passes once over all transitions it has kept so far, with the V and Q of 1. on the right-hand side:

           Q(s, a) += (lr / steps) sum_{i: (s_i, a_i) = (s, a)} [r_i + gamma V(s'_i) - Q(s, a)].

The pass doesn't need the transitions one by one. With N(s, a, s') the number of times that each was seen, n its sum
over s' and R(s, a) the sum of the rewards as they were when collected, the sum is R + gamma sum_s' N V - n Q.

Every agent here acts in a simulator: q is computed from the true kernel p, not learned. Eysenbach et al. 2021, section
5.1 and the code published with it, which the defaults follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.device import policy_return, to_device
from tabular.errors import NotConverged, suggestion
from tabular.mdp import MDP, TOLERANCE, AnyMDP
from tabular.models import RANDOM_BITS, pinned_bits, seed_key
from tabular.operators import greedy, hard_value
from tabular.probability import kl_rows, log_reward

BLOCK_BYTES = 2**24
"""Random numbers are drawn for this much memory at a time, but at least for one iteration."""
UNROLL = 4
"""Steps written out in the compiled loop over steps."""


@dataclass(frozen=True, eq=False)
class Agent:
    """What tells one agent from another: its reward r_tilde and its dynamics q.

        r_tilde(s, a) = f(r(s, a)) - [kl] KL(q(.|s, a) || p(.|s, a)),    f(r) = r  or  (1 - gamma) log r

    with p the kernel of the MDP, and q = p, or `q(s'|s, a) ~ p(s'|s, a) e^V(s')`, or a kernel that is given.
    """

    name: str
    """Label in results."""
    log: bool = False
    """Whether f(r) is `(1 - gamma) log r`, which needs positive rewards."""
    kl: bool = False
    """Whether the divergence of q from p is subtracted: what the classifier of MnM estimates."""
    optimistic: bool = False
    """Whether q is p tilted by the agent's own values V (Eysenbach et al. 2021, eq. 9)."""
    kernel: np.ndarray | None = None
    """Dynamics q that stay as they are, shape (S, A, S), axes `s, a, s'`; None for p, or p tilted."""
    Q0: float = 0.0
    """Initial value of every action, in units of return under r_tilde."""


Q_LEARNING = Agent("Q-learning")
MNM = Agent("MnM", log=True, kl=True, optimistic=True)
VMBPO = Agent("VMBPO", kl=True, optimistic=True)

AGENTS: Mapping[str, Agent] = MappingProxyType({agent.name: agent for agent in (Q_LEARNING, MNM, VMBPO)})
"""The agents of Eysenbach et al. 2021 by name."""


@dataclass(frozen=True, eq=False)
class Learning:
    """What agents learned. Leading axes of all arrays: (agent, seed), written G and N."""

    agents: tuple[Agent, ...]
    """G of them."""
    seeds: tuple[int, ...]
    """N of them."""
    iteration: np.ndarray
    """Iterations after which the greedy policy was recorded, counted from 0, shape (n,)."""
    returns: np.ndarray
    """True return of the greedy policy, `J` in the MDP with its own rewards, shape (G, N, n)."""
    actions: np.ndarray
    """The greedy policy, shape (G, N, n, S) integers; the first of actions that tie."""
    Q: np.ndarray
    """Values after the last iteration, under r_tilde, shape (G, N, S, A)."""
    visits: np.ndarray
    """How often each action was taken, shape (G, N, S, A)."""
    settings: dict[str, Any]
    """What else was asked for, as words and numbers."""
    mdp: AnyMDP

    @property
    def step_size(self) -> np.ndarray:
        """Largest step size of the last pass, `max lr n / steps` over actions, shape (G, N).

        It grows with every iteration. Above 2 a pass overshoots, and unless the action mostly leads back to its own
        state, values oscillate and in the end overflow.
        """
        return self.settings["lr"] / self.settings["steps"] * self.visits.max((-2, -1))

    def first_above(self, level: float) -> np.ndarray:
        """First recorded iteration with a return above the level, inf where there is none; shape (G, N)."""
        above = self.returns > level
        return np.where(above.any(-1), self.iteration[above.argmax(-1)], np.inf)


# random numbers


Draw = Callable[[int], Any]
"""From the number of an iteration to the uniform numbers on [0, 1) of a block of iterations that begins with it.

Shape (G, block, draws, N) for G agents that have their own, or 1 for all agents, and N seeds. It is called in order.
"""


class Demand(NamedTuple):
    """What a run asks of a stream of random numbers."""

    seeds: tuple[int, ...]
    agents: int
    """How many there are."""
    iterations: int
    draws: int
    """Numbers for an iteration: two for each step (the action, then the next state), after one for the start state if
    there is a choice."""
    block: int
    """Iterations to draw for at a time."""


Stream = Callable[[Demand], Draw]


def threefry(demand: Demand) -> Draw:
    """Random numbers of JAX, of pinned bits: those of an iteration depend on the seed and the iteration alone.

    All agents have the same numbers, so that an agent's result doesn't depend on which others take part, and two that
    behave alike can't differ by chance.
    """
    seeds = jnp.asarray(demand.seeds)

    def draw(first: int) -> jax.Array:
        with pinned_bits():
            return _threefry(seeds, first, demand.block, demand.draws)

    return draw


@partial(jax.jit, static_argnames=("block", "draws"))
def _threefry(seeds: jax.Array, first: jax.Array, block: int, draws: int) -> jax.Array:
    def one(pair):
        seed, iteration = pair
        return jax.random.uniform(jax.random.fold_in(seed_key(seed), iteration), (draws,), jnp.float64)

    pairs = jnp.repeat(seeds, block), jnp.tile(first + jnp.arange(block), len(seeds))
    numbers = lax.map(one, pairs)  # not vmap, which takes ten times as long to compile
    return jnp.moveaxis(numbers.reshape(1, len(seeds), block, draws), 1, -1)


def mersenne_twister(demand: Demand) -> Draw:
    """Random numbers of `numpy.random.RandomState(seed)`: one stream for each seed, which the agents use up in turn.

    The first agent has the numbers of its whole run, then the second: bit for bit the experiment published with
    Eysenbach et al. 2021, if the agents are Q-learning, MnM and VMBPO.
    """
    generators = [[np.random.RandomState(seed) for seed in demand.seeds] for _ in range(demand.agents)]
    for earlier, row in enumerate(generators):
        for generator in row * earlier:
            generator.random_sample(demand.iterations * demand.draws)

    def draw(first: int) -> np.ndarray:
        shape = demand.block, demand.draws
        numbers = [[generator.random_sample(shape) for generator in row] for row in generators]
        return np.moveaxis(np.array(numbers), 1, -1)

    return draw


BITS: Mapping[Stream, str] = {threefry: RANDOM_BITS, mersenne_twister: "numpy.random.RandomState (MT19937)"}
"""How results name the bits of a stream."""


# the run


def learn(
    mdp: AnyMDP,
    agents: Iterable[Agent | str],
    *,
    seeds: Iterable[int] | int,
    iterations: int = 1501,
    steps: int = 200,
    lr: float = 0.01,
    epsilon: float = 0.5,
    record_every: int = 20,
    stream: Stream = threefry,
    progress: Callable[[int], object] | None = None,
) -> Learning:
    """Let agents learn in an MDP, each from the start once for every seed.

    Args:
      mdp: the MDP; gamma < 1, not terminating, small enough to be dense. An iteration starts in a state drawn from
        `rho`, for which a random number is needed only if there is a choice.
      agents: records, or names of published ones (`AGENTS`), all with different names.
      seeds: integers of 0 or more.
      iterations, steps, lr, epsilon: see the module's docstring. The policy takes a uniformly random feasible action
        with probability epsilon and the greedy one otherwise.
      record_every: the return is recorded after the iterations 0, `record_every`, 2 `record_every`, ...
      stream: where random numbers come from: `threefry` or `mersenne_twister`.
      progress: is called with numbers of iterations that add up to `iterations`. In between the run hears Ctrl-C.

    Returns:
      Learning.

    Raises:
      ValueError for a bad argument, before any work; NotConverged if values overflow (see `Learning.step_size`).
    """
    _check(mdp, {"iterations": iterations, "steps": steps, "record_every": record_every}, lr, epsilon)
    dense, host = _bare(mdp), mdp.to_dense()
    agents, seeds = _agents(agents, host), _seeds(seeds)
    world = _world(host, agents)
    groups = _groups(host, agents, world)
    lanes = [_start(group.arms, world, len(seeds)) for group in groups]
    draws = 2 * steps + bool(np.count_nonzero(mdp.rho) > 1)
    block = max(1, min(record_every, BLOCK_BYTES // (8 * draws * len(agents) * len(seeds))))
    draw = stream(Demand(seeds, len(agents), iterations, draws, block))
    pace = _Pace(lr / steps, epsilon, record_every)
    actions = []
    for first in range(0, iterations, block):
        uniforms, count = draw(first), min(block, iterations - first)
        lanes = [
            _advance(group.optimistic, world, group.arms, pace, lane, group.share(uniforms), first, count)
            for group, lane in zip(groups, lanes, strict=True)
        ]
        if -first % record_every < count:
            actions.append(_in_order(groups, [lane.actions for lane in lanes]))
        if progress is not None:
            progress(count)
    found = Learning(
        agents=agents,
        seeds=seeds,
        iteration=np.arange(0, iterations, record_every),
        returns=np.stack([_returns(dense, each) for each in actions], axis=-1),
        actions=np.stack(actions, axis=2),
        Q=np.where(mdp.feasible, _in_order(groups, [lane.Q for lane in lanes]), -np.inf),
        visits=_in_order(groups, [lane.seen for lane in lanes]).sum(-1).astype(int),
        settings={
            "iterations": iterations,
            "steps": steps,
            "lr": lr,
            "epsilon": epsilon,
            "record_every": record_every,
            "random_bits": BITS.get(stream, repr(stream)),
        },
        mdp=mdp,
    )
    return _sound(found)


# the loop


class _World(NamedTuple):
    """The MDP on the supports of its rows: K is the largest number of successors of any action, in any kernel."""

    successors: jax.Array
    """Shape (S, A, K), in ascending order; rows with fewer successors are filled up with states of probability 0."""
    p: jax.Array
    """Probabilities of the successors, shape (S, A, K)."""
    feasible: jax.Array
    starts: jax.Array
    """Cumulative start distribution, shape (S,)."""
    gamma: jax.Array


class _Arm(NamedTuple):
    """An agent in numbers. Batched: every array has a leading axis of agents."""

    reward: jax.Array
    """f(r), less the divergence of dynamics that stay as they are, shape (S, A)."""
    kernel: jax.Array
    """Dynamics that stay as they are, on the supports, shape (S, A, K)."""
    penalty: jax.Array
    """Weight of the divergence of tilted dynamics: 0 or 1."""
    Q0: jax.Array


class _Group(NamedTuple):
    """Agents that one compiled loop serves."""

    optimistic: bool
    which: list[int]
    """Their places among all agents."""
    arms: _Arm

    def share(self, uniforms):
        """Their part of the random numbers."""
        return uniforms if len(uniforms) == 1 else uniforms[np.array(self.which)]


class _Pace(NamedTuple):
    """Numbers that are the same for all agents and seeds."""

    rate: float
    """lr / steps."""
    epsilon: float
    record_every: int


class _Lane(NamedTuple):
    """One agent with one seed under way. Batched: every array has leading axes of agents and seeds."""

    Q: jax.Array
    """Shape (S, A)."""
    rewards: jax.Array
    """R, the sum of the rewards collected, shape (S, A)."""
    seen: jax.Array
    """N, how often each successor was seen, shape (S, A, K)."""
    actions: jax.Array
    """Greedy actions when they were last recorded, shape (S,)."""


def _start(arms: _Arm, world: _World, seeds: int) -> _Lane:
    """All lanes of a group before the first iteration."""

    def one(Q0):
        Q, none = jnp.where(world.feasible, Q0, -jnp.inf), jnp.zeros(world.feasible.shape)
        return _Lane(Q, none, jnp.zeros(world.p.shape), jnp.argmax(none, axis=1))

    return jax.vmap(jax.vmap(one))(jnp.repeat(arms.Q0[:, None], seeds, axis=1))


@partial(jax.jit, static_argnums=0)
def _advance(optimistic: bool, world, arms: _Arm, pace: _Pace, lanes: _Lane, uniforms, first, count) -> _Lane:
    """The iterations `first` to `first + count - 1` of all agents of a group and all seeds."""
    own = 0 if uniforms.shape[0] == len(arms.Q0) else None
    over_seeds = jax.vmap(partial(_iteration, optimistic, world, pace), (None, 0, -1, None))
    over_agents = jax.vmap(over_seeds, (0, 0, own, None))

    def body(i, lanes):
        numbers = uniforms[:, i] if own == 0 else uniforms[0, i]
        return over_agents(arms, lanes, numbers, first + i)

    return lax.fori_loop(0, count, body, lanes)


def _iteration(optimistic: bool, world: _World, pace: _Pace, arm: _Arm, lane: _Lane, uniforms, iteration) -> _Lane:
    """Steps 1 to 3 of the module's docstring, for one agent and one seed."""
    V = hard_value(lane.Q)[world.successors]
    if optimistic:
        q, kl = _tilted(world.p, V)
        reward = arm.reward - arm.penalty * kl
    else:
        q, reward = arm.kernel, arm.reward
    new = _rollout(world, _policy(world, pace, lane.Q, iteration), q, uniforms)
    seen = lane.seen + new
    rewards = lane.rewards + jnp.sum(new, axis=-1) * reward
    n = jnp.sum(seen, axis=-1)
    increment = rewards + world.gamma * jnp.sum(seen * V, axis=-1) - n * lane.Q
    Q = jnp.where(n > 0, lane.Q + pace.rate * increment, lane.Q)
    actions = jnp.where(iteration % pace.record_every == 0, greedy(Q), lane.actions)
    return _Lane(Q, rewards, seen, actions)


def _tilted(p: jax.Array, V: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The tilt `q ~ p e^V` along the last axis, and `KL(q || p) = E_q V - log E_p e^V` to relative accuracy.

    Values are differences from the largest one on the support. While they are small, so is the divergence, and
    `sum q log(q / p)` would add noise of 1e-17, by which actions that are alike by symmetry stop being ties.
    """
    supported = p > 0
    V = jnp.where(supported, V, -jnp.inf)
    V = jnp.where(supported, V - jnp.max(V, axis=-1, keepdims=True), 0.0)
    growth = jnp.expm1(V)
    weights = p * (1 + growth)
    total, change = jnp.sum(weights, axis=-1), jnp.sum(p * growth, axis=-1)
    q = weights / total[..., None]
    return q, jnp.sum(q * V, axis=-1) - jnp.where(change > -0.5, jnp.log1p(change), jnp.log(total))


def _policy(world: _World, pace: _Pace, Q: jax.Array, iteration) -> jax.Array:
    """The epsilon-greedy policy over feasible actions, uniform in the first iteration; shape (S, A)."""
    epsilon = jnp.where(iteration == 0, 1.0, pace.epsilon)
    feasible = world.feasible.astype(jnp.float64)
    uniform = feasible / jnp.sum(feasible, axis=1, keepdims=True)
    return epsilon * uniform + (1 - epsilon) * jax.nn.one_hot(greedy(Q), Q.shape[1], dtype=jnp.float64)


def _rollout(world: _World, pi: jax.Array, q: jax.Array, uniforms: jax.Array) -> jax.Array:
    """How often each successor was reached on one walk, shape (S, A, K).

    Two numbers a step, after one for the start state if their count is odd; each chooses by the inverse of a cumulative
    distribution.
    """
    S, A, K = q.shape
    choose, move = _cumulative(pi), _cumulative(q).reshape(S * A, K)
    successors = world.successors.reshape(-1)

    def step(s, numbers):
        row = s * A + jnp.sum(choose[s] <= numbers[0])
        place = row * K + jnp.sum(move[row] <= numbers[1])
        return successors[place], place

    odd = uniforms.shape[0] % 2
    start = jnp.sum(world.starts <= (uniforms[0] if odd else 0.0))
    places = lax.scan(step, start, uniforms[odd:].reshape(-1, 2), unroll=UNROLL)[1]
    return jnp.zeros(S * A * K).at[places].add(1.0).reshape(S, A, K)


def _cumulative(probabilities):
    """Cumulative probabilities along the last axis, the last of them 1."""
    total = probabilities.cumsum(axis=-1)
    return total / total[..., -1:]


def _bare(mdp: AnyMDP) -> MDP:
    """The MDP on the device without labels, so that one compiled function serves all MDPs of a shape."""
    dense = to_device(mdp)
    return MDP(dense.P, dense.r, dense.gamma, dense.rho)


def _returns(dense: MDP, actions: np.ndarray) -> np.ndarray:
    """True returns of deterministic policies, shape (G, N) for (G, N, S) actions."""
    flat = actions.reshape(-1, dense.S)
    return np.asarray(_policy_returns(dense, flat)).reshape(actions.shape[:-1])


@jax.jit
def _policy_returns(mdp: MDP, actions: jax.Array) -> jax.Array:
    def one(action):
        return policy_return(mdp, jax.nn.one_hot(action, mdp.A, dtype=jnp.float64))

    return jax.vmap(one)(actions)


def _in_order(groups: list[_Group], arrays: list[jax.Array]) -> np.ndarray:
    """One array of all agents in the order they were given, from one of each group."""
    order = np.argsort(np.concatenate([group.which for group in groups]))
    return np.concatenate([np.asarray(array) for array in arrays])[order]


def _sound(found: Learning) -> Learning:
    """What was learned itself, if no value overflowed."""
    failed = ~np.isfinite(found.Q[..., found.mdp.feasible]).all(-1)
    if failed.any():
        g, n = np.argwhere(failed)[0]
        raise NotConverged(
            f"values became infinite in {failed.sum()} of {failed.size} runs; the first is {found.agents[g].name} with "
            f"seed {found.seeds[n]}, whose largest step size lr n / steps is {found.step_size[g, n]:.3g}, and above 2 "
            "values oscillate. Take a smaller lr or fewer iterations. .result holds all runs.",
            result=found,
        )
    return found


# from records to arrays


def _world(mdp: MDP, agents: Sequence[Agent]) -> _World:
    kernels = [mdp.P, *(agent.kernel for agent in agents if agent.kernel is not None)]
    support = np.any([kernel > 0 for kernel in kernels], axis=0)
    successors = np.argsort(~support, axis=-1, kind="stable")[..., : support.sum(-1).max()]
    arrays = successors, _on(successors, mdp.P, mdp.feasible), mdp.feasible, _cumulative(mdp.rho), mdp.gamma
    return _World(*map(jnp.asarray, arrays))


def _on(successors: np.ndarray, kernel: np.ndarray, feasible: np.ndarray) -> np.ndarray:
    """A kernel on the supports, shape (S, A, K). An infeasible action, which is never taken, gets its first state."""
    rows = np.where(feasible[..., None], np.take_along_axis(kernel, successors, -1), np.eye(1, successors.shape[-1])[0])
    return rows / rows.sum(-1, keepdims=True)


def _groups(mdp: MDP, agents: Sequence[Agent], world: _World) -> list[_Group]:
    """The agents with dynamics that stay as they are, and those whose dynamics change with their values."""
    groups = []
    for optimistic in (False, True):
        which = [place for place, agent in enumerate(agents) if agent.optimistic == optimistic]
        if which:
            arms = [_arm(mdp, agents[place], np.asarray(world.successors)) for place in which]
            groups.append(_Group(optimistic, which, jax.tree.map(lambda *x: jnp.stack(x), *arms)))
    return groups


def _arm(mdp: MDP, agent: Agent, successors: np.ndarray) -> _Arm:
    reward = np.where(mdp.feasible, (1 - mdp.gamma) * log_reward(mdp.r) if agent.log else mdp.r, 0.0)
    p = _on(successors, mdp.P, mdp.feasible)
    kernel = p if agent.kernel is None else _on(successors, agent.kernel, mdp.feasible)
    if agent.kl and not agent.optimistic:
        reward = reward - kl_rows(kernel, p)
    penalty = float(agent.kl and agent.optimistic)
    return _Arm(*(jnp.asarray(x, jnp.float64) for x in (reward, kernel, penalty, agent.Q0)))


# arguments


def _agents(agents: Iterable[Agent | str], mdp: MDP) -> tuple[Agent, ...]:
    found = tuple(_agent(agent) for agent in ([agents] if isinstance(agents, str | Agent) else agents))
    names = [agent.name for agent in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(f"agents has the names {names}, expected one or more agents with different names.")
    for agent in found:
        _check_agent(agent, mdp)
    return found


def _agent(agent: Agent | str) -> Agent:
    if isinstance(agent, Agent):
        return agent
    if agent in AGENTS:
        return AGENTS[agent]
    raise ValueError(
        f"there is no agent {agent!r}.{suggestion(str(agent), AGENTS)} The names are {', '.join(AGENTS)}; "
        "any other agent is a record, Agent(...)."
    )


def _check_agent(agent: Agent, mdp: MDP) -> None:
    wrong = mdp.feasible & ~(mdp.r > 0)
    if agent.log and wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"r[{s}, {a}] = {mdp.r[s, a]:g}, expected a positive reward, since the agent {agent.name!r} takes its "
            f"logarithm; {wrong.sum()} of {mdp.r.size} entries are wrong. Shift the rewards, or choose log=False."
        )
    if not np.isfinite(agent.Q0):
        raise ValueError(f"Q0 = {agent.Q0} of the agent {agent.name!r}, expected a finite value.")
    if agent.kernel is not None and agent.optimistic:
        raise ValueError(f"the agent {agent.name!r} has a kernel and is optimistic, expected one of the two at most.")
    if agent.kernel is not None:
        _check_kernel(agent, np.asarray(agent.kernel), mdp)


def _check_kernel(agent: Agent, kernel: np.ndarray, mdp: MDP) -> None:
    of = f"of the agent {agent.name!r}"
    if kernel.shape != mdp.P.shape:
        raise ValueError(f"kernel {of} has shape {kernel.shape}, expected (S, A, S) = {mdp.P.shape}.")
    total = kernel.sum(-1)
    wrong = mdp.feasible & ~((kernel >= 0).all(-1) & (abs(total - 1) <= TOLERANCE))
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"kernel[{s}, {a}] {of} is no distribution: it sums to {total[s, a]:.12g} and its smallest entry is "
            f"{kernel[s, a].min():g}; expected numbers of 0 or more with the sum 1 (tolerance {TOLERANCE:g})."
        )
    outside = mdp.feasible & ((kernel > 0) & (mdp.P == 0)).any(-1)
    if agent.kl and outside.any():
        s, a = np.argwhere(outside)[0]
        raise ValueError(
            f"kernel[{s}, {a}] {of} reaches states that the MDP can't, so that its KL is infinite; expected the "
            "support of mdp.P. Set those entries to 0, or choose kl=False."
        )


def _seeds(seeds: Iterable[int] | int) -> tuple[int, ...]:
    seeds = tuple(index(seed) for seed in (seeds if isinstance(seeds, Iterable) else (seeds,)))
    if not seeds or not 0 <= min(seeds) <= max(seeds) < 2**32:
        raise ValueError(f"seeds = {seeds}, expected one or more integers from 0 to 2^32 - 1.")
    return seeds


def _check(mdp: AnyMDP, counts: Mapping[str, Any], lr: float, epsilon: float) -> None:
    if not mdp.gamma < 1:
        raise ValueError(f"mdp.gamma = {mdp.gamma:g}, expected a discount below 1: walks here never end.")
    if mdp.terminating:
        raise ValueError("mdp.terminating is True, expected rows of P that sum to 1. Add an absorbing end of reward 0.")
    for name, count in counts.items():
        if not (isinstance(count, int | np.integer) and count >= 1):
            raise ValueError(f"{name} = {count!r}, expected a whole number of at least 1.")
    if not 0 < lr < np.inf:
        raise ValueError(f"lr = {lr}, expected a positive step size.")
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon = {epsilon}, expected a probability in [0, 1].")
