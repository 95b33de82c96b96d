"""The page on fidelity: made of records, and up to date."""

import json
from pathlib import Path

import pytest

from tabular.studies import STUDIES
from tabular.studies.fidelity import main, page
from tabular.studies.record import Difference, Published, Record, to_json, versions

DOCS = Path(__file__).parents[2] / "docs"


def record(quick: bool = False) -> dict:
    published = (Published("J at the optimum", 1.0, 1.25, "Figure 2"),)
    differences = (Difference("norm", "of all", "of each", "either", "0.25 of J"),)
    rows = ({"kappa": 1.0, "value": 2.0},)
    made = Record("omd-fig2", rows, {"lr": 0.01}, (1, 2), quick, 1.0, versions(), {}, published, differences)
    return json.loads(to_json(made))


def test_page_sets_published_numbers_beside_ours():
    text = page({"omd-fig2": record()})
    assert "| J at the optimum | 1 | 1.25 | 2.5e-01 | Figure 2 |" in text
    assert "| norm | of all | of each | either | 0.25 of J |" in text
    assert "2 seeds" in text and "lr = 0.01" in text


def test_page_names_the_figures_that_have_no_record():
    others = [study.name for study in STUDIES if study.group == "papers" and study.name != "omd-fig2"]
    assert f"No record yet: {', '.join(others)}." in page({"omd-fig2": record()})


def test_page_refuses_a_quick_run():
    with pytest.raises(ValueError, match=r"omd-fig2.json is of a quick run"):
        page({"omd-fig2": record(quick=True)})


def test_fidelity_page_is_what_the_records_say(tmp_path):
    names = [study.name for study in STUDIES if study.group == "papers"]
    records = {name: json.loads((DOCS / f"records/{name}.json").read_text()) for name in names}
    assert (DOCS / "fidelity.md").read_text() == page(records)
    main(str(DOCS / "records"), str(tmp_path))
    assert (tmp_path / "fidelity.md").read_text() == page(records)
    assert {path.stem for path in (tmp_path / "records").iterdir()} == set(names)
