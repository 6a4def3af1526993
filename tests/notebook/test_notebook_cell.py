"""``%%crossward`` and progress in a real IPython, and sessions where an event loop runs."""

import asyncio
import io
import threading
import tomllib
from types import SimpleNamespace

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import crossward
from analytics.errors import InvalidRequestError
from federation.client.progress import Stage, bytes_text, observe, observer_of
from federation.notebook.cell import run_cell
from federation.notebook.progress import NotebookProgress
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})
COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"


@pytest.fixture(scope="module")
def session():
    with crossward.local(
        dict.fromkeys(("anna", "bert", "carl"), FRAME), schema=tomllib.loads(SCHEMA), engine="numpy"
    ) as opened:
        yield opened


@pytest.fixture
def shell(session):
    found = InteractiveShell.instance()
    found.user_ns["session"] = session
    found.run_line_magic("load_ext", "crossward.notebook")
    yield found
    found.run_line_magic("unload_ext", "crossward.notebook")
    InteractiveShell.clear_instance()


def head(session):
    return session.nodes["anna"].replica.head


def ran(shell, text):
    with capture_output() as shown:
        done = shell.run_cell(text)
    return done, shown


def test_notebook_a_cell_asks_charges_and_hands_over(shell, session):
    before = head(session)
    done, shown = ran(shell, f"%%crossward --epsilon 0.1 --fresh --out answer\n{COUNT}")
    assert done.success, shown.stdout
    assert shell.user_ns["answer"].columns == ("sex", "n")
    assert head(session) == before + 1
    (line,) = [each for each in shown.outputs if "charged" in str(each)][-1:] or [""]
    assert f"entry {before + 1} is charged, epsilon 0.1; answered" in str(line) or shown.outputs
    done, _ = ran(shell, f"%%crossward --exact\n{COUNT}")
    assert done.result.rows == ((0, 60), (1, 120))


def test_notebook_a_cell_without_a_price_spends_nothing(shell, session):
    before = head(session)
    done, _ = ran(shell, f"%%crossward\n{COUNT}")
    assert [row["asked_epsilon"] for row in done.result] == ["0.1", "0.25", "0.5", "1", "2"]
    assert "<table>" in done.result._repr_html_()
    for options in ("--explain", "--explain --epsilon 0.5", "--explain --exact"):
        done, _ = ran(shell, f"%%crossward {options}\n{COUNT}")
        assert isinstance(done.result, crossward.Explanation)
    done, _ = ran(shell, f"%%crossward --price --epsilon 1000\n{COUNT}")
    assert done.result is None
    assert head(session) == before


def test_notebook_the_price_comes_first_where_it_is_asked_for(session):
    shown = []
    before = head(session)
    run_cell(
        "--price --epsilon 0.1 --fresh",
        COUNT,
        {"session": session},
        lambda it: shown.append((head(session), it)),
    )
    ((at, quoted),) = shown
    assert (at, quoted[0]["fits"], head(session)) == (before, True, before + 1)


@pytest.mark.parametrize(
    ("line", "sql", "said"),
    [
        ("--epsilon", COUNT, "expected one argument"),
        ("--epsilon 1 --exact", COUNT, "one of --epsilon, --within and --exact"),
        ("--epsilon nan", COUNT, "epsilon"),
        ("--epsilon '1", COUNT, "no closing quotation"),
        ("--exact --out 1x", COUNT, "must be a Python name"),
        ("--exact --session other", COUNT, "other is no session"),
        ("--exact --price", COUNT, "exact answers have no epsilon"),
        ("--colour red", COUNT, "unrecognized arguments"),
        ("--exact", "  ", "needs one SELECT"),
        ("--exact", "SELECT nothing FROM visits", "nothing"),
    ],
)
def test_notebook_wrong_cells_are_one_sentence_and_free(shell, session, line, sql, said):
    before = head(session)
    done, shown = ran(shell, f"%%crossward {line}\n{sql}")
    assert not done.success
    assert said in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stdout + shown.stderr
    assert head(session) == before


def test_notebook_the_session_is_found_or_asked_for(session):
    def asked(names, line="--exact"):
        return run_cell(line, COUNT, names, print)[1].rows

    assert asked({"here": session, "_": session}) == asked({"a": session, "b": session})
    with pytest.raises(InvalidRequestError, match=r"open one in a cell above"):
        asked({})
    other = object.__new__(type(session))
    with pytest.raises(InvalidRequestError, match="with one of a, b"):
        asked({"a": session, "b": other})


def test_notebook_unload_takes_all_of_it_away(session):
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "crossward.notebook")
    assert observer_of(None) is not None
    shell.run_line_magic("unload_ext", "crossward.notebook")
    assert observer_of(None) is None
    assert "crossward" not in shell.magics_manager.magics["cell"]
    assert not [each for each in shell.events.callbacks["pre_run_cell"] if hasattr(each, "of_crossward")]
    InteractiveShell.clear_instance()


# -- progress --------------------------------------------------------------------------------------------------------------


