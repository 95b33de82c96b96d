"""The command line: what it prints, what it writes, and how it refuses."""

import errno
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tabular import from_gymnasium, gridworld, save, soft_solve, solve, worlds
from tabular.__main__ import main
from tests.strict import strict

ROOT = Path(__file__).parents[1]
MAP = "gamma = 0.9\nslip = 0.2\n\nS.#\n..G\n"


def run(*arguments, **options):
    """The program in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "tabular", *arguments], capture_output=True, text=True, env=environment, **options
    )


# solve


def test_solve_prints_a_summary(capsys):
    assert main(["solve", "two_state"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("two_state: 2 states, 2 actions, gamma = 0.9\n")
    assert "return J     1.027272727\n" in out and "converged" in out
    assert err == ""


def test_solve_json_is_one_object_with_the_solution(capsys):
    assert main(["solve", "two_state", "--json"]) == 0
    found = strict(capsys.readouterr().out)
    expected = solve(worlds.two_state())
    assert list(found) == ["V", "Q", "pi", "J", "residual", "error", "iterations", "status", "method", "gamma"]
    for name in ("V", "Q", "pi", "J"):
        assert np.array_equal(found[name], getattr(expected, name))
    assert (found["status"], found["method"], found["gamma"]) == ("converged", "pi", 0.9)
    assert 0 <= found["residual"] <= found["error"] < 1e-9 and found["iterations"] >= 1


def test_solve_json_writes_infeasible_actions_as_null(here, capsys):
    P, r = np.ones((1, 2, 1)), np.array([[1.0, -np.inf]])
    np.savez("one.npz", P=P, r=r, gamma=0.5)
    assert main(["solve", "one.npz", "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["Q"] == [[2.0, None]] and found["pi"] == [[1.0, 0.0]]


def test_solve_json_to_a_file_is_complete_or_absent(here, capsys, monkeypatch):
    assert main(["solve", "two_state", "--json", "answer.json"]) == 0
    assert strict((here / "answer.json").read_text())["J"] == solve(worlds.two_state()).J
    assert capsys.readouterr().out == "wrote answer.json\n"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "answer.json")

    before = (here / "answer.json").read_bytes()
    monkeypatch.setattr(os, "replace", full)
    assert main(["solve", "risk3", "--json", "answer.json"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert (here / "answer.json").read_bytes() == before and os.listdir(here) == ["answer.json"]


def test_solve_a_gymnasium_id_says_which_discount_it_took(capsys):
    assert main(["solve", "FrozenLake-v1", "--json"]) == 0
    out, err = capsys.readouterr()
    assert strict(out)["J"] == solve(from_gymnasium("FrozenLake-v1", gamma=0.99)).J
    assert "gamma is 0.99" in err and "--gamma" in err
    assert main(["solve", "FrozenLake-v1", "--gamma", "0.9", "--json"]) == 0
    out, err = capsys.readouterr()
    assert strict(out)["gamma"] == 0.9 and err == ""


def test_solve_reads_a_map_and_its_settings(here, capsys):
    (here / "map.txt").write_text(MAP)
    assert main(["solve", "map.txt", "--json"]) == 0
    out, err = capsys.readouterr()
    assert strict(out)["J"] == solve(gridworld("S.#\n..G", gamma=0.9, slip=0.2)).J
    assert err == ""


@pytest.mark.parametrize("name", ["map.txt", "plain.npz"])
def test_solve_a_file_without_discount_says_which_it_took(here, capsys, name):
    (here / "map.txt").write_text("S.G\n")
    np.savez("plain.npz", P=np.ones((1, 1, 1)), r=np.ones((1, 1)))
    assert main(["solve", name, "--json"]) == 0
    out, err = capsys.readouterr()
    assert strict(out)["gamma"] == 0.99 and "gamma is 0.99" in err


def test_solve_reads_a_saved_mdp(here, capsys):
    save(worlds.risk3(), "risk.npz")
    assert main(["solve", "risk.npz", "--json"]) == 0
    assert strict(capsys.readouterr().out)["J"] == pytest.approx(451)


def test_solve_gamma_replaces_that_of_the_source(here, capsys):
    (here / "map.txt").write_text(MAP)
    save(worlds.two_state(), "two.npz")
    for source in ("map.txt", "two.npz", "two_state"):
        assert main(["solve", source, "--gamma", "0.5", "--json"]) == 0
        assert strict(capsys.readouterr().out)["gamma"] == 0.5


@pytest.mark.parametrize("method", ["newton", "iteration"])
def test_solve_alpha_solves_the_soft_problem(capsys, method):
    assert main(["solve", "two_state", "--alpha", "0.1", "--method", method, "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["alpha"] == 0.1 and found["method"] == method
    assert np.array(found["Q"]) == pytest.approx(soft_solve(worlds.two_state(), 0.1).Q, abs=1e-9)


@pytest.mark.parametrize("method", ["vi", "pi", "mpi", "lp"])
def test_solve_method_and_tolerance_are_passed_on(capsys, method):
    assert main(["solve", "two_state", "--method", method, "--tol", "1e-6", "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["method"] == method and found["error"] <= 1e-6
    assert found["J"] == pytest.approx(1.0272727272727273, abs=1e-6)


# refusals


def files(folder):
    """Broken inputs, by name."""
    P, r = np.eye(2)[:, None], np.zeros((2, 1))
    arrays = {
        "sums.npz": {"P": 0.98 * P, "r": r, "gamma": 0.9},
        "negative.npz": {"P": P - 0.1 * (P == 0), "r": r, "gamma": 0.9},
        "nan.npz": {"P": P, "r": r * np.nan, "gamma": 0.9},
        "nan_probability.npz": {"P": P * np.nan, "r": r, "gamma": 0.9},
        "shapes.npz": {"P": P, "r": np.zeros((3, 1)), "gamma": 0.9},
        "gamma.npz": {"P": P, "r": r, "gamma": 1.5},
        "actions.npz": {"P": np.zeros((2, 0, 2)), "r": np.zeros((2, 0)), "gamma": 0.9},
        "infeasible.npz": {"P": P, "r": [[0.0], [-np.inf]], "gamma": 0.9},
        "float32.npz": {"P": P.astype("float32"), "r": r, "gamma": 0.9},
        "missing.npz": {"P": P, "gamma": 0.9},
        "object.npz": {"P": np.array([None]), "r": r, "gamma": 0.9},
    }
    for name, content in arrays.items():
        np.savez(folder / name, **content)
    whole = (folder / "sums.npz").read_bytes()
    (folder / "broken.npz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.npz").write_bytes(b"")
    (folder / "unknown.txt").write_text("S.G\n.x.\n")
    (folder / "ragged.txt").write_text("S.G\n....\n")
    (folder / "setting.txt").write_text("gama = 0.9\nS.G\n")
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "folder").mkdir()


REFUSED = {
    "solve sums.npz": r"sums.npz: P[0, 0] sums to 0.98, not 1",
    "solve negative.npz": r"P[0, 0, 1] = -0.1, expected a probability",
    "solve nan.npz": r"r[0, 0] = nan",
    "solve nan_probability.npz": r"P[0, 0, 0] = nan",
    "solve shapes.npz": r"P has shape (2, 1, 2), expected (S, A, S) = (3, 1, 3)",
    "solve gamma.npz": "gamma = 1.5, expected a discount in [0, 1]",
    "solve actions.npz": "r has shape (2, 0)",
    "solve infeasible.npz": "state 1 has no feasible action",
    "solve float32.npz": "P is float32",
    "solve missing.npz": "no array named r",
    "solve object.npz": "damaged",
    "solve broken.npz": "damaged",
    "solve empty.npz": "damaged",
    "solve absent.npz": "there is no file 'absent.npz'",
    "solve absent.txt": "there is no file 'absent.txt'",
    "solve folder": "folder is a directory",
    "solve unknown.txt": "row 1, column 1: unknown character 'x'",
    "solve ragged.txt": "row 1: 4 columns, expected 3",
    "solve setting.txt": "unknown setting 'gama'. Did you mean gamma?",
    "solve bytes.txt": "UTF-8",
    "solve FrozenLak-v1": "Did you mean FrozenLake-v1",
    "solve Taxi-v3": "Taxi-v4",
    "solve CartPole-v1": "has no transition table",
    "solve two_stat": "Did you mean two_state?",
    "solve frozenlake": "FrozenLake-v1",
    "solve xyzzy": "'xyzzy' is no file, no world and no Gymnasium id",
    "solve two_state --gamma 1.2": "gamma = 1.2, expected a discount in [0, 1]",
    "solve two_state --gamma nan": "gamma = nan",
    "solve two_state --gamma 1": "absorbing",
    "solve FrozenLake-v1 --gamma -0.1": "gamma = -0.1",
    "solve two_state --gamma x": "invalid float value: 'x'",
    "solve two_state --alpha 0": "alpha = 0.0, expected a positive temperature",
    "solve two_state --alpha -1": "alpha = -1.0, expected a positive temperature",
    "solve two_state --alpha nan": "alpha = nan",
    "solve two_state --method qlearning": "method = 'qlearning', expected one of auto, vi, pi, mpi, lp",
    "solve two_state --method newton": "method = 'newton', expected one of auto, vi, pi, mpi, lp",
    "solve two_state --alpha 1 --method vi": "method = 'vi', expected one of newton, iteration",
    "solve two_state --tol 1e-30": "can't be certified",
    "solve two_state --tol 0": "tol",
    "solve two_state --tol -1": "tol",
    "solve two_state --json absent/answer.json": "can't write absent/answer.json: No such file",
    "solve": "the following arguments are required: SOURCE",
    "solve two_state maze10": "unrecognized arguments: maze10",
    "improve two_state": "invalid choice: 'improve'",
    "reproduce": "the following arguments are required: NAME",
    "reproduce omd-fig99": "no study is called 'omd-fig99'. Did you mean omd-fig4",
    "reproduce omd-fig2 --out sums.npz": "sums.npz: File exists",
}


@pytest.mark.parametrize("command", REFUSED)
def test_main_refuses_with_status_2_and_one_message(here, capsys, command):
    files(here)
    before = sorted(os.listdir(here))
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert REFUSED[command] in err
    assert out == "" and "Traceback" not in err
    messages = [line for line in err.splitlines() if not line.startswith(("usage:", " "))]
    assert len(messages) == 1 and messages[0].startswith("tabular")
    assert sorted(os.listdir(here)) == before


# reproduce


@pytest.fixture
def study(monkeypatch):
    """A study that takes no time, in place of all others; `asked` is how it was run."""
    from matplotlib.figure import Figure

    from tabular import studies

    fake = SimpleNamespace(name="square", group="papers", about="x squared", asked=[])

    def run(quick, progress, partial):
        fake.asked.append((quick, progress))
        rows = tuple({"x": float(x), "mean": float(x * x)} for x in range(3))
        return studies.Record("square", rows, {"power": 2}, (1,), quick, 0.0, {})

    fake.run, fake.draw = run, lambda record: Figure(figsize=(1, 1))
    for name in ("resolve", "write"):
        monkeypatch.setattr(studies, name, partial(getattr(studies, name), studies=(fake,)))
    return fake


@pytest.mark.parametrize(("names", "runs"), [("square", 1), ("papers", 1), ("all", 1), ("square papers all", 1)])
def test_reproduce_runs_each_study_once_and_prints_its_files(here, capsys, study, names, runs):
    assert main(["reproduce", *names.split()]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [f"results/square.{kind}" for kind in ("csv", "png", "json")]
    assert all((here / path).stat().st_size > 0 for path in out.split())
    assert len(study.asked) == runs and err.count("square: x squared") == runs


def test_reproduce_writes_where_it_is_told_and_quickly_if_asked(here, capsys, study):
    assert main(["reproduce", "square", "--out", "some/where", "--quick"]) == 0
    assert sorted(os.listdir(here / "some/where")) == ["square.csv", "square.json", "square.png"]
    assert strict((here / "some/where/square.json").read_text())["quick"] is True
    assert study.asked == [(True, True)]


def test_reproduce_keeps_the_parts_of_an_interrupted_study_until_it_is_done(here, capsys, study):
    finish = study.run

    def interrupt(partial, **_):
        partial.mkdir()
        (partial / "part.json").write_text("[]")
        raise KeyboardInterrupt

    study.run = interrupt
    assert main(["reproduce", "square"]) == 130
    assert (here / "results/.square/part.json").exists()
    study.run = finish
    assert main(["reproduce", "square"]) == 0
    assert not (here / "results/.square").exists()


def test_reproduce_interrupted_leaves_no_files(here, capsys, study):
    def interrupt(**_):
        raise KeyboardInterrupt

    study.run = interrupt
    assert main(["reproduce", "square"]) == 130
    assert os.listdir(here / "results") == []


@pytest.mark.slow
def test_reproduce_shows_a_bar_that_names_the_study(tmp_path):
    done = run("reproduce", "omd-fig2", "--quick", cwd=tmp_path)
    assert done.returncode == 0
    assert "omd-fig2" in done.stderr.splitlines()[-1] and "100%" in done.stderr
    assert done.stdout.split() == [f"results/omd-fig2{end}" for end in (".csv", "-own.csv", ".png", ".json")]


# the program


def test_main_without_a_command_prints_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "usage: tabular" in out and "solve" in out and "reproduce" in out


@pytest.mark.parametrize("command", ["--help", "solve --help", "reproduce --help"])
def test_main_help_is_no_error(capsys, command):
    assert main(command.split()) == 0
    assert "usage: tabular" in capsys.readouterr().out


def test_main_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tabular ")


def test_main_after_ctrl_c_says_so_and_returns_130(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tabular.commands.solve.read_source", interrupt)
    assert main(["solve", "two_state"]) == 130
    assert capsys.readouterr() == ("", "tabular: interrupted\n")


def test_main_lets_a_fault_of_its_own_show(monkeypatch):
    def faulty(*_, **__):
        raise AttributeError("a mistake in the program")

    monkeypatch.setattr("tabular.commands.solve.read_source", faulty)
    with pytest.raises(AttributeError):
        main(["solve", "two_state"])


def test_python_m_tabular_runs_the_same_program(tmp_path):
    done = run("solve", "two_state", "--json", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert strict(done.stdout)["J"] == solve(worlds.two_state()).J


def test_python_m_tabular_refuses_without_a_traceback(tmp_path):
    done = run("solve", "two_stat", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean two_state?" in done.stderr and "Traceback" not in done.stderr


def test_program_survives_a_reader_that_leaves(tmp_path):
    command = f"{sys.executable} -m tabular solve random_maze --json | head -c 10; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 141
    assert done.stderr == ""


def test_program_prints_ascii_where_the_terminal_knows_nothing_else(tmp_path):
    done = run("solve", "maze10", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and done.stdout.isascii() and "v v v v # #" in done.stdout
