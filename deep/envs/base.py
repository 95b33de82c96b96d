"""What an environment is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Float, PRNGKeyArray


class Step(NamedTuple):
    """What follows an action."""

    state: Any
    observation: Float[Array, " observation"]
    reward: Float[Array, ""]
    terminated: Array
    """Whether the episode is over for good, a bool. The limit of time isn't the environment's concern."""


@dataclass(frozen=True)
class Discrete:
    """Actions 0 ... n - 1."""

    n: int


@dataclass(frozen=True)
class Box:
    """Actions in [low, high], `size` numbers."""

    size: int
    low: float
    high: float


class Env(Protocol):
    """An environment: pure functions of states that are trees of arrays. Ours are equinox modules."""

    @property
    def dtype(self) -> Any:
        """Of observations, rewards and states: float32 or float64."""
        ...

    @property
    def observation_size(self) -> int: ...

    @property
    def actions(self) -> Discrete | Box: ...

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is cut off."""
        ...

    def reset(self, key: PRNGKeyArray) -> tuple[Any, Float[Array, " observation"]]:
        """A first state and its observation."""
        ...

    def step(self, key: PRNGKeyArray, state: Any, action: Array) -> Step:
        """Act."""
        ...
