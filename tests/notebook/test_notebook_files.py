"""The notebooks of docs/notebooks: executed, without an error, and true of the product's names."""

import ast
import json

import pytest

import crossward
from tools import notebooks

NAMES = ("mining", "statistics", "training")


def read(name):
    return json.loads((notebooks.FOLDER / f"{name}.ipynb").read_text("utf-8"))


def code_of(book):
    return [
        ("".join(cell["source"]), cell["outputs"]) for cell in book["cells"] if cell["cell_type"] == "code"
    ]


def test_there_are_three_notebooks():
    assert sorted(path.stem for path in notebooks.FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_was_executed_without_an_error_and_names_no_place_of_a_machine(name):
    book = read(name)
    outputs = [output for _, each in code_of(book) for output in each]
    assert len(outputs) >= 6
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert [cell["execution_count"] for cell in book["cells"] if cell["cell_type"] == "code"] == list(
        range(1, len(code_of(book)) + 1)
    )
    text = json.dumps(book)
    assert not [place for place in ("/tmp/", "/home/", "/root/", "/work/") if place in text]
    charged = [output for output in outputs if output["output_type"] == "display_data"]
    assert any("charged" in json.dumps(each) or "round" in json.dumps(each) for each in charged)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_notebook_uses_names_that_exist(name):
    for source, _ in code_of(read(name)):
        if source.startswith("%%"):
            continue
        tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith("%")))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "crossward":
                assert hasattr(crossward, node.attr)
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "session":
                assert hasattr(crossward.Session, node.attr)
            if isinstance(node, ast.ImportFrom) and node.module == "crossward.models":
                assert all(hasattr(crossward.models, each.name) for each in node.names)


def test_another_shape_is_noticed_and_other_noise_is_not():
    before, after = read("statistics"), read("statistics")
    (cell,) = [each for each in after["cells"] if "".join(each["source"]) == "answer"]
    for output in cell["outputs"]:
        output["data"]["text/html"] = [text.replace("1", "2") for text in output["data"]["text/html"]]
    assert notebooks.differences(before, after) == []
    cell["outputs"][0]["data"]["text/html"] = ["<table></table>"]
    assert len(notebooks.differences(before, after)) == 1
