"""The examples: each is short, is listed, runs by itself and says what its data are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
HELPERS = {"hospitals", "picture_sites"}
REAL = {"enhancement", "picture_classification"}  # they draw noise over real pictures, and rows anew
QUICK = ["association_rules", "fraud_detection", "table_one"]
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)
LONG = {
    "heart_disease",
    "gradient_inversion",
    "thyroid",
    "picture_classification",
}  # several questions in one
MOST_LINES = 90  # of these; 60 of the others


def ran(name):
    done = subprocess.run([sys.executable, FOLDER / f"{name}.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_listed_and_short():
    listed = re.findall(r"examples/(\w+)\.py", (FOLDER / "README.md").read_text("utf-8"))
    assert sorted({*listed} - HELPERS) == NAMES
    for name in NAMES:
        text = (FOLDER / f"{name}.py").read_text("utf-8")
        assert len(text.splitlines()) <= (MOST_LINES if name in LONG else 60), name
        made = "default_rng" in text and name not in REAL
        assert not made or "generated here" in text, f"{name} says that its data are made"


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_example_runs(name):
    printed = ran(name)
    assert printed
    if name == "fraud_detection":  # the device that the data were made with comes first
        assert "new_device" in printed.splitlines()[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in QUICK])
def test_an_example_runs(name):
    assert ran(name)


@pytest.mark.slow
def test_heart_failure_gives_the_pooled_log_rank():
    chi_square = float(re.search(r"chi-square ([\d.]+)", ran("heart_failure"))[1])
    assert chi_square == pytest.approx(2.726, abs=0.01)  # lifelines, over the pooled rows; ours is rounded
