"""The list of studies."""

import pytest

from deep import studies


def test_resolve_knows_names_and_groups_and_suggests():
    assert [study.name for study in studies.resolve(["maac-fig3", "maac-fig3"])] == ["maac-fig3"]
    assert len(studies.resolve(["pedagogical"])) == 4
    with pytest.raises(ValueError, match=r"no study is called 'maac-fig'\. Did you mean maac-fig3"):
        studies.resolve(["maac-fig"])
