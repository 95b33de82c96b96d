"""Archives give back the same bits, plain ones load, broken ones say what is wrong; grid worlds as text."""

import io

import numpy as np
import pytest

import tabular as tb
from tabular.files import load, save
from tabular.worlds import NAMED, garnet, gridworld, maze10, named

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
r = np.array([[1.0, 2.0], [3.0, 4.0]])


def same(a, b):
    """The same kind, bits, labels and geometry."""
    arrays = ["P", "r", "rho"] if isinstance(a, tb.MDP) else ["r", "rho"]
    assert type(a) is type(b)
    for name in arrays:
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
        assert not getattr(b, name).flags.writeable
    if isinstance(a, tb.SparseMDP):
        assert not b.kernel.data.flags.writeable
        for part in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(a.kernel, part), getattr(b.kernel, part)), part
    for name in ("gamma", "terminating", "states", "actions", "grid"):
        assert getattr(a, name) == getattr(b, name), name
    return True


# archives


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", NAMED)
def test_load_gives_back_what_save_wrote(name, sparse, tmp_path):
    mdp = named(name)
    mdp = mdp.to_sparse() if sparse else mdp.to_dense()
    path = save(mdp, tmp_path / "mdp.npz")
    assert path == tmp_path / "mdp.npz"
    assert same(mdp, load(path))
    assert [file.name for file in tmp_path.iterdir()] == ["mdp.npz"]


def test_load_keeps_bits_that_normalising_again_would_move(tmp_path):
    """Rows of random weights sum to 1 only up to rounding; so does rho."""
    rng = np.random.default_rng(0)
    P, rho = rng.random((40, 3, 40)), rng.random(40)
    mdp = tb.make_mdp(P / P.sum(-1, keepdims=True), rng.normal(size=(40, 3)), gamma=1 / 3, rho=rho / rho.sum())
    mdp = mdp.to_dense()
    again = tb.make_mdp(mdp.P, mdp.r, gamma=mdp.gamma, rho=mdp.rho).to_dense()
    assert not np.array_equal(mdp.P, again.P), "the example shows nothing"
    for each in (mdp, mdp.to_sparse()):
        assert same(each, load(save(each, tmp_path / "mdp.npz")))


def test_load_keeps_infeasible_actions_and_termination(tmp_path):
    mdp = tb.make_mdp(P * 0.5, [[1, -np.inf], [0, 2]], gamma=1, terminating=True, states=[("a", 1), None], actions="xy")
    for each in (mdp, mdp.to_sparse()):
        assert same(each, load(save(each, tmp_path / "mdp.npz")))


def test_save_turns_numpy_labels_into_plain_ones(tmp_path):
    mdp = tb.make_mdp(P, r, gamma=0.9, states=[np.int64(3), (np.float64(0.5), np.str_("x"))], actions=[True, 2.5])
    again = load(save(mdp, tmp_path / "mdp.npz"))
    assert again.states == (3, (0.5, "x")) and again.actions == (True, 2.5)
    assert again.states and type(again.states[0]) is int


def test_save_refuses_labels_it_cant_keep(tmp_path):
    mdp = tb.make_mdp(P, r, gamma=0.9, states=[frozenset("a"), "b"])
    with pytest.raises(TypeError, match=r"states has the label frozenset\(\{'a'\}\), expected numbers, strings"):
        save(mdp, tmp_path / "mdp.npz")
    assert list(tmp_path.iterdir()) == []


def test_save_wants_the_ending(tmp_path):
    with pytest.raises(ValueError, match=r"mdp.txt', expected a name that ends in .npz"):
        save(maze10(), tmp_path / "mdp.txt")


def test_save_leaves_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = save(maze10(), tmp_path / "mdp.npz")
    before = path.read_bytes()

    def full_disk(stream, **content):
        stream.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(garnet(), path)
    monkeypatch.undo()
    monkeypatch.setattr("os.replace", lambda *paths: full_disk(io.BytesIO()))
    with pytest.raises(OSError, match="No space"):
        save(garnet(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mdp.npz"]


def test_load_gamma_overrides_the_files(tmp_path):
    for mdp in (maze10(), maze10().to_sparse()):
        assert load(save(mdp, tmp_path / "mdp.npz"), gamma=0.5).gamma == 0.5


def test_load_plain_archive(tmp_path):
    file = tmp_path / "plain.npz"
    np.savez(file, P=P, r=r, gamma=0.9)
    mdp = load(file).to_dense()
    assert (mdp.P == P).all() and (mdp.r == r).all() and mdp.gamma == 0.9 and not mdp.terminating
    np.savez(file, P=P / 2, r=r, gamma=0.9, rho=[1, 0], terminating=True, comment="mine")
    mdp = load(str(file))
    assert mdp.terminating and mdp.rho.tolist() == [1, 0]
    np.savez_compressed(file, P=P.tolist(), r=[[1, 2], [3, 4]], gamma=[0.5])
    assert load(file).gamma == 0.5


def test_load_plain_archive_without_gamma_needs_one(tmp_path):
    np.savez(tmp_path / "plain.npz", P=P, r=r)
    assert load(tmp_path / "plain.npz", gamma=0.7).gamma == 0.7
    with pytest.raises(ValueError, match="no array named gamma; it holds P, r"):
        load(tmp_path / "plain.npz")


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1.0, 9.0])
def test_load_looks_at_no_row_of_an_infeasible_action(garbage, tmp_path):
    wild = P.copy()
    wild[0, 1] = garbage
    np.savez(tmp_path / "plain.npz", P=wild, r=[[1, -np.inf], [3, 4]], gamma=0.9)
    mdp = load(tmp_path / "plain.npz")
    assert (mdp.P[0, 1] == 0).all()
    expected = np.linalg.solve(np.eye(2) - 0.9 * P[[0, 1], [0, 1]], [1, 4])
    assert tb.solve(mdp).V == pytest.approx(expected, abs=1e-9)


