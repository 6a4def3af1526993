"""The page on new models and strategies: its code runs, and its task file is a task."""

import re
import tomllib
from pathlib import Path

from federation.training.models.registry import MODELS
from federation.training.strategies.registry import STRATEGIES
from federation.training.task import TrainingTask

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-model.md"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_trains_a_new_model(monkeypatch, capsys):
    for registry in (MODELS, STRATEGIES):
        for name in ("median_regression", "sign_descent", "swish_network"):
            monkeypatch.setitem(registry, name, None)  # so that the page's own entries are gone afterwards
            del registry[name]
    text, space = PAGE.read_text("utf-8"), {}
    for block in CODE.findall(text):
        exec(compile(block, str(PAGE), "exec"), space)  # noqa: S102
    model = space["model"]
    assert model.n_iter_ == 4
    assert 0.9 < model.epsilon_ <= 1
    (task,) = TOML.findall(text)
    assert TrainingTask(**tomllib.loads(task)).question() == model.outcome_.plan.task.question()
