#!/usr/bin/env bash
# torchmetrics 1.9.0: Accuracy for several classes and MulticlassAccuracy give 0.80 and 0.33 for the same predictions.
#
# A good engineer expects Accuracy(task="multiclass", num_classes=3) and MulticlassAccuracy(num_classes=3) to be one metric: the
# documentation calls the first a wrapper that returns the second.
# What happens: the wrapper's default is average="micro" (share of right answers), the class's is "macro" (mean over the
# classes of the share found). The same holds for the functions accuracy and multiclass_accuracy.
# Why it matters: a model that always says "healthy" on 8 healthy and 2 sick patients scores 0.80 at a site that uses one spelling
# and 0.33 at another. Joint figures mix them.
# The right value: both have a use; one name has to mean one of them.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from torchmetrics import Accuracy
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.functional import accuracy
from torchmetrics.functional.classification import multiclass_accuracy

print("torchmetrics", version("torchmetrics"), "torch", version("torch"))
truth = torch.tensor([0] * 8 + [1, 2])
said = torch.zeros(10, dtype=torch.long)
found = {
    "Accuracy": Accuracy(task="multiclass", num_classes=3)(said, truth).item(),
    "accuracy": accuracy(said, truth, task="multiclass", num_classes=3).item(),
    "MulticlassAccuracy": MulticlassAccuracy(num_classes=3)(said, truth).item(),
    "multiclass_accuracy": multiclass_accuracy(said, truth, num_classes=3).item(),
}
print({name: round(value, 4) for name, value in found.items()}, "; right answers:", (said == truth).float().mean().item())
assert abs(found["Accuracy"] - 0.8) < 1e-6 and abs(found["accuracy"] - 0.8) < 1e-6, found
assert abs(found["MulticlassAccuracy"] - 1 / 3) < 1e-6 and abs(found["multiclass_accuracy"] - 1 / 3) < 1e-6, found
print("as stated: one metric, two values")
PY