def test_load_checks_a_changed_archive_of_ours(tmp_path):
    """Only rounding is taken over unnormalised: an edited archive is checked like any other."""
    path = save(tb.make_mdp(P, [[1, -np.inf], [3, 4]], gamma=0.9), tmp_path / "mdp.npz")
    content = dict(np.load(path))
    content["P"][0, 1] = np.nan
    content["P"][0, 0] *= 1 + 5e-9
    np.savez(path, **content)
    mdp = load(path)
    assert mdp.P[0].tolist() == [[0.5, 0.5], [0, 0]]
    content["P"][0, 0] *= 1.1
    np.savez(path, **content)
    with pytest.raises(ValueError, match=r"mdp.npz: P\[0, 0\] sums to 1.1"):
        load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"P": P, "gamma": 0.9}, "no array named r; it holds P, gamma. Expected P of shape"),
        ({"P": P, "R": r, "gamma": 0.9}, "no array named r; it holds P, R, gamma"),
        ({"gamma": 0.9}, "no array named P, r"),
        ({"P": P, "r": r, "gamma": [0.9, 0.8]}, r"gamma has shape \(2,\) .* expected a single value"),
        ({"P": P, "r": r, "gamma": "high"}, "gamma has shape .* expected a single value"),
        ({"P": P, "r": r, "gamma": 0.9, "terminating": [True, False]}, r"terminating has shape \(2,\)"),
        ({"P": P, "r": r, "gamma": 1.9}, "gamma = 1.9"),
        ({"P": P * 2, "r": r, "gamma": 0.9}, r"P\[0, 0\] sums to 2"),
        ({"P": P[0], "r": r, "gamma": 0.9}, r"P has shape \(2, 2\)"),
        ({"P": P.astype("f4"), "r": r, "gamma": 0.9}, "P is float32"),
        ({"P": P, "r": r * np.nan, "gamma": 0.9}, r"r\[0, 0\] = nan"),
        ({"P": P, "r": r, "gamma": 0.9, "rho": [1, 1]}, "rho sums to 2"),
        ({"P": P, "r": r, "gamma": 0.9, "mdpscope_version": 2}, "mdpscope_version is 2, this program reads 1 to 1"),
        ({"P": P, "r": r, "gamma": 0.9, "mdpscope_version": 0}, "mdpscope_version is 0"),
        ({"P": P, "r": r, "gamma": 0.9, "mdpscope_version": "one"}, "mdpscope_version is one"),
        ({"P": P, "r": r, "gamma": 0.9, "mdpscope_version": 1}, "no array named rho, terminating, labels"),
        ({"P": np.array([None, P], dtype=object), "r": r, "gamma": 0.9}, "objects instead of numbers"),
    ],
)
def test_load_refuses_bad_archives(content, message, tmp_path):
    file = tmp_path / "bad.npz"
    np.savez(file, **content)
    with pytest.raises(ValueError, match=rf"bad.npz: .*{message}"):
        load(file)


def change_part(content, part, index, value):
    content[part] = content[part].copy()
    content[part][index] = value


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda c: c.pop("kernel_indices"), "no array named kernel_indices"),
        (lambda c: change_part(c, "kernel_indices", 0, 10**6), "the sparse kernel is damaged"),
        (lambda c: change_part(c, "kernel_indptr", -1, 3), "the sparse kernel is damaged"),
        (lambda c: change_part(c, "kernel_data", 0, -1), "expected a probability"),
        (lambda c: c.update(r=c["r"][0]), r"r has shape \(4,\), expected \(S, A\)"),
        (lambda c: c.update(labels=c["labels"][:5]), "the array labels is damaged"),
        (lambda c: c.update(labels=np.frombuffer(b"[1]", np.uint8)), "the array labels is damaged"),
    ],
)
def test_load_refuses_damaged_sparse_archives(break_it, message, tmp_path):
    path = save(garnet(60, sparse=True), tmp_path / "mdp.npz")
    content = dict(np.load(path))
    break_it(content)
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_load_refuses_an_incomplete_geometry(tmp_path):
    path = save(maze10(), tmp_path / "mdp.npz")
    content = dict(np.load(path))
    del content["grid_walls"]
    np.savez(path, **content)
    with pytest.raises(ValueError, match="no array named grid_walls"):
        load(path)


