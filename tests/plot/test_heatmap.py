"""What a grid world's picture says: values, arrows, walls, marks, and one colour scale."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import tabular.plot
from tabular import gridworld, solve, worlds
from tabular.geometry import Grid
from tabular.mdp import make_mdp, one_hot

plot: Any = tabular.plot
"""Unknown to the type checker: the stubs of matplotlib know artists by their base class only."""

TEXT = """S..
          .#.
          ..G"""


def small(**settings):
    return gridworld(TEXT, gamma=0.9, **settings)


def with_ties(solution):
    return solution.ties / solution.ties.sum(1, keepdims=True)


def texts(ax):
    """Texts in the axes by place (row, column), rounded to the cell."""
    found = {}
    for text in ax.texts:
        x, y = text.get_position()
        found.setdefault((round(y), round(x)), []).append(text.get_text())
    return found


def collection(ax, label):
    return next(c for c in ax.collections if c.get_label() == label)


def arrows(ax):
    """Tail and tip (row, column) of each arrow: the middle of its blunt end, and its sharp one."""
    corners = [path.vertices[:7, ::-1] for path in collection(ax, "arrows").get_paths()]
    return [((c[0] + c[6]) / 2, c[3]) for c in corners]


def test_grid_shows_each_value_in_its_cell():
    mdp = small()
    V = np.arange(8) / 4 + 1
    ax = plot.grid(mdp, V)
    picture = ax.images[0].get_array()
    for s, cell in enumerate(mdp.grid.cells):
        assert picture[cell] == V[s]
        assert f"{V[s]:.2f}" in texts(ax)[cell]
    assert picture.mask.sum() == 1 and picture.mask[1, 1]


def test_grid_writes_no_number_where_it_would_not_fit():
    mdp = gridworld("\n".join(["." * 40] * 40))
    V = np.ones(mdp.S)
    assert len(plot.grid(mdp, V).texts) == 0
    assert len(plot.grid(mdp, V, values=True).texts) == 1600
    assert plot.grid(small(), np.ones(8), values=False).texts[0].get_text() == "S"


def test_grid_writes_negative_zero_as_zero():
    words = texts(plot.grid(small(), np.array([-1e-9, -0.5, 1, 1, 1, 1, 1, 1])))
    assert words[0, 0] == ["0.00", "S"]
    assert words[0, 1] == ["\N{MINUS SIGN}0.50"]


@pytest.mark.parametrize(("action", "step"), [(0, (-1, 0)), (1, (0, 1)), (2, (1, 0)), (3, (0, -1))])
def test_grid_arrows_point_where_the_action_goes(action, step):
    ax = plot.grid(small(), pi=np.full(8, action))
    for tail, tip in arrows(ax):
        assert (tip - tail) / np.linalg.norm(tip - tail) == pytest.approx(step, abs=1e-12)


def test_grid_draws_one_arrow_for_each_action_of_the_policy():
    mdp = small()
    solution = solve(mdp)
    choices = solution.ties[:-1].sum()  # the last state is the goal, which is never left
    assert choices == 8  # two ways round the wall from the start, then one
    assert len(arrows(plot.grid(mdp, solution.V, with_ties(solution)))) == choices
    assert len(arrows(plot.grid(mdp, solution.V, solution.pi))) == 7


def test_grid_arrow_lengths_are_in_proportion_to_the_probabilities():
    pi = np.tile([0.5, 0.3, 0.01, 0.19], (8, 1))
    found = arrows(plot.grid(small(), pi=pi))
    assert len(found) == 7 * 3  # an action of probability 0.01 gets none
    lengths = [np.linalg.norm(tip - tail) for tail, tip in found[:3]]
    assert np.array(lengths) / lengths[0] == pytest.approx([1, 0.6, 0.38])


def test_grid_arrows_stay_within_their_cells():
    mdp = gridworld("....\n....\n..#.", stay=True)
    pi = np.random.default_rng(0).dirichlet(np.full(5, 0.5), size=mdp.S)
    for V in (None, np.ones(mdp.S)):
        ax = plot.grid(mdp, V, pi, values=True)
        owners = [s for s in range(mdp.S) for a in range(4) if pi[s, a] >= 0.02]
        for s, path in zip(owners, collection(ax, "arrows").get_paths(), strict=True):
            assert np.all(abs(path.vertices[:, ::-1] - mdp.grid.cells[s]) < 0.5)


def test_grid_shows_staying_as_a_dot():
    mdp = small(stay=True)
    ax = plot.grid(mdp, pi=np.full(8, 4))
    assert len(collection(ax, "stays").get_paths()) == 7
    assert arrows(ax) == []


def test_grid_hides_values_and_arrows_of_states_in_walls():
    mdp = worlds.maze10()
    solution = solve(mdp)
    ax = plot.grid(mdp, solution.V, solution.pi)
    inside = np.array([cell in mdp.grid.walls for cell in mdp.grid.cells])
    assert inside.sum() == 12
    assert len(arrows(ax)) == (~inside).sum()
    assert not set(texts(ax)) & mdp.grid.walls
    shown = solution.V[~inside]
    assert ax.images[0].get_clim() == (shown.min(), shown.max())


def test_grid_marks_start_goal_and_other_ends():
    mdp = gridworld("S.T\n..G", rewards={"G": 1, "T": -1}, absorbing="GT")
    ax = plot.grid(mdp)
    assert texts(ax) == {(0, 0): ["S"], (1, 2): ["G"]}
    crosses = [c.get_offsets().round() for c in ax.collections if len(c.get_offsets()) and c.get_label()[0] == "_"]
    assert any(np.array_equal(c, [[2, 0]]) for c in crosses)


def test_grid_leaves_ends_worth_nothing_out_of_the_colours():
    mdp = small()
    V = solve(mdp).V
    ax = plot.grid(mdp, V)
    assert V[-1] == 0 and ax.images[0].get_array().mask[2, 2]
    assert ax.images[0].get_clim() == (V[:-1].min(), 1)


def test_grid_accepts_a_sparse_mdp():
    mdp = small(slip=0.2)
    solution = solve(mdp)
    dense, sparse = (plot.grid(m, solution.V, solution.pi) for m in (mdp.to_dense(), mdp.to_sparse()))
    assert np.ma.allequal(dense.images[0].get_array(), sparse.images[0].get_array(), fill_value=True)
    assert np.array_equal(arrows(dense), arrows(sparse))


def test_grid_draws_on_the_axes_it_is_given():
    ax = plt.subplots()[1]
    assert plot.grid(small(), np.ones(8), ax=ax, title="here") is ax
    assert ax.get_title() == "here" and len(plt.get_fignums()) == 1


def test_grid_colour_bar_is_labelled_and_can_be_left_out():
    assert plot.grid(small(), np.arange(8.0), label="V - V*").child_axes[0].get_title("left") == "V - V*"
    assert plot.grid(small(), np.arange(8.0), colorbar=False).child_axes == []


def test_grid_numbers_can_be_read_on_every_colour():
    """Black or white has a contrast of at least 4.5 (WCAG 2.1, AA) on each colour of both maps."""
    for name in ("viridis", "PuOr_r"):
        colours = plt.get_cmap(name)(np.linspace(0, 1, 256))
        luminance = plot.heatmap._luminance(colours)
        ink = plot.heatmap._luminance(plot.heatmap._ink(colours))
        brighter, darker = np.maximum(luminance, ink), np.minimum(luminance, ink)
        assert ((brighter + 0.05) / (darker + 0.05)).min() >= 4.5


def test_grids_share_one_scale_over_all_values():
    mdp = small()
    V = np.arange(1.0, 9)
    axes = plot.grids(mdp, {"true": V, "learned": 10 * V}, {"true": np.zeros(8, dtype=int)})
    assert [ax.get_title() for ax in axes] == ["true", "learned"]
    assert {ax.images[0].get_clim() for ax in axes} == {(1, 80)}
    assert len(arrows(axes[0])) == 7
    assert [len(ax.child_axes) for ax in axes] == [0, 1]  # one colour bar


def test_grids_write_all_values_with_the_same_decimals():
    axes = plot.grids(small(), {"large": np.full(8, 12.0), "small": np.full(8, 0.5)})
    assert texts(axes[0])[0, 1] == ["12.0"] and texts(axes[1])[0, 1] == ["0.5"]


def test_grids_of_a_single_colour_still_draw():
    plot.grids(small(), {"zero": np.zeros(8)})[0].figure.canvas.draw()


def test_scale_covers_all_values_and_skips_what_is_not_finite():
    norm = plot.scale([1, 2], np.array([[5, -np.inf]]), 3, np.nan)
    assert (norm.vmin, norm.vmax) == (1, 5)


def test_scale_signed_is_centred_at_zero_in_two_hues():
    norm = plot.scale([-1, 3], signed=True)
    assert (norm.vmin, norm.vmax) == (-3, 3) and norm(0) == 0.5
    assert plot.grid(small(), np.ones(8), norm=norm).images[0].get_cmap().name == "PuOr_r"
    assert plot.grid(small(), np.ones(8)).images[0].get_cmap().name == "viridis"


NO_GRID = make_mdp(np.eye(2)[:, None], np.zeros((2, 1)), gamma=0.5)
FEW_MOVES = make_mdp(
    np.eye(2)[:, None], np.zeros((2, 1)), gamma=0.5, grid=Grid((1, 2), ((0, 0), (0, 1)), moves=((0, 1), (0, -1)))
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.grid(NO_GRID, [0, 1]), r"mdp\.grid is None.*gridworld"),
        (lambda: plot.grid(small(), np.ones(3)), r"V has shape \(3,\), expected \(8,\)"),
        (lambda: plot.grid(small(), pi=np.ones((8, 4))), r"pi\[0\] sums to 4"),
        (lambda: plot.grid(small(), pi=np.full(8, 4)), r"pi\[0\] = 4, expected an action from 0 to 3"),
        (lambda: plot.grid(FEW_MOVES, pi=one_hot(np.zeros(2, dtype=int), 1)), "2 displacements, expected 1"),
        (lambda: plot.grids(small(), {}), "V is empty"),
        (lambda: plot.grids(small(), {"a": np.ones(8)}, {"b": np.zeros(8, dtype=int)}), r"pi has the titles \['b'\]"),
        (lambda: plot.scale(), "no finite number"),
        (lambda: plot.scale([np.nan, -np.inf]), "no finite number"),
    ],
)
def test_grid_refuses_with_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
