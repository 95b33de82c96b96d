"""The registry of claims: complete, without repeats, and helpful about misspelt names."""

import re

import pytest

from tabular import claims
from tabular.claims import CLAIMS, PAPERS, find, resolve
from tabular.claims.claim import NAME
from tests.lab import statements


def test_names_and_ids_are_unique_and_no_name_is_an_id():
    keys = [key for claim in CLAIMS for key in (claim.name, claim.id)]
    assert len(set(keys)) == len(keys) and not set(keys) & {*PAPERS, "all"}


def test_names_begin_with_their_paper():
    assert all(NAME.fullmatch(claim.name) and claim.paper in PAPERS for claim in CLAIMS)
    assert {claim.paper for claim in CLAIMS} == set(PAPERS)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("omd.thm2.mle", "O6"),
        ("omd.thm2.mle.signed", "O6x"),
        ("mnm.thm31", "M1"),
        ("maac.thm41.printed", "A4x"),
        ("maac.thm41.sharp", "A4c"),
        ("vagram.pinsker.printed", "G1x"),
    ],
)
def test_find_knows_names_and_ids(name, id):
    assert find(name) is find(id) and (find(id).name, find(name).id) == (name, id)


def test_every_corrected_form_is_a_claim():
    assert [claim.name for claim in CLAIMS if claim.corrected and find(claim.corrected) is claim] == []


def test_every_claim_says_what_it_states_and_where_it_is_from():
    silent = [claim.name for claim in CLAIMS if not (claim.text.strip() and re.search(r"\w", claim.source))]
    assert silent == []


def test_resolve_takes_papers_names_ids_and_all_each_once():
    assert resolve("all") == list(CLAIMS)
    omd = resolve(["omd"])
    assert [claim.paper for claim in omd] == ["omd"] * len(omd)
    assert [claim.id for claim in resolve(["O6x", "omd.thm2.mle", "O6"])] == ["O6x", "O6"]
    assert len(resolve(["omd", "O6"])) == len(omd)
    assert resolve(statements.half) == [statements.half]


def test_find_offers_the_nearest_names():
    with pytest.raises(ValueError, match=r"no claim is called 'omd.thm2.ml'. Did you mean omd\.thm2\.mle or "):
        find("omd.thm2.ml")
    with pytest.raises(ValueError, match=r"no claim is called 'vagran'. Did you mean vagram or "):
        find("vagran")


def test_two_claims_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(claims, "_defined", lambda module: [statements.half, statements.half.without(id="other")])
    with pytest.raises(ValueError, match=r"test\.half and test\.half are both called 'test\.half'"):
        claims.every.__wrapped__()
