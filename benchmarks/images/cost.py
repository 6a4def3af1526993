"""What a round over pictures costs: bytes of an update, plain and compressed; memory of a site; gradients by picture.

Processor seconds of one thread, so that other work on the machine changes them little. Writes build/bench/images_cost.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import psutil

from federation.training.encodings.features import Cases
from federation.training.models.registry import MODELS

TARGET = Path("build/bench/images_cost.json")
SIDE, TILES, REPEATS = 64, 12, 5
MODELS_SHOWN = {"unet": 2, "denoiser": 1, "pixel_segmenter": 2, "picture_classifier": 2}


def work_of(name):
    """A model, twelve tiles of noise and a point."""
    made, model = np.random.default_rng(1), MODELS[name]
    tiles = made.random((TILES, 1, SIDE, SIDE), dtype=np.float32)
    targets = {"denoiser": tiles, "picture_classifier": np.arange(TILES) % 2}
    target = targets.get(name, (tiles[:, 0] > 0.5).astype(np.uint8))
    shapes = model.shapes(1, MODELS_SHOWN[name], 2)
    point = made.normal(0, 0.1, sum(int(np.prod(shape)) for shape in shapes))
    return model, Cases(matrix=tiles, target=target, starts=np.arange(TILES)), point


def median_seconds(function):
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        function()
        found.append(time.process_time() - began)
    return float(np.median(found))


def gradients(name):
    """Seconds of twelve gradients by picture, and of one of the whole batch."""
    import torch

    from federation.training.models.torch.module import filled

    torch.set_num_threads(1)
    model, cases, point = work_of(name)
    module = model.build(1, MODELS_SHOWN[name], 2).float().eval()
    own = {key: part.requires_grad_() for key, part in filled(module, point, torch.float32).items()}

    def batch():
        scores = torch.func.functional_call(module, own, (torch.from_numpy(cases.matrix),))
        parts = zip(scores.split(1), map(torch.as_tensor, cases.target), strict=True)
        torch.autograd.grad(sum(model.loss(one, two) for one, two in parts), list(own.values()))

    model.unit_vectors(cases, point)
    batch()
    return len(point), median_seconds(lambda: model.unit_vectors(cases, point)), median_seconds(batch)


def sent_bytes(name):
    """Bytes of one site's shares in a round: plain, packed by zlib, and of the moves themselves so packed."""
    model, cases, point = work_of(name)
    moves = np.trunc(model.unit_vectors(cases, point).gradients.sum(axis=0) * (1 << 20)).astype("<i8")
    share = np.frombuffer(np.random.default_rng(2).bytes(moves.nbytes), "<i8") + moves
    return moves.nbytes, len(zlib.compress(share.tobytes(), 9)), len(zlib.compress(moves.tobytes(), 9))


def memory():
    """Most resident bytes of a process that computes a U-Net's sums over twelve tiles, four rounds of four steps."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, "--memory"], capture_output=True, check=True)
    return int(done.stdout)


def measure_memory():
    model, cases, point = work_of("unet")
    for _ in range(16):
        model.unit_vectors(cases, point)
    info = psutil.Process().memory_info()
    print(getattr(info, "peak_wset", None) or peak_kib() * 1024)


def peak_kib():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    if "--memory" in sys.argv:
        measure_memory()
        return
    rows = []
    for name in MODELS_SHOWN:
        size, alone, batch = gradients(name)
        plain, packed, moves = sent_bytes(name)
        rows.append({
            "model": name, "parameters": size, "seconds": alone, "batch_seconds": batch, "ratio": alone / batch,
            "bytes": plain, "share_packed": packed, "moves_packed": moves,
        })  # fmt: skip
        print(f"{name:20} {size:7} parameters, {alone / batch:.2f} x a plain batch, {plain:,} bytes a share")
    found = {"rows": rows, "unet_memory_bytes": memory()}
    print(f"memory of a site: {found['unet_memory_bytes'] / 2**20:.0f} MiB")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
