import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from training_world import MADE_TABLES, SITES, World, a_consortium, made_frame

DATA = Path(__file__).parents[2] / "federation" / "demo" / "data"


@pytest.fixture(scope="session")
def heart_frames():
    """The 740 complete cases count a cholesterol of 0, not measured, as a value: it is clipped to the bound."""
    frames = {}
    for site in SITES:
        raw = pd.read_csv(DATA / "heart_disease" / f"{site}.csv")
        kinds = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}
        frames[site] = raw.assign(
            sex=raw.sex.map({0: "F", 1: "M"}),
            cp=raw.cp.map(kinds),
            ecg_abnormal=(raw.restecg > 0).astype("boolean").mask(raw.restecg.isna()),
            disease=raw.num > 0,
        )
    return frames


@pytest.fixture(scope="session")
def heart_tables():
    return tomllib.loads((DATA / "schema.toml").read_text())["tables"]


@pytest.fixture
def heart(small_key, heart_frames, heart_tables, tmp_path):
    world = World(a_consortium(heart_tables, SITES), heart_frames, small_key, tmp_path)
    yield world
    world.close()


@pytest.fixture
def made(small_key, tmp_path):
    """Four small sites of made rows."""
    names = ("east", "north", "south", "west")
    frames = {name: made_frame(40 + 7 * place, place) for place, name in enumerate(names)}
    world = World(a_consortium(MADE_TABLES, names), frames, small_key, tmp_path)
    yield world
    world.close()


@pytest.fixture
def world_of(small_key, tmp_path):
    opened = []

    def build(frames, *, tables=None, key=None, **terms):
        folder = tmp_path / f"w{len(opened)}"
        folder.mkdir()
        world = World(
            a_consortium(tables or MADE_TABLES, tuple(sorted(frames)), **terms),
            frames,
            key or small_key,
            folder,
        )
        opened.append(world)
        return world

    yield build
    for world in opened:
        world.close()
