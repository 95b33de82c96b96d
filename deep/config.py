"""What a training run is asked for: one frozen record, the same for notebook and command line."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from numbers import Integral, Real
from typing import Any, Literal

from deep import registry
from deep.agents import Hyper, SoftQ
from deep.envs import Discrete, Env, GaussianDistractors
from tabular.errors import suggestion

DISTINCT = 3
"""The first batch is drawn from at least this many times as many transitions (published: 3.9); then fewer than one in
10^7 batches of 32 or more holds a transition twice. See `deep.replay.distinct`."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """A training run without its seeds.

    Fields whose type allows a tuple may hold several values: `train` then runs all combinations of them side by side.
    The defaults are the constants of Nikishin et al. 2021, sec. 6.1 and appendix, but for single precision;
    `deep.presets` has those of the experiments, with the ways in which the published code differs from the paper.

    Raises:
      ValueError or TypeError for a value outside its range, an unknown name, or values that don't fit together.
    """

    # what learns, and where

    method: str = "omd"
    """How the model learns: omd, mle, vep, itervaml, vagram, taylor, weighted, weighted_inverse; or model_free."""
    env: str = "cartpole"
    """The environment."""
    distractors: int | tuple[int, ...] = 0
    """Numbers drawn from N(0, 1) that follow each observation."""
    precision: Literal["float32", "float64"] = "float32"
    """Of all numbers. The published code has float64."""

    # experience

    steps: int = 200_000
    """Steps in the environment."""
    random_steps: int = 1000
    """The first ones, which take any action and learn nothing."""
    batch: int = 256
    """Transitions in a batch, all different."""
    chunk: int = 1000
    """Steps between two evaluations; each comes with a checkpoint."""
    episodes: int = 10
    """Episodes of an evaluation, their actions drawn from softmax(Q / alpha)."""

    # networks

    model_width: int | tuple[int, ...] = 32
    """Units of each hidden layer of the model: how much it can express."""
    model_layers: int = 2
    """Hidden layers of the model."""
    critic_width: int = 32
    """Units of each hidden layer of Q."""
    critic_layers: int = 2
    """Hidden layers of Q."""
    double: bool = True
    """Two networks for Q, whose smaller value counts."""
    hard: bool = False
    """The maximum in place of the soft value, and the best action is taken."""
    gaussian: bool = False
    """The model predicts a normal distribution instead of a point."""
    learn_reward: bool = True
    """The model predicts rewards too; if not, it is told the true ones."""
    vep_values: int = 5
    """Random value functions of VEP."""

    # the loops

    inner_steps: int = 1
    """Steps of Q for each of the model."""
    model_steps: int = 1
    """Steps of the model for each of the environment."""
    warm_moments: bool = False
    """OMD's inner optimiser keeps its moments. Published: it is made anew for every step of the model."""
    warm_critic: bool = True
    """OMD's inner loop goes on from the Q it had. If not, it starts each time from the first one."""
    inverse: str = "identity"
    """For the Hessian in OMD's slope: identity, cg, gmres, dense, neumann."""
    inverse_steps: int = 100
    """Steps of cg and gmres, terms of neumann."""
    inverse_damping: float = 1e-5
    """Added to the diagonal for cg, gmres and dense."""
    inverse_size: float = 0.01
    """Step size of neumann."""

    # numbers

    gamma: float | tuple[float, ...] = 0.99
    """Discount."""
    alpha: float | tuple[float, ...] = 0.01
    """Temperature, in units of return."""
    tau: float | tuple[float, ...] = 0.01
    """How far the target network moves after each step of Q."""
    epsilon: float | tuple[float, ...] = 0.1
    """Probability of a random action in training."""
    model_lr: float | tuple[float, ...] = 1e-3
    """Step size of Adam for the model."""
    critic_lr: float | tuple[float, ...] = 3e-4
    """Step size of Adam for Q."""
    mle_weight: float | tuple[float, ...] = 0.0
    """Of the likelihood in itervaml."""

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), check))
        _names(self)
        _fits(self)

    def replace(self, **changes: Any) -> Config:
        """The same with other values: `config.replace(method="mle")`.

        Raises:
          TypeError for a name that is no field; it lists the nearest ones.
        """
        _are_fields(changes)
        return dataclasses.replace(self, **changes)

    def settings(self) -> tuple[Config, ...]:
        """Every combination of the fields that hold several values, one value each; the last field varies fastest."""
        several = {name: getattr(self, name) for name in SWEPT if isinstance(getattr(self, name), tuple)}
        return tuple(self.replace(**dict(zip(several, values, strict=True))) for values in product(*several.values()))

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> Config:
        """What `to_json` wrote.

        Raises:
          TypeError or ValueError, as the constructor does, and for names that are no fields.
        """
        fields = json.loads(text)
        _are_fields(fields)
        several: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in fields.items()}
        return Config(**several)

    # the parts it asks for; of a configuration with one value in each field

    @property
    def dtype(self) -> Any:
        return registry.PRECISIONS[self.precision]

    @property
    def has_model(self) -> bool:
        return self.method not in registry.WITHOUT_MODEL

    def agent(self) -> SoftQ:
        """Everything about the agent that decides about shapes or code."""
        return SoftQ(
            registry.METHODS[self.method],
            critic_hidden=(self.critic_width,) * self.critic_layers,
            model_hidden=(self.model_width,) * self.model_layers,  # type: ignore[operator]
            double=self.double,
            hard=self.hard,
            gaussian=self.gaussian,
            learn_reward=self.learn_reward,
            inner_steps=self.inner_steps,
            model_steps=self.model_steps,
            warm_moments=self.warm_moments,
            warm_critic=self.warm_critic,
            inverse=registry.inverse(self.inverse, self.inverse_steps, self.inverse_damping, self.inverse_size),
            vep_values=self.vep_values,
        )

    def environment(self, size: int | None = None) -> Env:
        """The environment with its distractors, `size` of them, of which those beyond `distractors` are 0."""
        size = self.distractors if size is None else size  # type: ignore[assignment]
        return GaussianDistractors(registry.ENVIRONMENTS[self.env](self.dtype), self.distractors, size)  # type: ignore[arg-type]

    def hyper(self) -> Hyper:
        """Everything else: numbers."""
        return Hyper(*(getattr(self, name) for name in Hyper._fields))


