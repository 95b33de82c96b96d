"""The behaviour of a trained agent as a moving picture: an episode of CartPole, drawn state by state."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from deep import loop
from deep.agents import Hyper, SoftQ
from deep.critics import Critic
from deep.envs import Env
from deep.envs.cartpole import FARTHEST, HALF_LENGTH
from deep.lanes import RANDOM_BITS
from deep.runs import Run

DRAWN = ("cartpole",)
"""Environments that can be drawn."""
EVERY, MILLISECONDS = 4, 80
"""States from one picture to the next, and how long it stays: as fast as the world, 0.02 s a step."""
INK, WOOD, GROUND = "#0072b2", "#d55e00", "#555555"


def behaviour(run: Run, setting: int = 0, seed: int = 0) -> bytes:
    """One episode of one of the trained agents, as a GIF. `setting` and `seed` count from 0.

    Raises:
      ValueError for a run without its state, or an environment that can't be drawn.
    """
    if run.state is None:
        raise ValueError("the run was read from its folder, without its networks: deep.resume brings them back.")
    config = run.configs[setting]
    if config.env not in DRAWN:
        raise ValueError(f"env = {config.env!r} can't be drawn; {', '.join(DRAWN)} can.")
    lane, lanes = setting * len(run.seeds) + seed, run.lanes
    env, hyper, critic = jax.tree.map(lambda x: x[lane], (lanes.envs, lanes.hyper, run.state.learner.critic))
    key = jax.random.key(run.seeds[seed], impl=RANDOM_BITS)
    states, going = jax.device_get(episode(lanes.agent, env, critic, hyper, key))
    title = f"{config.method}, model width {config.model_width}, seed {run.seeds[seed]}"
    return film(states[: int(going.sum()) + 1, :4], title)


@partial(jax.jit, static_argnames="agent")
def episode(agent: SoftQ, env: Env, critic: Critic, hyper: Hyper, key: PRNGKeyArray) -> tuple[Array, Array]:
    """Observations of an episode, the first one before the first step, and whether it was still going at each step."""
    of_reset, of_steps = jax.random.split(key)

    def step(carry: tuple[Any, Array, Array], key: PRNGKeyArray):
        state, observation, going = carry
        of_action, of_step = jax.random.split(key)
        after = env.step(of_step, state, loop.act(agent, hyper, critic, observation, 0.0, of_action))
        return (after.state, after.observation, going & ~after.terminated), (after.observation, going)

    state, observation = env.reset(of_reset)
    _, (seen, going) = lax.scan(step, (state, observation, jnp.array(True)), jax.random.split(of_steps, env.time_limit))
    return jnp.concatenate([observation[None], seen]), going


def film(states: np.ndarray, title: str) -> bytes:
    """States (n, 4) as a GIF."""
    figure = Figure(figsize=(3.6, 1.9), dpi=80, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0.02, 0.02, 0.96, 0.82))
    figure.suptitle(title, fontsize=8, y=0.98)
    shown = [*range(0, len(states), EVERY)]
    pictures = [_picture(canvas, ax, states[k], k) for k in shown]
    colours = pictures[0].quantize(32)
    indexed = [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    content = io.BytesIO()
    times = [MILLISECONDS] * (len(shown) - 1) + [1500]
    indexed[0].save(content, "GIF", save_all=True, append_images=indexed[1:], duration=times, loop=0, optimize=False)
    return content.getvalue()


def _picture(canvas: FigureCanvasAgg, ax: Axes, state: np.ndarray, step: int) -> Image.Image:
    x, _, angle, _ = state
    ax.clear()
    ax.set(xlim=(-FARTHEST - 0.4, FARTHEST + 0.4), ylim=(-0.35, 1.45))
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.plot([-FARTHEST, FARTHEST], [0, 0], color=GROUND, linewidth=1)
    for end in (-FARTHEST, FARTHEST):
        ax.plot([end, end], [-0.12, 0.12], color=GROUND, linewidth=1)
    ax.add_patch(Rectangle((x - 0.25, -0.13), 0.5, 0.26, color=INK))
    top = x + 2 * HALF_LENGTH * np.sin(angle), 0.13 + 2 * HALF_LENGTH * np.cos(angle)
    ax.plot([x, top[0]], [0.13, top[1]], color=WOOD, linewidth=4, solid_capstyle="round")
    ax.text(FARTHEST + 0.35, 1.35, f"step {step}", ha="right", va="top", fontsize=8)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
