"""The commands of a cube: released once, then asked and listed without a charge."""

import json

from tests.cli.conftest import crossward
from tests.cli.questions.test_cli_questions import entries

BY_SEX = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM visits GROUP BY sex"


def cube(hospital, command, *arguments):
    return crossward("cube", command, "-c", hospital.consortium, *arguments)


def test_cli_cube_is_released_once_asked_and_listed_for_free(hospital):
    before = entries(hospital)
    asked = ("sex", "age", "--measure", "AVG(age)", "--epsilon", "0.25")
    assert "UNION ALL" in cube(hospital, "release", *asked, "--explain").out
    assert entries(hospital) == before
    paid = cube(hospital, "release", *asked)
    assert (paid.code, paid.err) == (0, "")
    assert "dimensions age, sex; measures COUNT(*), SUM(age)" in paid.out
    assert "epsilon 0.25" in paid.out
    after = entries(hospital)
    assert after > before
    again = json.loads(cube(hospital, "release", *asked, "--json").out)
    assert again["cost"]["epsilon"] == "0"
    answer = cube(hospital, "ask", BY_SEX)
    assert (answer.code, answer.err) == (0, "")
    assert "± sd" in answer.out
    assert "made from your own releases" in " ".join(answer.out.split())
    counts = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
    moved = json.loads(cube(hospital, "ask", counts, "--nonnegative", "--json").out)
    assert all(row[1] is None for row in moved["standard_errors"])
    assert all(
        low <= row[1] <= high
        for row, (_, (low, high)) in zip(moved["rows"], moved["intervals"]["rows"], strict=True)
    )
    assert "95 % interval" in cube(hospital, "ask", counts, "--nonnegative").out
    assert "nonnegative figures are counts" in cube(hospital, "ask", BY_SEX, "--nonnegative").err
    assert "with sampling" in cube(hospital, "ask", counts, "--sampling").out
    exported = cube(hospital, "ask", BY_SEX, "--csv").out
    assert exported.splitlines()[0].startswith("sex,")
    (line,) = json.loads(cube(hospital, "list", "--json").out)
    assert (line["dimensions"], line["usable"]) == (["age", "sex"], True)
    listed = cube(hospital, "list").out.splitlines()
    assert listed[0].split() == ["number", "table", "dimensions", "measures", "epsilon", "usable"]
    assert cube(hospital, "list", "--csv").out.startswith("number,table")
    number = str(line["number"])
    assert json.loads(cube(hospital, "ask", BY_SEX, "--number", number, "--json").out)["columns"] == [
        "sex",
        "n",
        "a",
    ]
    assert entries(hospital) == after


def test_cli_cube_refuses_what_it_cannot_do_and_says_why(hospital):
    before = entries(hospital)
    for arguments, word in (
        (("release", "sex", "--epsilon", "zero"), "epsilon"),
        (("release", "nonesuch", "--epsilon", "1"), "unknown column"),
        (("release", "sex", "--epsilon", "1", "--measure", "MEDIAN(age)"), "MEDIAN"),
        (("ask", BY_SEX, "--number", "99999"), "is not in your store"),
        (("ask", BY_SEX, "--json", "--csv"), "--csv"),
    ):
        ran = cube(hospital, *arguments)
        assert ran.code == 2, (arguments, ran)
        assert word in ran.err
    assert entries(hospital) == before
