"""The ledger report is complete, states its claims, escapes hostile names, and needs no other file."""

import re
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import BudgetChange
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.report import report_html, write_report
from privacy_accounting.report.charts import OTHERS, fills, spend_chart
from privacy_accounting.report.figures import MAX_POINTS, Curve, report_figures
from tests.ledger.ledger_world import World, a_budget, a_charge, an_exact, cancel_of, refuse_all

HOSTILE = "<script>alert(1)</script>\"'&"
DAY = 86_400


def a_world(stores=None, analysts=("ada", "bob", HOSTILE)):
    budget = a_budget(
        shares=(("query", Fraction(1, 2)), ("mining", Fraction(1, 2))),
        analyst_caps={"ada": Fraction(1, 2), "*": Fraction(1, 4)},
        purpose_caps={"quality": Fraction(3, 10)},
    )
    world = World(budget=budget, stores=stores).found()
    for turn in range(12):
        world.now += DAY
        purpose = ("quality", "research", "audit")[turn % 3]
        world.agree(
            a_charge(budget, noise=30 - turn, analyst=analysts[turn % len(analysts)], purpose=purpose)
        )
    world.agree(an_exact(analyst="bob", purpose="quality"))
    world.now += DAY
    last = world.agree(a_charge(budget, noise=40, sub_budget="mining", analyst="ada", purpose="research"))
    world.agree(cancel_of(last.entries[0]))
    world.sites["cairo"].admit = refuse_all
    world.agree(a_charge(budget, noise=40, analyst="bob", purpose="quality"))
    world.sites["cairo"].admit = lambda _: None
    raised = a_budget(epsilon=Fraction(6), shares=(("query", Fraction(1, 2)), ("mining", Fraction(1, 2))))
    old = budget.sub_budgets
    if all(raised.sub_budgets[name].order == old[name].order for name in old):
        world.agree(BudgetChange(population="cardiology", budget=raised))
    return world


@pytest.fixture(scope="module")
def world():
    return a_world()


@pytest.fixture(scope="module")
def page(world):
    return report_html(world.sites["cairo"].store.inner)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "rect", "line", "path"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in {"rect", "line", "path"}:
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_well_formed_and_loads_and_runs_nothing(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "img", "iframe", "object", "a"}
    for _, attributes in reader.tags:
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "href"}}
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_hostile_names_are_shown_as_text(page):
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    reader = Reader()
    reader.feed(page)
    assert HOSTILE in "".join(reader.text)


def test_every_picture_and_every_budget_says_unit_relation_delta_and_t(page, world):
    named = report_html(world.sites["cairo"].store.inner, {"cardiology": "all rows of one patient_id"})
    for text, unit in ((page, "as the consortium file declares"), (named, "all rows of one patient_id")):
        charts = re.findall(r'<svg viewBox="0 0 720 250" role="img" aria-label="([^"]*)"', text)
        assert len(charts) >= 2
        for label in charts:
            for word in (f"unit: {unit}", "relation: add_or_remove_one", "delta: 0.0000005", "t: 1"):
                assert word in label
        assert text.count('class="claim"') >= len(charts) + 3  # the charges have one too
        charges = text[text.index("<h2>Charges</h2>") :]
        assert f"cardiology · query: unit: {unit} · relation: add_or_remove_one · delta: 0.0000005" in charges


def test_the_last_step_of_a_curve_has_a_width():
    """A single charge, made by the very last entry, is seen."""
    curve = Curve()
    curve.add(1000, {"a": 1}, 20)
    drawn = str(spend_chart(curve, first=0, last=1000, exact=[1000], refused=[1000], label="x"))
    (path,) = re.findall(r'<path d="M([^"]*)Z" fill="#', drawn)
    places = {float(point.split(",")[0]) for point in path.replace("L", "").split()}
    assert max(places) - min(places) > 10
    rows = re.findall(r'<path d="M[0-9.]+,([0-9]+) ', drawn)
    assert len(set(rows)) == 2  # exact and refused do not lie on each other


def test_the_axis_shows_no_rounded_values():
    curve = Curve()
    curve.add(1, {"a": 40}, 100)
    drawn = str(spend_chart(curve, first=0, last=10, exact=[], refused=[], label="x"))
    assert re.findall(r">([0-9.]+ %)<", drawn) == [
        "0 %",
        "12.5 %",
        "25 %",
        "37.5 %",
        "50 %",
    ]


def test_it_tells_what_the_ledger_tells(page, world):
    figures = report_figures(world.sites["cairo"].store.inner)
    query = next(part for part in figures.parts if part.remaining.sub_budget == "query")
    book = world.head.replica.privacy_filter
    allowance = book.sub_budget("cardiology", "query").allowance
    assert query.fraction == pytest.approx(book.spent("cardiology", "query") / allowance, abs=1e-6)
    for row in query.analysts:
        assert row.spent == pytest.approx(book.by_analyst("cardiology", "query")[row.name] / allowance)
    last = {name: values[-1] for name, values in query.by_purpose.totals.items()}
    spent_before_raise = sum(last.values())
    assert spent_before_raise > 0
    assert len(figures.exact) == 1
    assert figures.refusals
    assert figures.refusals[-1].analyst == "bob"
    assert "policy: no charge" in page
    assert "epsilon holds given the listed exact disclosures" in page
    assert "given back" in page
    assert world.head.replica.head_hash.hex() in page


