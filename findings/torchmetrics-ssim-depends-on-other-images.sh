#!/usr/bin/env bash
# torchmetrics 1.9.0: the similarity (SSIM) of one image with its original depends on the other images of the batch.
#
# A good engineer expects the similarity of a pair of images to be a figure of this pair, the more since reduction="none" gives
# one value for each pair.
# What happens: without data_range the range is taken from the whole batch, so that one bright image beside it moves the
# constants of the formula, here from 0.9446 to 0.9513.
# Why it matters: the joint mean over sites changes with the batch size and with the order of the files, and no site can repeat
# another's figure. The signal-to-noise ratio of the same library insists on data_range for this reason.
# The right value: the one of the pair alone, with the declared range of the images.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

print("torchmetrics", version("torchmetrics"), "torch", version("torch"))
torch.manual_seed(0)
truth = torch.rand(1, 1, 64, 64)
image = (truth + 0.1 * torch.randn_like(truth)).clamp(0, 1)
bright = 5 * torch.rand(1, 1, 64, 64)
both = torch.cat([image, bright]), torch.cat([truth, bright])
alone = ssim(image, truth, reduction="none")[0].item()
beside = ssim(*both, reduction="none")[0].item()
declared = ssim(image, truth, data_range=1.0, reduction="none")[0].item(), ssim(*both, data_range=1.0, reduction="none")[0].item()
print(f"the pair alone {alone:.4f}, beside a bright image {beside:.4f}; with a declared range {declared[0]:.4f} and {declared[1]:.4f}")
assert beside - alone > 0.004, (alone, beside)
assert abs(declared[0] - declared[1]) < 1e-6, declared
print("as stated: the figure of one patient's image depends on the others in the batch")
PY
