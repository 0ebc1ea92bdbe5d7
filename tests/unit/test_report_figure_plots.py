"""What is drawn over what."""

from matplotlib.figure import Figure

from backburn.report.figure_plots import draw_embedding


def test_a_small_group_is_drawn_over_a_large_one():
    sizes = {"poison": 3, "clean": 50, "perturbed": 2}
    rows = [
        {"group": name, "x": float(k), "y": 0.0}
        for name, size in sizes.items()
        for k in range(size)
    ]
    axes = Figure().subplots()
    draw_embedding(axes, rows)
    drawn = [(str(marks.get_label()), len(marks.get_offsets())) for marks in axes.collections]
    assert drawn == [("clean", 50), ("poison", 3), ("perturbed", 2)]
