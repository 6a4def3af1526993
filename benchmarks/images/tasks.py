"""The tasks of the examples over four dealings of pictures to training and test, beside pooled training of the same network.

Pooled training is a plain loop of torch's own Adam over all sites' pictures in one place, with as many steps and the same
falling rate. Writes each model to build/bench/images and the figures to build/bench/images_tasks.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import enhancement
import mri_segmentation
import nuclei_segmentation
import picture_sites

FOLDER, TARGET = Path("build/bench/images"), Path("build/bench/images_tasks.json")


def _enhanced(task):
    def train(deal, **settings):
        model, clean = enhancement.trained(task, deal, **settings)
        return model, enhancement.noisy(clean), clean

    return train


TASKS = {
    "nuclei segmentation": (
        nuclei_segmentation.trained,
        nuclei_segmentation.UNET,
        "site_*.npz",
        "tile",
        "mask",
    ),
    "mri segmentation": (mri_segmentation.trained, mri_segmentation.UNET, "*al.npz", "image", "label"),
    "nuclei enhancement": (_enhanced("nuclei"), enhancement.DENOISER, "site_*.npz", "tile", "tile"),
    "mri enhancement": (_enhanced("mri"), enhancement.DENOISER, "*al.npz", "image", "image"),
}


def federated(name, deal):
    """Train over the sites.

    Returns:
        The fitted model, and its figure on held-out pictures: mean Dice, or dB.
    """
    train, settings, *_ = TASKS[name]
    model, pictures, truth = train(deal, **settings)
    FOLDER.mkdir(parents=True, exist_ok=True)
    model.save(FOLDER / f"{name.replace(' ', '-')}-{deal}.json")
    return model, model.score(pictures, truth)


def pooled(name, deal, like):
    """Return the figure of the same network, trained where all pictures are in one place.

    Args:
        name: of the task.
        deal: 0 to 3.
        like: a fitted model of the same task, for its network and its first parameters.
    """
    import torch

    from federation.training.models.torch.module import filled

    _, settings, pattern, source, target = TASKS[name]
    folder = "nuclei" if name.startswith("nuclei") else "mri_slices"
    files = [np.load(path) for path in sorted((picture_sites.DATA / folder).glob(pattern))]
    kept, held = ([each for each in range(4) if (each == 3 - deal) == is_held] for is_held in (False, True))
    inputs, truth, tests, answers = (
        np.concatenate([file[array][start::4] for file in files for start in starts])
        for starts in (kept, held)
        for array in (source, target)
    )
    shown = torch.from_numpy(like.prepared(inputs))
    wanted = shown if source == target else torch.from_numpy(truth.astype(np.int64))
    network, encoding = like._model(), like._fitted()  # noqa: SLF001
    module = network._built(1, encoding.n_outputs, 2)  # noqa: SLF001
    own = filled(module, np.array(network.initial(encoding)) / 2**32, torch.float32)
    parts = [part.requires_grad_() for part in own.values()]
    n_steps = settings["rounds"] * settings.get("local_epochs", 4)
    descent = torch.optim.Adam(parts, lr=float(network.adaptive_rate), betas=(0.9, 0.99))
    falling = torch.optim.lr_scheduler.LinearLR(descent, 1.0, 1 / n_steps, n_steps)
    generator = torch.Generator().manual_seed(deal)
    for _ in range(n_steps):
        pairs = [network.shown(one, two, generator) for one, two in zip(shown, wanted, strict=True)]
        scores = torch.func.functional_call(module, own, (torch.stack([one for one, _ in pairs]),))
        losses = [network.loss(one[None], two) for one, (_, two) in zip(scores, pairs, strict=True)]
        descent.zero_grad()
        torch.stack(losses).mean().backward()
        descent.step()
        falling.step()
    flat = torch.cat([part.detach().flatten() for part in parts]).numpy().astype(np.float64)
    like._parameters = tuple(np.rint(flat * 2**32).astype(np.int64).tolist())  # noqa: SLF001
    if source == target:
        return like.score(enhancement.noisy(answers), answers)
    return like.score(tests, answers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--deals", nargs="*", type=int, default=[0, 1, 2])
    asked = parser.parse_args()
    found = {}
    for name in asked.tasks:
        rows = []
        for deal in asked.deals:
            model, figure = federated(name, deal)
            rows.append({"deal": deal, "federated": figure, "pooled": pooled(name, deal, model)})
            print(name, rows[-1], flush=True)
        found[name] = rows
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
