"""The picture of residual against error."""

from functools import cache

import numpy as np
import pytest

from tabular.studies import lab_residual as study
from tabular.studies.record import Record

GAMMA = study.GAMMA


@cache
def record() -> Record:
    return study.residual(quick=True)


def test_all_models_lie_in_the_cone():
    residual, error = record().column("residual"), record().column("error")
    assert (error <= residual / (1 - GAMMA) * (1 + 1e-9)).all()
    assert (error >= residual / (1 + GAMMA) * (1 - 1e-9)).all()


@pytest.mark.parametrize(("kind", "factor"), [("upper edge", 1 / (1 - GAMMA)), ("lower edge", 1 / (1 + GAMMA))])
def test_the_edges_are_attained(kind, factor):
    residual, error = record().column("residual", kind=kind), record().column("error", kind=kind)
    np.testing.assert_allclose(error / residual, factor, rtol=1e-9)


def test_the_pair_reverses_the_order():
    np.testing.assert_allclose(record().column("residual", kind="pair"), [0.2, 1.0], rtol=1e-12)
    np.testing.assert_allclose(record().column("error", kind="pair"), [2.0, 1.0], rtol=1e-12)


def test_picture_names_the_factor():
    (ax,) = study.draw_residual(record()).axes
    assert "factor of 19" in ax.get_title("left")