def test_stages_are_told_in_their_order_and_only_what_has_happened(session):
    told = []
    session.on_progress = told.append
    try:
        before = head(session)
        session.sql(COUNT, epsilon=0.1, fresh=True)
        session.sql(COUNT, exact=True)
        with pytest.raises(crossward.CrosswardError):
            session.sql(COUNT, epsilon=1000, fresh=True)
    finally:
        session.on_progress = None
    assert [each.name for each in told] == [*["asked", "charged", "answered"] * 2, "asked", "failed"]
    first, charged = told[:2]
    assert (first.sites, first.epsilon, first.entry) == (3, 0.1, None)
    assert first.rounds > 0
    assert first.bytes_per_site > 0
    assert charged.entry == before + 1
    assert told[3].epsilon is None
    assert "an exact disclosure" in told[4].text()
    assert told[-1].text() == "without an answer"
    session.sql(COUNT, exact=True)
    assert len(told) == 8


def test_a_line_of_a_notebook_is_updated_and_then_left():
    class Handle:
        def update(self, line):
            shown[-1].append(str(line))

    shown = []

    def display(line, display_id):
        shown.append([str(line)])
        return Handle()

    unknown = {"rounds": None, "bytes_per_site": None, "name": "charged", "entry": 7}
    progress = NotebookProgress(display)
    stage = Stage(
        name="asked", sites=3, epsilon=0.5, rounds=4, bytes_per_site=1500, entry=None, longest_s=9.0
    )
    progress(stage)
    progress(Stage(**{**{name: getattr(stage, name) for name in Stage.__slots__}, **unknown}))
    progress(
        Stage(**{**{name: getattr(stage, name) for name in Stage.__slots__}, "name": "failed", "entry": 7})
    )
    progress(SimpleNamespace(text=lambda: "round 1 of 2", left_s=3.0, rounds=2, round_number=1))
    progress.end()
    progress(stage)
    assert shown[0] == [
        "asking 3 sites: epsilon 0.5, 4 rounds, 1.5 kB each",
        "entry 7 is charged, epsilon 0.5; sites compute",
        "without an answer; entry 7 stays spent",
    ]
    assert shown[1] == ["round 1 of 2  3 s left"]
    assert len(shown) == 3
    assert [bytes_text(n) for n in (0, 999, 12_000, 3_400_000, 5e12)] == [
        "0 B",
        "999 B",
        "12 kB",
        "3.4 MB",
        "5e+03 GB",
    ]


def test_a_training_of_a_notebook_tells_its_rounds(session):
    told = []
    observe(told.append)
    try:
        task = crossward.TrainingTask(table="visits", features=["age"], target="sex", epsilon=0.2, rounds=2)
        outcome = session.train(task)
    except crossward.CrosswardError as error:  # the schema of this consortium has no such target
        pytest.fail(str(error))
    finally:
        observe(None)
    assert [each.round_number for each in told] == [1, 2]
    assert told[-1].text().startswith("round 2 of 2  epsilon")
    assert "2 of 2 rounds" in outcome._repr_html_()


# -- event loops -----------------------------------------------------------------------------------------------------------


def test_a_session_works_inside_a_running_event_loop(session):
    async def cells():
        here = session.sql(COUNT, exact=True).rows
        there = await asyncio.gather(*(asyncio.to_thread(session.sql, COUNT, exact=True) for _ in range(2)))
        return [here, *(each.rows for each in there)]

    assert asyncio.run(cells()) == [((0, 60), (1, 120))] * 3


def test_a_session_is_opened_and_closed_inside_a_running_event_loop(shell):
    text = (
        "import asyncio, crossward, pandas\n"
        "await asyncio.sleep(0)\n"
        "frame = pandas.DataFrame({'age': [40, 50, 60] * 20, 'sex': [0, 1, 1] * 20})\n"
        f"with crossward.local(dict.fromkeys(('anna', 'bert', 'carl'), frame), schema={tomllib.loads(SCHEMA)!r}, "
        "engine='numpy') as own:\n"
        f"    total = own.sql({COUNT!r}, exact=True).rows\n"
        "await asyncio.sleep(0)\n"
    )
    before = threading.active_count()
    done = asyncio.run(shell.run_cell_async(text, store_history=False, transformed_cell=text))
    assert done.success, done.error_in_exec
    assert shell.user_ns["total"] == ((0, 60), (1, 120))
    assert threading.active_count() <= before + 4


def test_the_line_on_a_terminal_shows_stages_and_rounds():
    from rich.console import Console

    from federation.display.progress import ProgressLine

    text = io.StringIO()
    screen = Console(file=text, force_terminal=True, width=160, color_system=None)
    stage = Stage(name="charged", sites=3, epsilon=0.5, rounds=4, bytes_per_site=1500, entry=7, longest_s=9.0)
    with ProgressLine(screen, lambda: "release 1 of 2: ") as line:
        line(stage)
        line._lines.refresh()
        line.train(SimpleNamespace(text=lambda: "round 3 of 5  [bold]", rounds=5, round_number=3, left_s=8.0))
        line._lines.refresh()
    shown = text.getvalue()
    assert "release 1 of 2: entry 7 is charged, epsilon 0.5; sites compute, 4 rounds, 1.5 kB each" in shown
    assert "at most 9 s more" in shown
    assert "round 3 of 5  [bold]" in shown
    assert "about 8 s left" in shown
