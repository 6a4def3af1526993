"""``import crossward``: one name, loaded lazily, complete; one base of all errors; typed packages."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import crossward
from crossward import errors
from crossward.base_error import CrosswardError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]


def test_dir_lists_every_public_name_and_each_loads():
    import federation

    assert set(dir(crossward)) >= {*crossward.__all__, *federation.__all__, "models", "audit", "errors"}
    for name in dir(crossward):
        assert getattr(crossward, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = crossward.nothing
    for module in (crossward.models, crossward.audit, crossward.errors):
        for name in (each for each in dir(module) if each in module.__all__):
            assert inspect.getdoc(getattr(module, name)), name


def test_every_model_of_the_registry_has_a_class():
    from federation.training.models.registry import MODELS

    names = set(dir(crossward.models)) - {"FederatedModel", "estimator_of"}
    assert {getattr(crossward.models, name).model_name for name in names} == set(MODELS)
    with pytest.raises(AttributeError):
        _ = crossward.models.FederatedNothing


def test_the_name_alone_loads_nothing():
    text = (
        "import sys, crossward; dir(crossward); before = set(sys.modules); assert not before & "
        "{'numpy', 'pandas', 'torch', 'pydantic', 'sqlglot', 'analytics'}, before\n"
        "from crossward.base_error import CrosswardError; import smpc.errors\n"
        "assert not set(sys.modules) & {'analytics', 'pydantic'}"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


def own_errors():
    """Every error class of the product, found by importing all its modules of errors and codes."""
    for package in ("federation", "analytics", "smpc", "privacy_accounting"):
        importlib.import_module(f"{package}.errors")
    importlib.import_module("federation.protocol.error_codes")
    waiting, found = [CrosswardError], set()
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind not in found:
                found.add(kind)
                waiting.append(kind)
    return found


def test_every_error_has_the_one_base_and_is_exported():
    listed = {kind for name in errors.__all__ for kind in [getattr(errors, name)]}
    assert listed >= {kind for kind in own_errors() if kind.__module__.endswith((".errors", ".error_codes"))}
    assert all(issubclass(kind, CrosswardError) for kind in listed)
    for package in ("federation", "analytics", "smpc", "privacy_accounting"):
        module = importlib.import_module(f"{package}.errors")
        kinds = [
            kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)
        ]
        assert all(issubclass(kind, CrosswardError) for kind in kinds)
        assert set(kinds) <= listed


def test_one_clause_takes_the_errors_of_all_packages():
    raised = [
        errors.ConfigError(mistakes=["m"]),
        errors.PlanRejectedError(position="1:1", reason="r"),
        errors.PartyLostError(name="n"),
        errors.LedgerRefusedError(reason="r"),
    ]
    for error in raised:
        with pytest.raises(crossward.CrosswardError):
            raise error


def test_a_budget_error_speaks_in_decimals():
    error = errors.BudgetExceededError(
        requested=3 << 39,
        spent=1 << 40,
        remaining=1 << 39,
        population="p",
        sub_budget="query",
        largest_epsilon=None,
    )
    text = str(error)
    assert "requested 1.5000, spent 1.0000, remaining 0.5000" in text
    assert str(1 << 40) not in text
    assert "2^-40" not in text


# typed packages


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_of_the_wheel_says_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()
    assert (ROOT / package / "__init__.py").is_file()


def test_the_wheel_holds_every_package():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert found == set(PACKAGES)


@pytest.mark.slow
def test_mypy_sees_the_hints_of_an_installed_wheel(tmp_path):
    """The packages as a wheel holds them, in a folder of their own, and a script that uses them."""
    import zipfile

    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, ROOT]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("crossward-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = tmp_path / "script.py"
    script.write_text(
        "import crossward\n"
        "session = crossward.connect('trial')\n"
        "reveal_type(session.sql('SELECT 1', epsilon=1).rows)\n"
        "session.quote(1)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "--config-file",
            "/dev/null",
            script,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": "", "PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
    )
    assert "py.typed" not in done.stdout
    assert "tuple[tuple[" in done.stdout
    assert "arg-type" in done.stdout


def test_every_public_module_has_a_header():
    for module in pkgutil.iter_modules(crossward.__path__):
        assert "Layer:" in (importlib.import_module(f"crossward.{module.name}").__doc__ or "")
