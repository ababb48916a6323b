"""Figures of a control keep their axes and show what they showed last."""

from __future__ import annotations

import pytest

hv = pytest.importorskip("holoviews")

from dualpath_lab.figures import bars, lines, with_ghost  # noqa: E402 - holoviews is an extra


def heights(figure: hv.Overlay) -> list[list[float]]:
    return [bar.dimension_values(1).tolist() for bar in figure.values() if isinstance(bar, hv.Bars)]


def test_the_ghost_is_what_the_control_showed_last() -> None:
    hv.extension("bokeh")
    figure = with_ghost(lambda size: {"a": size, "b": 2 * size}, lambda values, ghost: bars(values, "x", "y", top=10.0, ghost=ghost))
    assert heights(figure(1.0)) == [[1.0, 2.0]]
    assert heights(figure(3.0)) == [[3.0, 6.0], [1.0, 2.0]]
    assert heights(figure(size=2.0)) == [[2.0, 4.0], [3.0, 6.0]]


def test_two_figures_have_a_memory_each() -> None:
    figures = [with_ghost(lambda value: value, lambda value, ghost: hv.Overlay([hv.Text(0, 0, f"{value} {ghost}")])) for _ in range(2)]
    said = [figure(value).values()[0].data[2] for value in (1, 2) for figure in figures]
    assert said == ["1 None", "1 None", "2 1", "2 1"]


@pytest.mark.parametrize("highest", [1.0, 5.0, 9.0])
def test_a_top_is_the_end_of_the_axis_whatever_is_drawn(highest: float) -> None:
    hv.extension("bokeh")
    drawn = hv.renderer("bokeh").get_plot(bars({"a": highest, "b": 0.5}, "x", "y", top=10.0, ghost={"a": 3.0, "b": 2.0})).state
    assert (drawn.y_range.start, drawn.y_range.end) == (0, 10.0)


def test_lines_of_earlier_are_no_entry_of_the_legend() -> None:
    drawn = lines({"dualpath": ([1, 2], [3, 4])}, "x", "y", ghost={"dualpath": ([1, 2], [5, 6])})
    curves = [curve for curve in drawn.values() if isinstance(curve, hv.Curve)]
    assert [(curve.label, curve.dimension_values(1).tolist()) for curve in curves] == [("", [5, 6]), ("dualpath", [3, 4])]
