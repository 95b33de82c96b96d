"""Verdicts: what they say, and how they are written."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from tabular.lab import STATUSES, check
from tabular.lab.verdict import CERTIFIED, FLOAT_ONLY, HOLDS, UNDECIDED, VACUOUS, readable, shown, status
from tests.lab import statements

KEYS = [
    *("claim", "id", "source", "status", "outside", "n", "violations", "undecided", "min_slack", "max_ratio"),
    *("worst", "tightest", "seed", "seconds", "certificate"),
]


def strict(text):
    """JSON without the extensions NaN and Infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize(
    ("counts", "certificate", "expected"),
    [
        ((9, 0, 0), None, HOLDS),
        ((9, 1, 0), object(), CERTIFIED),
        ((9, 1, 8), object(), CERTIFIED),
        ((9, 1, 0), None, FLOAT_ONLY),
        ((9, 0, 1), None, UNDECIDED),
        ((0, 0, 0), None, VACUOUS),
        ((9, 0, 0), object(), HOLDS),
    ],
)
def test_status_follows_from_the_counts(counts, certificate, expected):
    n, violations, undecided = counts
    assert status(n, violations, undecided, certificate) == expected


def test_no_status_says_proved():
    assert len(STATUSES) == 5 and not any("prove" in each for each in STATUSES)


def test_json_has_exactly_the_keys_of_a_verdict():
    found = strict(check(statements.half, n=10)[0].to_json())
    assert list(found) == KEYS
    assert list(found["worst"]) == ["seed", "i", "arrays", "slack", "ratio", "arithmetic"]
    assert found["certificate"]["instance"] == {"u": "1"} and found["outside"] == []


def test_json_keeps_every_digit_of_the_instance():
    verdict = check("O6", n=3)[0]
    arrays = strict(verdict.to_json())["worst"]["arrays"]
    assert list(arrays) == ["gamma", "P", "r", "P_hat", "r_hat"]
    assert all(np.array_equal(arrays[name], verdict.worst.arrays[name]) for name in arrays)


def test_json_writes_null_for_what_is_not_there():
    found = strict(check(statements.of_nothing, n=2)[0].to_json())
    assert (found["min_slack"], found["max_ratio"], found["worst"], found["certificate"]) == (None, None, None, None)


def test_text_of_a_verdict_names_status_hypotheses_dropped_and_worst_instance():
    text = str(check(statements.half_of_small, n=40, without="u is small")[0])
    assert text.startswith("test.half.small (small): violated (certified)\n")
    assert "outside    u is small" in text and text.endswith("\n    u = 1")


def test_readable_shows_fractions_and_floats():
    assert readable(np.array([[Fraction(3, 4), Fraction(2)]], dtype=object)) == "[[3/4, 2]]"
    assert readable(np.array([0.1, 1 / 3])) == "[0.1, 0.333333]"
    assert readable(np.asarray(0.25)) == "0.25"


def test_shown_does_not_round_a_ratio_below_1_to_1():
    assert (shown(0.99997), shown(math.nan), shown(1.0)) == ("0.99997", "-", "1")
