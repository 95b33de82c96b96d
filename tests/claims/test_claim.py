"""What a claim is: its name, instances, and dropped hypotheses."""

import numpy as np
import pytest

from tabular.claims import CLAIMS, find
from tabular.claims.claim import Instance, at_most, claim
from tabular.claims.families import mdp
from tabular.claims.fields import Box, Discount, Real

INDEX = """
    O1 O1b O1c O2 O2b O2c O3 O3b O4 O5 O5b O5c O5x O6 O6b O6c O6x O7 O7b O7c O7x O8 O9 O9b O9c O9d O9x O10 O10x O11
    M1 M1b M1c M1x M2 M2x M3 M3x M4 M5 M5b M5c M5x M6 M6b M7 M7b M7x M8 M9 M9b M9x M10 M11
    I1 I2 I3 I4 I4x I5 I5b I6 I7 G1 G1b G1c G1x G2 G2b G2c G2x G3 G4 G5 G5x G6 G6b G6x G7 G7x G8 G9 G10
    A0 A1 A1L A1x A1y A1z A2 A2b A2c A3 A3b A3x A4 A4b A4c A4d A4x A5 A5b V1 V2 V2b V2x V3 V4 V5 V6
    C01 C02 C03 C03x C04 C04b C05 C06 C07 C07b C08 C09 C09b C10 C11 C12 C13 C14 C15 C16 C16b C17 C17b C17c C17d C18 C19
    C20 E1 E2 J1 L41a L41b T1a T1b T1c
"""
"""The audit's list of claims: printed, corrected and control forms of five papers and of textbooks."""


def test_every_claim_of_the_audit_is_in_the_lab():
    assert set(INDEX.split()) - {known.id for known in CLAIMS} == set()


@pytest.mark.parametrize("known", CLAIMS, ids=lambda known: known.name)
def test_instances_are_replayable_and_differ(known):
    first, again, other = known.draw(3, 5), known.draw(3, 5), known.draw(3, 6)
    assert list(first) == list(known.fields)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert any(first[name].shape != other[name].shape or (first[name] != other[name]).any() for name in first)


def test_without_names_the_hypothesis_and_draws_outside_it():
    within, outside = find("omd.thm2.mle"), find("omd.thm2.mle").without("rewards in [0, r_max]", name="mine.signed")
    assert outside.outside == ("rewards in [0, r_max]",) and outside.hypotheses == ()
    assert all(within.draw(0, i)["r"].min() >= 0 for i in range(30))
    assert any(outside.draw(0, i)["r"].min() < 0 for i in range(30))


def test_without_refuses_a_hypothesis_that_it_does_not_have():
    with pytest.raises(ValueError, match=r"omd.thm2.mle has no hypothesis 'finite'; it has 'rewards in \[0, r_max\]'"):
        find("omd.thm2.mle").without("finite")


def statement(x: Instance):
    """r <= 1."""
    return at_most(x.r, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "Mine"}, r"name = 'Mine', expected paper.item\[.variant\] in lower case"),
        ({"fields": mdp(x=Real(("K",)))}, r"mine.one has an axis 'K' without a size. Add it to sizes"),
        ({"fields": {"g": Discount((0.5,))}}, r"field 'g': axes = \(0.5,\), expected a tuple of names of sizes"),  # type: ignore
    ],
)
def test_claim_refuses_what_it_can_not_draw(arguments, message):
    how = {"name": "mine.one", "id": "1", "source": "here", "fields": mdp()} | arguments
    with pytest.raises(ValueError, match=message):
        claim(**how)(statement)


def test_claim_refuses_a_statement_without_an_equation():
    with pytest.raises(ValueError, match=r"mine.one has no docstring. Give the equation"):
        claim("mine.one", "1", source="here", fields=mdp())(lambda x: at_most(x.r, 1))


def test_an_instance_names_the_fields_it_has():
    x = find("omd.thm2.mle").floats(find("omd.thm2.mle").draw(0, 0))
    with pytest.raises(AttributeError, match=r"no field 'R'; it has gamma, P, r, P_hat, r_hat"):
        _ = x.R


def test_draws_take_the_sizes_of_the_claim():
    made = claim("mine.one", "1", source="here", fields={"v": Box(("n", 3))}, sizes={"n": (2, 4)})(statement)
    assert {made.draw(0, i)["v"].shape for i in range(30)} == {(2, 3), (3, 3), (4, 3)}
