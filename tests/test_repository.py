"""The repository's own promises: its top level, its commands, its README, and nothing of anyone's machine in it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tabular as tb

ROOT = Path(__file__).parents[1]

TOP = {".ci", "deep", "docs", "notebooks", "tabular", "tests"}
"""Folders at the top; a new one is a decision about the design."""

MACHINE_PATH = re.compile(r"(?<![\w.~>/-])/(?:work|root|home|Users|farm|mnt|scratch)/[\w.-]")

TEXT = {".py", ".md", ".toml", ".ipynb", ".json", ".csv", ".txt", ".yaml", ".yml", ".cfg", ""}


def tracked_files() -> list[Path]:
    """Files in the repository, or about to be: everything that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def readme_blocks(language: str) -> list[str]:
    """Code blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_repository_top_level_holds_only_the_rooms():
    folders = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT}
    assert folders - TOP == set()


def test_repository_names_no_path_of_a_machine():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if path.suffix in TEXT and path != Path(__file__)
        for match in MACHINE_PATH.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_repository_sees_a_path_of_a_machine():
    assert MACHINE_PATH.search('open("/home/someone/x.csv")')
    assert not MACHINE_PATH.search("https://example.org/home/page and docs/work/x and ~/home/x")


def test_readme_python_runs_as_written(tmp_path):
    """In one fresh interpreter, block after block, as a reader would type it."""
    program = "\n".join(readme_blocks("python"))
    assert program
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_readme_names_only_commands_and_files_that_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", "\n".join(re.findall(r"`+[^`]*`+", readme)))) - targets == set()
    links = [link for link in re.findall(r"\]\(([^)#]+)", readme) if not link.startswith("http")]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_reference_covers_every_public_name():
    documented = re.findall(r"automodule:: (\S+)", (ROOT / "docs/reference.md").read_text())
    homes = {name: getattr(getattr(tb, name), "__module__", f"tabular.{name}") for name in tb.__all__}
    parents = {name: [home, home.rpartition(".")[0]] for name, home in homes.items()}
    assert {name: homes for name, homes in parents.items() if not set(homes) & set(documented)} == {}


def test_changelog_knows_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{version}]" in changelog


def test_python_m_tabular_and_the_command_are_one():
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["tabular"]
    assert script == "tabular.__main__:main"