def test_load_refuses_files_that_are_no_archives(tmp_path):
    file = tmp_path / "mdp.npz"
    save(maze10(), file)
    whole = file.read_bytes()
    array = tmp_path / "array.npy"
    np.save(array, P)
    for broken in (b"", b"S..G", whole[: len(whole) // 2], array.read_bytes()):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match=r"mdp.npz: not a .npz archive, or a damaged one"):
            load(file)


def test_load_refuses_an_archive_with_flipped_bytes(tmp_path):
    file = save(maze10(), tmp_path / "mdp.npz")
    content = bytearray(file.read_bytes())
    content[1000:1100] = bytes(255 - byte for byte in content[1000:1100])
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged .npz archive"):
        load(file)


def test_load_names_a_missing_file_and_a_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*gone.npz'"):
        load(tmp_path / "gone.npz")
    with pytest.raises(ValueError, match="is a directory"):
        load(tmp_path)


# text

TEXT = """
gamma = 0.95
slip = 0.1
slip_kind = random
step_reward = -0.01
rewards = G=1 T=-1.5
absorbing = GT
stay = true

    S..#G
    ..T..
"""


def test_load_text_is_the_gridworld_of_its_settings(tmp_path):
    file = tmp_path / "world.txt"
    file.write_text(TEXT)
    expected = gridworld(
        "S..#G\n..T..",
        gamma=0.95,
        slip=0.1,
        slip_kind="random",
        step_reward=-0.01,
        rewards={"G": 1, "T": -1.5},
        absorbing="GT",
        stay=True,
    )
    assert same(expected, load(file))
    assert load(file, gamma=0.5).gamma == 0.5


def test_load_text_bare_map_and_empty_settings(tmp_path):
    file = tmp_path / "world.grid"
    file.write_bytes("\ufeffS..G\r\n....\r\n".encode())
    assert same(gridworld("S..G\n...."), load(file))
    file.write_text("absorbing =\nrewards =\nS..G")
    assert same(gridworld("S..G", absorbing="", rewards={}), load(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gamm = 0.9\nSG", "line 1: unknown setting 'gamm'. Did you mean gamma. Known are gamma, slip"),
        ("\ngamma = high\nSG", "line 2: gamma = 'high', expected a number"),
        ("slip = 0.1\ngamma = 1.5\nSG", "line 2: gamma = 1.5, expected a discount"),
        ("gamma = 0.9\nslip = 7\nSG", "line 2: slip = 7, expected a probability"),
        ("slip_kind = sideways\nSG", "line 1: slip_kind = 'sideways', expected one of"),
        ("stay = maybe\nSG", "line 1: stay = 'maybe', expected true or false"),
        ("rewards = G:1\nSG", "line 1: rewards = 'G:1', expected pairs of character and number"),
        ("rewards = G=1 G=2\nSG", "line 1: rewards = 'G=1 G=2', expected each character once"),
        ("rewards = goal=1\nSG", "line 1: rewards has the key 'goal'"),
        ("gamma = 0.9\nslip = 0\ngamma = 0.8\nSG", "line 3: gamma was given before, on line 1"),
        ("gamma = 0.9\n\nS.\n.x", "map from line 3: text, row 1, column 1: unknown character 'x'"),
        ("S..\n..", "map from line 1: text, row 1: 2 columns, expected 3"),
        ("SG\ngamma = 0.9", "map from line 1: text, row 1"),
        ("gamma = 0.9\n", "map from line 2: text is empty"),
        ("", "map from line 1: text is empty"),
    ],
)
def test_load_refuses_bad_text(text, message, tmp_path):
    file = tmp_path / "world.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"world.txt: {message}"):
        load(file)


def test_load_blames_the_argument_not_the_line_it_overrides(tmp_path):
    file = tmp_path / "world.txt"
    file.write_text("gamma = 0.9\nSG")
    with pytest.raises(ValueError, match=r"world.txt: map from line 2: gamma = 1.5"):
        load(file, gamma=1.5)


def test_load_refuses_a_binary_file(tmp_path):
    file = tmp_path / "world.txt"
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match=r"neither a .npz archive nor UTF-8 text"):
        load(file)
