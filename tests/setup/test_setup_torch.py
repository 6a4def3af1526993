"""The installed torch has no graphics card build where a processor wheel exists."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest


def offered_wheels():
    places = os.environ.get("PIP_FIND_LINKS", "")
    if not places:
        asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
        places = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    folders = [Path(place) for place in places.split() if Path(place).is_dir()]
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return [wheel for folder in folders for wheel in folder.glob(f"torch-2.13.0*{tag}-*.whl")]


def test_no_cuda_build_where_a_cpu_wheel_was_offered():
    wheels = offered_wheels()
    if not wheels:
        pytest.skip("no torch wheel is offered beside the package index")
    assert version("torch").split("+")[0] == "2.13.0"
    assert "+cpu" in version("torch"), version("torch")
    assert not list(Path(sys.prefix).glob("lib/python*/site-packages/nvidia"))


def test_asking_and_dealing_need_no_torch():
    code = (
        "import sys, federation, federation.client.session, federation.client.connect, federation.node.helpers.dealer, federation.node.helpers.aggregation;"
        "import federation.training.running.coordinator, federation.cli.app;"
        "sys.exit(bool({'torch', 'crypten'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_package_loads_next_to_nothing():
    code = (
        "import sys, federation;"
        "heavy = {'torch', 'crypten', 'pandas', 'duckdb', 'numpy', 'sqlglot'} & set(sys.modules);"
        "sys.exit(len(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
