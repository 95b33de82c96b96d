"""Models of the pendulum while the value function changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep import studies
from deep.studies.vagram_fig2 import LOSSES, QUANTITIES, last_means, moving_values, uniform_rows

KEY = jax.random.key(0)


def test_rows_are_transitions_of_the_pendulum_and_fill_the_space():
    """Velocity changes by 15 sin(angle) and 3 times the torque, a twentieth of a second long, unless clipped."""
    rows = uniform_rows(KEY, 500)
    assert all(column.dtype == jnp.float32 for column in rows)
    speed = rows.s[:, 2] + 0.05 * (15 * rows.s[:, 1] + 3 * rows.a[:, 0])
    np.testing.assert_allclose(rows.s_next[:, 2], np.clip(speed, -8, 8), atol=1e-5)
    np.testing.assert_allclose((rows.s_next[:, :2] ** 2).sum(1), 1, atol=1e-5)
    assert abs(rows.s[:, 2]).max() > 7.8 and abs(rows.a).max() > 1.9


@pytest.mark.slow
def test_network_under_vaml_leaves_the_circle_and_the_others_don_t(tmp_path):
    """The published pattern that shows early: predictions of the VAML network are farther from the truth."""
    record = moving_values(quick=True)
    assert {row["quantity"] for row in record.rows} == set(QUANTITIES)
    rows = [dict(row) for row in record.rows]
    distance = last_means(rows, "distance")
    for name in ("network", "absolute"):
        assert distance[name, "vaml"] > 1.5 * distance[name, "mse"]
    assert all(np.isfinite(row["mean"]) for row in rows) and len(LOSSES) == 3
    assert len(studies.write(record, tmp_path)) == 3
