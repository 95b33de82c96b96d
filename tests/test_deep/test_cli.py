import csv
import subprocess
import sys

import pytest

from deep.__main__ import main
from deep.commands.fields import one_line
from tests.test_deep.small import NETS, SEEDS, SIZES

TINY = [word for field, value in {**SIZES, **NETS}.items() for word in (f"--{field.replace('_', '-')}", str(value))]


def said(capsys, *argv: str) -> str:
    """The one line that a command fails with."""
    assert main([*argv]) == 2
    err = capsys.readouterr().err.strip()
    assert "\n" not in err and err.startswith("deep: ")
    return err


def test_train_then_runs_then_resume(here, capsys):
    """Notebook and command line share the configuration; a complete run is left as it is."""
    import deep

    assert main(["train", "omd-cartpole", *TINY, "--seeds", "2", "--out", "r/one", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "omd" in out and str(here / "r" / "one") in out
    run = deep.runs.read("r/one")
    assert run.configs == (deep.presets.omd_cartpole(**SIZES, **NETS),) and run.seeds == (0, 1)
    assert main(["runs", "r", "--plot", "curves.svg", "--csv", "seeds.csv"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["run", "method", "environment", "setting", "seeds", "steps", "return", "95%"]
    assert table[1].split()[:7] == ["one", "omd", "cartpole", "width", "3", "2", "200"]
    assert f"{run.final().mean():.1f}" in table[1] and "+-" in table[1]
    assert (here / "curves.svg").read_text().startswith("<?xml")
    rows = list(csv.DictReader((here / "seeds.csv").read_text().splitlines()))
    assert [float(row["final_return"]) for row in rows] == list(run.final()[0])
    assert [float(row["next_state_error"]) for row in rows] == list(run.model_error.summed[0])
    assert (rows[1]["method"], rows[1]["seed"], rows[1]["model_width"]) == ("omd", "1", "3")
    assert main(["train", "--resume", "r/one", "--quiet"]) == 0


def test_sweep_trains_a_share(here, capsys):
    """Fields of all configurations can be changed."""
    argv = [
        "sweep",
        "omd-fig5",
        "--quick",
        "--index",
        "1",
        "--of",
        "3",
        "--seeds",
        str(len(SEEDS)),
        "--quiet",
        "--out",
        "s",
    ]
    fields = [x for k in range(0, len(TINY), 2) if TINY[k] != "--model-width" for x in TINY[k : k + 2]]
    assert main([*argv, *fields]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:5] == ["mle-model_width=1", "mle", "cartpole", "width", "1"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "omd-cartpol"], "PRESET = 'omd-cartpol' is unknown. Did you mean omd-cartpole"),
        (
            ["train", "omd-cartpole", "--modl-width", "3"],
            "Unrecognized options: --modl-width, 3. Did you mean --model-width?",
        ),
        (
            ["train", "omd-cartpole", "--steps", "x"],
            "Error parsing --steps: invalid literal for int() with base 10: 'x'",
        ),
        (
            ["train", "omd-cartpole", "--steps", "1500"],
            "steps = 1500 is no multiple of chunk = 1000: take 1000 or 2000",
        ),
        (["train", "omd-cartpole", "--model-width", "-3"], "model_width = -3, expected a whole number of 1 or more"),
        (["train", "omd-cartpole", "--seeds", "100000", "--out", "x"], "need"),
        (["train", "--steps", "1000"], "PRESET = '1000' is unknown"),
        (["train", "--resume", "nothing"], "nothing holds no run: there is no about.json"),
        (["train", "--resume", "r", "--steps", "3"], "it takes no more than --quiet"),
        (["runs", "nothing"], "there is no folder nothing"),
        (["runs", "nothing", "--plot", "x.jpg"], "--plot x.jpg: expected the name of a .png, .svg, .pdf file"),
        (["sweep", "omd-fig7", "--index", "0"], "study = 'omd-fig7' is unknown. Did you mean omd-fig"),
        (["sweep", "omd-fig5", "--of", "4"], "--index is missing: which of the 4 jobs is this, 0 to 3?"),
        (["sweep", "omd-fig5", "--of", "4", "--index", "4"], "index = 4, expected 0 to 3"),
        (["reproduce", "nothing-like-it"], "no study is called 'nothing-like-it'"),
    ],
)
def test_errors_are_one_line_with_status_2(here, capsys, argv, message):
    assert message in said(capsys, *argv)


def test_help_lists_presets_fields_and_studies(capsys):
    assert main(["train", "--help"]) == 0 and "omd-cartpole" in capsys.readouterr().out
    assert main(["train", "omd-cartpole", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--model-width" in out and "--seeds" in out and "default: 0.01" in out
    assert main(["reproduce", "--help"]) == 0 and "studies:" in capsys.readouterr().out
    assert main([]) == 0 and "train" in capsys.readouterr().out


def test_unknown_options_of_other_commands_are_refused(capsys):
    assert main(["runs", "--stps", "3"]) == 2
    assert "--stps" in capsys.readouterr().err


def test_one_line_takes_the_message_out_of_the_box():
    lines = ["╭─ Invalid choice ─╮", "│ invalid choice 'q'. Expected one │", "│ of ('a', │", "│ 'b'). │", "│ ─────── │"]
    box = "\n".join([*lines, "│ For full helptext │", "╰──────╯", ""])
    assert one_line(box) == "invalid choice 'q'. Expected one of ('a', 'b')."
    lines = [
        "Unrecognized options",
        "-" * 20,
        "Unrecognized options: --a",
        "-" * 20,
        "Perhaps you meant:",
        "    --b INT",
    ]
    assert one_line("\n".join(lines)) == "Unrecognized options: --a. Did you mean --b?"


def test_python_m_deep_is_the_program():
    out = subprocess.run([sys.executable, "-m", "deep", "--version"], capture_output=True, text=True, check=True).stdout
    assert out.startswith("deep ")