def test_an_invalid_ledger_is_reported_up_to_its_first_bad_entry(world):
    from tests.ledger.ledger_world import copy_of

    altered = copy_of(world.sites["cairo"].store)
    data = altered._entries[8]
    altered._entries[8] = (
        data.replace(b"research", b"residual").replace(b"quality", b"tranquil").replace(b"audit", b"adieu")
    )
    page = report_html(altered)
    assert "does not hold from entry 8 on" in page
    assert report_figures(altered).entries == 8


def test_an_empty_ledger_has_no_report(tmp_path):
    SqliteStore(tmp_path / "l.db", owner="ankara").close()
    with pytest.raises(LedgerRefusedError):
        write_report(tmp_path / "l.db", tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


def test_a_file_is_written_whole(tmp_path):
    world = a_world(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name), analysts=("ada",))
    for site in world.sites.values():
        site.store.close()
    (tmp_path / "out.html").write_text("old")
    write_report(tmp_path / "basel.db", tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_long_curves_are_thinned_but_end_exactly():
    curve = Curve()
    for time in range(10_001):
        curve.add(time, {"a": time, "b": 1}, 20_000)
    thin = curve.thinned()
    assert len(thin.times) <= MAX_POINTS + 1
    assert thin.times[-1] == 10_000
    assert thin.totals["a"][-1] == 0.5


def test_many_names_are_summed_and_nothing_is_lost():
    curve = Curve()
    curve.add(1, {f"n{i}": i + 1 for i in range(20)}, 1000)
    shown = fills(curve)
    assert shown[-1][0] == OTHERS
    assert sum(value for _, _, value in shown) == pytest.approx(0.21)


def test_a_second_point_at_one_time_replaces_the_first():
    curve = Curve()
    curve.add(5, {"a": 1}, 10)
    curve.add(5, {"a": 2, "b": 1}, 10)
    curve.add(6, {"b": 1}, 10)
    assert curve.times == [5, 6]
    assert curve.totals == {"a": [0.2, 0.0], "b": [0.1, 0.1]}


# words, narrow screens, paper


def training_world():
    """Two questions, and a training of three attempts between them."""
    budget = a_budget(shares=(("query", Fraction(1, 2)), ("mining", Fraction(1, 2))))
    world = World(budget=budget).found()
    runs = ["", "ab" * 32, "ab" * 32, "ab" * 32, ""]
    for number, run in enumerate(runs):
        world.now += DAY
        asked = {"run": run, "round_": number, "attempt": 0} if run else {}
        world.agree(a_charge(budget, noise=30, analyst="ada", purpose="quality", **asked))
    return world


def test_the_attempts_of_a_training_are_one_row_with_their_sum():
    world = training_world()
    store = world.sites["cairo"].store.inner
    figures = report_figures(store)
    first, training, last = figures.charges
    assert (first.entries, training.entries, last.entries) == ("1", "2 to 4", "5")
    assert training.what == "training abababab, 3 attempts"
    assert training.share == pytest.approx(3 * first.share)
    assert training.share_all_but_one == pytest.approx(3 * first.share_all_but_one)
    assert last.left == pytest.approx(1 - 5 * first.share, abs=1e-5)
    (query,) = [part for part in figures.parts if part.remaining.sub_budget == "query"]
    assert sum(row.share for row in figures.charges) == pytest.approx(query.fraction, abs=1e-5)
    assert "ab" * 32 not in report_html(store)


def test_one_analyst_with_one_purpose_has_one_picture(page):
    alone = report_html(training_world().sites["cairo"].store.inner)
    assert alone.count('class="chart"') == 1
    assert "Spend over time: quality, ada" in alone
    assert "Spend over time by analyst" in page


def test_every_cell_of_a_stacked_row_names_its_column(page):
    tables = re.findall(r'<table class="many">.*?</table>', page, re.DOTALL)
    assert len(tables) >= 3
    for table in tables:
        heads = re.findall(r"<th[^>]*>([^<]*)</th>", table)
        for row in re.findall(r"<tr><td.*?</tr>", table, re.DOTALL):
            labels = re.findall(r'data-label="([^"]*)"', row)
            assert len(labels) == len(re.findall("<td", row))
            assert labels == heads or ('colspan="2"' in row and set(labels) < set(heads))


def test_the_page_speaks_of_shares_and_has_a_place_to_sign(page):
    assert not re.search(r"of B\b|cost at t", page)
    for word in ("share of its part of the budget", "of this part spent", "Signature", "Place and date"):
        assert word in page
