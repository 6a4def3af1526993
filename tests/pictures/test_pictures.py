"""Pictures: what stands in them is what the answer says; closed answers have none; files are refused before a charge."""

import math
import sys
import threading

import pytest
from statistic_world import heart_world

from analytics.errors import InvalidRequestError
from analytics.pictures import Bars, Boxes, Cells, Curve, Curves, Estimates, draw
from analytics.pictures.draw import COLORS

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def heart():
    return heart_world()


PICTURES = {
    "anova": ({"column": "thalach", "by": "cp", "epsilon": "1"}, Estimates),
    "correlation": ({"columns": ["age", "thalach"]}, Cells),
    "crosstab": ({"a": "sex", "b": "disease"}, Cells),
    "describe": ({"columns": ["cp"], "epsilon": "1"}, Bars),
    "glm": ({"outcome": "disease", "covariates": ["age", "sex"]}, Estimates),
    "kaplan_meier": ({"duration": "age", "event": "disease", "by": "sex", "epsilon": "2"}, Curves),
    "mann_whitney": ({"column": "thalach", "by": "disease"}, Bars),
    "ols": ({"formula": "thalach ~ age", "epsilon": "8"}, Estimates),
    "pca": ({"columns": ["age", "thalach"], "epsilon": "8"}, Bars),
    "quantile": ({"column": "age", "q": [0.25, 0.5, 0.75], "by": "disease"}, Boxes),
    "roc_auc": ({"score": "thalach", "truth": "disease", "epsilon": "1"}, Curves),
    "t_test": ({"column": "thalach", "by": "disease"}, Estimates),
    "table_one": ({"columns": ["age", "sex"], "groupby": "disease", "smd": True}, Estimates),
}


@pytest.mark.parametrize("name", PICTURES)
def test_an_answer_is_drawn(heart, name, tmp_path):
    arguments, kind = PICTURES[name]
    answer = heart.ask(name, **arguments)
    assert isinstance(answer.picture(), kind)
    axes = answer.plot()
    target = tmp_path / "picture.svg"
    axes.figure.savefig(target)
    assert target.stat().st_size > 2_000


def test_a_curve_holds_the_answers_figures_and_its_gaps():
    curves = Curves(
        curves=[
            Curve(label="a", x=[0, 1, 2], y=[1.0, 0.5, None], low=[1.0, 0.4, None], high=[1.0, 0.6, None]),
            Curve(label="b", x=[0, 1, 2], y=[1.0, 0.9, 0.8]),
        ],
        x_name="time",
        y_name="survival",
        is_stepped=True,
        below={"a": ["10", "4"], "b": ["9", "8"]},
        marks=[0, 1],
        below_name="at risk",
    )
    axes = draw(curves)
    first, second = axes.lines
    assert list(first.get_xdata()) == [0, 1, 2]
    assert list(first.get_ydata())[:2] == [1.0, 0.5]
    assert math.isnan(first.get_ydata()[2])
    assert first.get_drawstyle() == "steps-post"
    assert first.get_linestyle() != second.get_linestyle()
    assert (first.get_color(), second.get_color()) == COLORS[:2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert {text.get_text() for text in axes.texts} >= {"at risk", "10", "4", "9", "8"}


def test_estimates_stand_on_a_ratio_scale_from_the_first_at_the_top():
    axes = draw(
        Estimates(
            labels=["age", "sex"],
            values=[1.1, 2.0],
            low=[0.9, 1.5],
            high=[1.3, 2.7],
            x_name="odds ratio",
            reference=1.0,
            is_ratio=True,
        )
    )
    assert axes.get_xscale() == "log"
    bottom, top = axes.get_ylim()
    assert bottom > top
    (ends,) = axes.collections
    assert [segment[:, 0].tolist() for segment in ends.get_segments()] == [[0.9, 1.3], [1.5, 2.7]]


def test_sites_are_squares_by_their_weights_and_pooled_effects_are_diamonds():
    axes = draw(
        Estimates(
            labels=["lake", "north", "random"],
            values=[1.0, 2.0, 1.5],
            low=[0.5, 1.5, 1.2],
            high=[2.0, 2.5, 1.9],
            x_name="odds ratio",
            is_ratio=True,
            weights=[0.2, 0.8],
            n_pooled=1,
        )
    )
    ends, squares = axes.collections
    assert [segment[:, 0].tolist() for segment in ends.get_segments()] == [[0.5, 2.0], [1.5, 2.5]]
    assert squares.get_offsets().tolist() == [[1.0, 0.0], [2.0, 1.0]]
    small, large = squares.get_sizes()
    assert large == pytest.approx(4 * small)
    (diamond,) = axes.patches
    assert diamond.get_xy()[:4].tolist() == [[1.2, 2.0], [1.5, 1.75], [1.9, 2.0], [1.5, 2.25]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["lake", "north", "random"]


def test_a_closed_cell_is_written_closed():
    axes = draw(Cells(rows=["x"], columns=["a", "b"], values=[[12.0, None]]))
    assert [text.get_text() for text in axes.texts] == ["12", "closed"]


def test_what_has_no_picture_says_so(heart):
    closed = heart_world(minimum_cell=200).ask(
        "t_test", column="thalach", by="cp", groups=["typical", "atypical"]
    )
    with pytest.raises(InvalidRequestError, match=r"nothing to draw: closed \(minimum_cell\)"):
        closed.plot()
    with pytest.raises(InvalidRequestError, match="frame has its figures"):
        heart.ask("table_one", columns=["age"], groupby="disease").plot()
    with pytest.raises(InvalidRequestError, match="frame has its figures"):
        heart.ask("quantile", column="age", q=0.5).plot()
    answer = heart.ask("describe", columns=["cp", "thalach"], epsilon="1")
    with pytest.raises(InvalidRequestError, match="cholesterol has no counts to draw"):
        answer.plot(column="cholesterol")
    assert len(answer.plot(column="thalach").patches) == 5


def test_nothing_of_a_picture_is_shared(heart):
    """Pictures are drawn without the state of pyplot, so in threads too."""
    answer = heart.ask("crosstab", a="sex", b="disease")
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(answer.plot())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(axes.figure) for axes in drawn}) == 4
    assert "matplotlib.pyplot" not in sys.modules
    assert answer.plot(drawn[0]) is drawn[0]


def test_without_matplotlib_the_way_to_it_is_named(heart, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'crossward\[plots\]'"):
        heart.ask("crosstab", a="sex", b="disease").plot()


def test_an_answer_in_sql_is_drawn_as_bars_with_its_noise(session):
    answer = session.sql("SELECT sex, COUNT(*) AS n, AVG(age) AS age FROM patients GROUP BY sex", epsilon=1)
    axes = answer.plot()
    assert [bar.get_height() for bar in axes.patches] == [row[1] for row in answer.rows]
    assert axes.get_ylabel() == "n"
    assert len(axes.collections) == 1
    assert answer.plot(column="age").get_ylabel() == "age"
    with pytest.raises(InvalidRequestError, match="must be a column of figures: n, age"):
        answer.plot(column="sex")