FIELDS = tuple(field.name for field in dataclasses.fields(Config))
SWEPT = ("model_width", "distractors", *Hyper._fields)
"""Fields that may differ between the runs of one batch."""


# validation


@dataclass(frozen=True)
class _Range:
    """A kind of number and where it may lie."""

    kind: type
    holds: Callable[[Any], bool]
    text: str


_COUNT = _Range(int, lambda n: n >= 1, "a whole number of 1 or more")
_SEVERAL_OR_NONE = _Range(int, lambda n: n >= 0, "a whole number of 0 or more")
_SHARE = _Range(float, lambda x: 0 <= x <= 1, "a number from 0 to 1")
_POSITIVE = _Range(float, lambda x: 0 < x < math.inf, "a number above 0")
_SIZE = _Range(float, lambda x: 0 <= x < math.inf, "a number of 0 or more")
_FLAG = _Range(bool, lambda x: True, "True or False")
_BELOW_ONE = _Range(float, lambda x: 0 <= x < 1, "a number in [0, 1)")
_COUNTS = ("steps", "random_steps", "batch", "chunk", "episodes", "model_width", "model_layers", "critic_width")
_COUNTS += ("critic_layers", "vep_values", "inner_steps", "model_steps", "inverse_steps")
_FLAGS = ("double", "hard", "gaussian", "learn_reward", "warm_moments", "warm_critic")

_CHECKS: dict[str, _Range] = {
    "distractors": _SEVERAL_OR_NONE,
    **dict.fromkeys(_COUNTS, _COUNT),
    **dict.fromkeys(_FLAGS, _FLAG),
    "inverse_damping": _SIZE,
    "inverse_size": _POSITIVE,
    "gamma": _BELOW_ONE,
    "alpha": _POSITIVE,
    "tau": _SHARE,
    "epsilon": _SHARE,
    "model_lr": _SIZE,
    "critic_lr": _SIZE,
    "mle_weight": _SHARE,
}


def _checked(name: str, value: Any, check: _Range) -> Any:
    """The value, or each of several, as Python's own number."""
    if isinstance(value, tuple | list):
        return _checked_all(name, tuple(value), check)
    accepts = {int: Integral, float: Real, bool: bool}[check.kind]
    if not isinstance(value, accepts) or (check.kind is not bool and isinstance(value, bool)):
        raise TypeError(f"{name} = {value!r} is a {type(value).__name__}, expected {check.text}.")
    if not check.holds(value):
        raise ValueError(f"{name} = {value!r}, expected {check.text}.")
    return check.kind(value)


def _checked_all(name: str, values: tuple, check: _Range) -> tuple:
    if name not in SWEPT:
        raise TypeError(f"{name} = {values!r}: only {', '.join(SWEPT)} may hold several values.")
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} = {values!r}, expected one or more values, all different.")
    return tuple(_checked(f"{name}[{i}]", value, check) for i, value in enumerate(values))


def _names(config: Config) -> None:
    registry.known("method", config.method, registry.METHODS)
    registry.known("env", config.env, registry.ENVIRONMENTS)
    registry.known("precision", config.precision, registry.PRECISIONS)
    registry.known("inverse", config.inverse, registry.INVERSES)


def _fits(config: Config) -> None:
    """Refuse values that are right one by one but not together."""
    for name in ("steps", "random_steps"):
        value = getattr(config, name)
        if value % config.chunk:
            below, above = (config.chunk * (value // config.chunk + k) for k in (0, 1))
            whole = " or ".join(str(n) for n in (below, above) if n)
            raise ValueError(f"{name} = {value} is no multiple of chunk = {config.chunk}: take {whole}.")
    if config.batch * DISTINCT > config.random_steps:
        raise ValueError(
            f"batch = {config.batch} is more than a third of random_steps = {config.random_steps}, the transitions "
            f"there are at first: take batch <= {config.random_steps // DISTINCT} or random_steps >= "
            f"{DISTINCT * config.batch}."
        )
    actions = registry.ENVIRONMENTS[config.env](config.dtype).actions
    if not isinstance(actions, Discrete):
        raise ValueError(f"env = {config.env!r} has the actions {actions}; soft Q-learning needs finitely many.")


def _are_fields(names: Any) -> None:
    for name in names:
        if name not in FIELDS:
            raise TypeError(f"a configuration has no field {name!r}.{suggestion(name, FIELDS)}")
