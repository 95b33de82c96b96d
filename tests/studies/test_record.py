"""Studies: names, records and the files they leave."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular import studies
from tabular.studies.record import Published, Record, save, spread, to_csv, to_json, versions


def record(name="some-figure", quick=False) -> Record:
    rows = tuple(
        {"method": m, "kappa": k, **spread([0.1, i + 1, 2.5])} for m in ("a", "b") for i, k in enumerate((0.1, np.inf))
    )
    settings = {"kappa": np.array([0.1, np.inf]), "steps": np.int64(3)}
    return Record(name, rows, settings, (1, 2, 3), quick, 1.2345, versions())


def test_spread_is_the_population_sd_and_its_standard_error():
    values = [1.0, 2.0, 4.0, 7.0]
    variance = sum((x - 3.5) ** 2 for x in values) / 4
    assert spread(values) == {"mean": 3.5, "sd": variance**0.5, "se": variance**0.5 / 2, "n": 4}


def test_save_writes_csv_png_and_json_and_nothing_else(tmp_path):
    paths = save(record(), Figure(), tmp_path / "new" / "results")
    assert sorted(path.name for path in paths) == ["some-figure.csv", "some-figure.json", "some-figure.png"]
    assert sorted(paths) == sorted((tmp_path / "new" / "results").iterdir())
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_save_writes_further_tables_beside_the_rows(tmp_path):
    more = {"states": ({"state": 0, "V": 0.1}, {"state": 1, "V": 0.2})}
    paths = save(replace(record(), tables=more), Figure(), tmp_path)
    assert "some-figure-states.csv" in [path.name for path in paths]
    assert (tmp_path / "some-figure-states.csv").read_text() == "state,V\n0,0.1\n1,0.2\n"


def test_json_says_how_far_off_published_numbers_are():
    made = replace(record(), published=(Published("J", 1.0, 1.25, "Figure 2"),))
    (number,) = json.loads(to_json(made))["published"]
    assert number == {"quantity": "J", "value": 1.0, "ours": 1.25, "source": "Figure 2", "off": 0.25}


def test_save_leaves_old_files_alone_if_it_fails(tmp_path):
    save(record(), Figure(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    broken = Record("some-figure", record().rows, {"odd": object()}, (1,), False, 0.0, {})
    with pytest.raises(TypeError):
        save(broken, Figure(), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_csv_reads_back_to_the_last_bit():
    rows = list(csv.DictReader(io.StringIO(to_csv(record().rows))))
    assert list(rows[0]) == ["method", "kappa", "mean", "sd", "se", "n"]
    for row, original in zip(rows, record().rows, strict=True):
        assert row["method"] == original["method"] and int(row["n"]) == 3
        assert all(float(row[name]) == original[name] for name in ("kappa", "mean", "sd", "se"))


def test_json_says_what_was_run():
    about = json.loads(to_json(record(quick=True)))
    assert about["quick"] is True and about["seeds"] == [1, 2, 3] and about["seconds"] == 1.23
    assert about["settings"] == {"kappa": [0.1, "inf"], "steps": 3}
    assert {"python", "numpy", "jax", "mdpscope"} <= set(about["versions"])


def test_column_chooses_rows_by_their_settings():
    np.testing.assert_array_equal(record().column("kappa", method="b"), [0.1, np.inf])
    with pytest.raises(ValueError, match=r"some-figure has no row with .*'c'.*; its columns are method, kappa"):
        record().column("mean", method="c")


def test_resolve_knows_names_and_groups_and_lists_each_study_once():
    every = list(studies.STUDIES)
    assert studies.resolve(["all"]) == every == studies.resolve(["all", "papers", "omd-fig2"])
    assert [study.name for study in studies.resolve(["omd-fig2"])] == ["omd-fig2"]
    assert all(study.group in studies.GROUPS for study in every)


def test_resolve_suggests_the_nearest_name():
    with pytest.raises(ValueError, match=r"no study is called 'omd-fig1'\. Did you mean omd-fig4 or .*omd-fig2"):
        studies.resolve(["omd-fig1"])


def test_listing_the_studies_loads_neither_jax_nor_matplotlib():
    program = "import sys; from tabular import studies; studies.resolve(['all']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"jax", "matplotlib", "optax"}.isdisjoint(done.stdout.split())
