"""The landscapes are those of the losses' definitions, on values that are right."""

import jax.numpy as jnp
import numpy as np
import pytest

from deep import studies
from deep.envs.pendulum import reward, torques, turned
from deep.objectives.vagram import slopes
from deep.studies.pendulum import Mesh, optimal_values, table
from deep.studies.vagram_fig1 import GAMMA, landscapes, transition

MESH = Mesh(24, 25)


@pytest.fixture(scope="module")
def values():
    return optimal_values(MESH, gamma=GAMMA)


@pytest.fixture(scope="module")
def record():
    return landscapes(quick=True)


def test_table_leads_to_the_next_state_in_the_mean():
    """Bilinear weights keep the coordinates: the expected corner of a step is where the step ends, up to full turns."""
    mdp, states = table(MESH, 3), MESH.states()
    u = np.asarray(torques(3, jnp.float64))
    after = np.asarray(turned(jnp.asarray(np.repeat(states, 3, 0)), jnp.asarray(np.tile(u, len(states)))))
    np.testing.assert_allclose(mdp.expect(states[:, 1]).ravel(), after[:, 1], atol=1e-9)
    around = mdp.expect(np.cos(states[:, 0])).ravel()
    np.testing.assert_allclose(around, np.cos(after[:, 0]), atol=(2 * np.pi / MESH.angles) ** 2 / 8)
    np.testing.assert_allclose(
        mdp.r.ravel(), reward(*map(jnp.asarray, (np.repeat(states, 3, 0), np.tile(u, len(states)))))
    )


def test_values_are_optimal_up_to_the_mesh(values):
    """At the top the pendulum stays for nothing; hanging, it needs to be swung up; the certificate holds."""
    V, solution = values
    top, hanging = V(jnp.asarray([[0.0, 0.0], [-np.pi, 0.0]]))
    assert -20 < top <= 0 and hanging < -150
    assert solution.error < 1e-6


def test_interpolation_meets_the_mesh_is_periodic_and_smooth(values):
    V, solution = values
    states = jnp.asarray(MESH.states())
    np.testing.assert_allclose(V(states), solution.V, atol=1e-9)
    np.testing.assert_allclose(V(states + jnp.asarray([[2 * np.pi, 0.0]])), solution.V, atol=1e-8)
    places = jnp.asarray(np.random.default_rng(0).uniform(-3, 3, (20, 2)))
    slope, step = slopes(V, places), 1e-6
    for i in range(2):
        shift = jnp.zeros((1, 2)).at[0, i].set(step)
        numeric = (V(places + shift) - V(places - shift)) / (2 * step)
        np.testing.assert_allclose(slope[:, i], numeric, rtol=1e-5, atol=1e-5)


def test_landscapes_are_their_definitions(record):
    """Rows by hand: V(x), s' and g give all four losses."""
    x = np.stack([record.column("angle"), record.column("velocity")], axis=1)
    s_next, g = (np.asarray(record.settings[name]) for name in ("s_next", "g"))
    off = x - s_next
    np.testing.assert_allclose(record.column("mse"), (off**2).sum(1), rtol=1e-12)
    np.testing.assert_allclose(record.column("vagram"), ((g * off) ** 2).sum(1), rtol=1e-10)
    np.testing.assert_allclose(record.column("taylor"), (off @ g) ** 2, rtol=1e-6, atol=1e-9)
    root = np.sqrt(record.column("vaml"))
    V = record.column("V")
    at = np.where(V > V.mean(), 1, -1) * root  # V(x) - V(s') up to its sign, where V is above or below
    assert np.ptp(np.where(V > V.max() - 1, V - at, np.nan)[V > V.max() - 1]) < 1e-6


def test_only_vaml_and_taylor_forgive_predictions_far_away(record):
    """The published pattern: VAML follows level lines of V, the other two are bowls around s'."""
    reach = record.settings["reach"]
    assert reach["vaml"] > 2 and reach["taylor"] > 2
    assert reach["mse"] < 0.25 and reach["vagram"] < 1.5


def test_level_is_what_a_tenth_in_each_coordinate_costs(record):
    """For the squared distance 2 / 100; for VaGraM the size of g in place of 2."""
    level, g = record.settings["level"], np.asarray(record.settings["g"])
    assert level["mse"] == pytest.approx(0.02) and level["vagram"] == pytest.approx((g**2).sum() / 100)


def test_record_is_drawn_and_written(record, tmp_path):
    paths = studies.write(record, tmp_path)
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".png"]
    assert transition().s.dtype == jnp.float64
