"""The published pattern: with the true dynamics the error falls with the horizon, with few samples it grows again."""

import numpy as np
import pytest

from deep import studies
from deep.studies.maac_fig3 import GAINS, How, gradient_error
from tabular.worlds.continuous import double_integrator, growth


def test_returns_of_both_policies_are_finite():
    for gain in GAINS.values():
        assert growth(double_integrator(), np.array([gain])) < 1


def test_settings_are_published_where_they_are():
    assert (How().gamma, double_integrator().A[0, 1]) == (0.99, 0.05)


@pytest.mark.slow
def test_gradient_error_has_the_published_pattern(tmp_path):
    """Least errors over H, and errors at the longest H, three seeds. The margins are several times the spread."""
    record = gradient_error(quick=True)
    best = {(row["policy"], row["curve"]): row for row in record.tables["best"]}
    for policy in GAINS:
        assert best[policy, "exact"]["at_0"] == pytest.approx(
            record.column("mean", policy=policy, curve="exact", H=0)[0]
        )
        assert best[policy, "true"]["at_last"] < 0.3 * best[policy, "true"]["at_0"]
        learned = best[policy, "learned"]
        assert learned["error"] < 0.8 * learned["at_0"] and learned["at_last"] > 1.2 * learned["error"]
        assert learned["at_last"] > 2 * best[policy, "true"]["at_last"]
        assert best[policy, "exact"]["own_at_last"] == 0 < best[policy, "true"]["own_at_0"]
    assert len(studies.write(record, tmp_path)) == 4
