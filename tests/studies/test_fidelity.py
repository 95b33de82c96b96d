"""The page on fidelity: made of records, and up to date."""

import json
from pathlib import Path

import pytest

import deep.studies
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


PUBLISHED = [study.name for study in (*STUDIES, *deep.studies.STUDIES) if study.group not in ("own", "lab")]


def test_page_names_the_figures_that_have_no_record():
    others = [study.name for study in STUDIES if study.group == "papers" and study.name != "omd-fig2"]
    assert f"No record yet: {', '.join(others)}." in page({"omd-fig2": record()})


def test_page_refuses_a_quick_run():
    with pytest.raises(ValueError, match=r"omd-fig2.json is of a quick run"):
        page({"omd-fig2": record(quick=True)})


def test_fidelity_page_is_what_the_records_say(tmp_path):
    """The figures of `tabular` all have records; those of `deep` may wait for long runs."""
    files = {name: DOCS / f"records/{name}.json" for name in PUBLISHED}
    assert all(files[study.name].exists() for study in STUDIES if study.group == "papers")
    records = {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}
    text = page(records, (*STUDIES, *deep.studies.STUDIES))
    assert (DOCS / "fidelity.md").read_text() == text
    main(str(DOCS / "records"), str(tmp_path), "deep.studies")
    assert (tmp_path / "fidelity.md").read_text() == text
    assert {path.stem for path in (tmp_path / "records").iterdir()} == set(records)


def test_a_figure_that_was_not_run_keeps_its_record(tmp_path):
    for folder, lr in ((tmp_path / "results", 0.02), (tmp_path / "docs/records", 0.01)):
        folder.mkdir(parents=True)
        (folder / "omd-fig2.json").write_text(json.dumps(record() | {"settings": {"lr": lr}}))
    (tmp_path / "docs/records/omd-fig3.json").write_text(json.dumps(record() | {"settings": {"lr": 0.03}}))
    main(str(tmp_path / "results"), str(tmp_path / "docs"))
    text = (tmp_path / "docs/fidelity.md").read_text()
    assert "lr = 0.02" in text and "lr = 0.03" in text and "lr = 0.01" not in text
