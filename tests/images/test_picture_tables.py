"""Tables whose rows have pictures: the schema's words, rows and pictures together, patients with many pictures."""

import numpy as np
import pandas as pd
import pytest

from analytics.errors import SchemaError, SchemaMismatchError, SourceFailedError
from analytics.schema import Schema
from analytics.schema.widening import widening_mistakes
from analytics.sources import SourceSpec, open_frame, open_table
from analytics.sources.images.index import index_of
from tests.images.picture_files import nuclei_file, write_pixels, write_slice

KEY = b"k" * 32


def schema_of(**more):
    tiles = {
        "privacy_unit": "patient",
        "max_rows_per_unit": 2,
        "rows_max": 100,
        "columns": {"ill": {"type": "boolean"}},
        "pictures": {
            "tile": {"size": [8, 8], "window": [0, 255]},
            "nuclei": {"size": [8, 8], "classes": ["background", "nucleus"]},
        },
    }
    return Schema.from_dict({"tables": {"tiles": tiles | more}})


def index(folder, patients=("a", "b", "b", "c")):
    rows = range(len(patients))
    frame = pd.DataFrame(
        {
            "patient": patients,
            "ill": [place % 2 == 0 for place in rows],
            "tile": [f"site_1.npz#tile/{place}" for place in rows],
            "nuclei": [f"site_1.npz#mask/{place}" for place in rows],
        }
    )
    frame.attrs["pictures"] = str(folder)
    return frame


def test_rows_and_pictures_come_together(tmp_path):
    tiles = nuclei_file(tmp_path)
    with open_frame(index(tmp_path), schema_of().tables["tiles"], site_key=KEY) as source:
        rows, (pictures, masks) = source.complete_pictures(["ill"], ["tile", "nuclei"])
    assert pictures.dtype == np.float32
    assert masks.dtype == np.uint8
    order = {tuple(tile.ravel()): place for place, tile in enumerate(tiles)}
    for (unit, ill), picture, mask in zip(rows.tolist(), pictures, masks, strict=True):
        place = order[tuple(np.rint(picture[0] * 255).astype(np.uint8).ravel())]
        assert (mask == (tiles[place] > 128)).all()
        assert ill == (place % 2 == 0)
        assert unit == [1, 2, 2, 3][place]
    assert (np.diff(rows[:, 0]) >= 0).all()


def test_an_index_file_gives_what_a_frame_gives(tmp_path):
    nuclei_file(tmp_path)
    frame = index(tmp_path)
    frame.to_csv(tmp_path / "index.csv", index=False)
    table = schema_of().tables["tiles"]
    spec = SourceSpec(kind="csv", path=tmp_path / "index.csv")
    with open_table(spec, table, site_key=KEY) as file, open_frame(frame, table, site_key=KEY) as rows:
        assert file.report.lines
        one, two = file.complete_pictures([], ["tile"]), rows.complete_pictures([], ["tile"])
    assert (one[0] == two[0]).all()
    assert (one[1][0] == two[1][0]).all()


def test_a_row_without_a_picture_has_no_part_in_what_needs_it(tmp_path):
    nuclei_file(tmp_path)
    frame = index(tmp_path)
    frame.loc[1, "nuclei"] = None
    frame.loc[2, ["tile", "nuclei"]] = ""
    with open_frame(frame, schema_of().tables["tiles"], site_key=KEY) as source:
        assert len(source.complete_pictures(["ill"], ["tile"])[0]) == 3
        assert len(source.complete_pictures(["ill"], ["tile", "nuclei"])[0]) == 2
        assert len(source.complete_cases(["ill"])) == 4


def test_a_patient_with_many_pictures_counts_with_two_whatever_the_order_and_the_others(tmp_path):
    nuclei_file(tmp_path, n=8)
    table = schema_of().tables["tiles"]
    frame = index(tmp_path, ["a"] * 5 + ["b"] * 3)

    def kept(rows):
        rows.attrs["pictures"] = str(tmp_path)
        with open_frame(rows, table, site_key=KEY) as source:
            found = source.complete_pictures([], ["tile"])
        return {picture.tobytes() for picture in found[1][0]}

    assert len(kept(frame)) == 4
    assert kept(frame) == kept(frame[::-1].reset_index(drop=True))
    assert kept(frame[:5].copy()) < kept(frame)  # other patients' rows decide nothing about this one's


def test_all_pictures_that_cannot_be_used_are_named_at_once(tmp_path):
    nuclei_file(tmp_path)
    write_pixels(tmp_path / "wide.png", np.zeros((8, 9), np.uint8))
    frame = index(tmp_path)
    frame.loc[0, "tile"] = "wide.png"
    frame.loc[3, "tile"] = "../secret.png"
    with pytest.raises(SchemaMismatchError) as caught:
        open_frame(frame, schema_of().tables["tiles"], site_key=KEY)
    text = str(caught.value)
    assert text.startswith("frame: 3 pictures cannot be used: row 1, tile (wide.png) has 8 x 9 pixels")
    assert "row 4, tile (../secret.png) lies outside" in text


def test_a_mask_of_another_size_than_its_picture_is_named(tmp_path):
    nuclei_file(tmp_path)
    write_pixels(tmp_path / "mask.png", np.zeros((8, 9), np.uint8))
    frame = index(tmp_path)
    frame.loc[0, "nuclei"] = "mask.png"
    with pytest.raises(SchemaMismatchError, match="mask of another size"):
        open_frame(frame, schema_of().tables["tiles"], site_key=KEY)


def test_channels_may_stand_in_files_of_their_own(tmp_path):
    pictures = {"scan": {"size": [3, 4], "channels": ["pet", "ct"], "window": [[0, 10], [-100, 100]]}}
    table = schema_of(pictures=pictures).tables["tiles"]
    write_slice(tmp_path / "pet.dcm", np.full((3, 4), 5, np.int16))
    write_slice(tmp_path / "ct.dcm", np.full((3, 4), 50, np.int16))
    frame = pd.DataFrame({"patient": ["a"], "ill": [True], "scan_pet": ["pet.dcm"], "scan_ct": ["ct.dcm"]})
    frame.attrs["pictures"] = str(tmp_path)
    with open_frame(frame, table, site_key=KEY) as source:
        found = source.complete_pictures([], ["scan"])[1][0]
    assert found.shape == (1, 2, 3, 4)
    assert found[0, :, 0, 0].tolist() == [0.5, 0.75]
    frame.loc[0, "scan_ct"] = None
    with pytest.raises(SchemaMismatchError, match="lacks a channel"):
        open_frame(frame, table, site_key=KEY)


def test_headers_that_name_a_person_are_reported_to_the_administrator(tmp_path):
    write_slice(tmp_path / "a.dcm", np.zeros((8, 8), np.int16), PatientName="Muster^Erika")
    frame = pd.DataFrame({"patient": ["a"], "ill": [True], "tile": ["a.dcm"], "nuclei": [None]})
    frame.attrs["pictures"] = str(tmp_path)
    with open_frame(frame, schema_of().tables["tiles"], site_key=KEY) as source:
        assert "1 of 1 rows: the header has PatientName" in list(source.report.lines())
        assert "Muster" not in "\n".join(source.report.lines())


def test_a_missing_column_and_a_table_without_pictures_are_named(tmp_path):
    nuclei_file(tmp_path)
    with pytest.raises(SchemaMismatchError, match="no column nuclei"):
        open_frame(index(tmp_path).drop(columns="nuclei"), schema_of().tables["tiles"], site_key=KEY)
    plain = open_frame(index(tmp_path), schema_of(pictures={}).tables["tiles"], site_key=KEY)
    with plain, pytest.raises(SourceFailedError):
        plain.complete_pictures([], ["tile"])


@pytest.mark.parametrize(
    ("picture", "path"),
    [
        ({"size": [8], "window": [0, 1]}, "size"),
        ({"size": [8, 0], "window": [0, 1]}, "size"),
        ({"size": [8, 8]}, "window"),
        ({"size": [8, 8], "window": [1, 1]}, "window"),
        ({"size": [8, 8], "window": [[0, 1], [0, 1]]}, "window"),
        ({"size": [8, 8], "window": [0, 1], "fit": "any"}, "fit"),
        ({"size": [8, 8], "window": [0, 1], "spacing": [1]}, "spacing"),
        ({"size": [8, 8], "window": [-1, 1], "flatten": True}, "flatten"),
        ({"size": [8, 8], "classes": ["one"]}, "classes"),
        ({"size": [8, 8], "classes": ["a", "b"], "window": [0, 1]}, "classes"),
        ({"size": [8, 8], "window": [0, 1], "colour": 1}, "colour"),
    ],
)
def test_a_mistake_in_a_picture_is_named_with_its_path(picture, path):
    with pytest.raises(SchemaError) as caught:
        schema_of(pictures={"tile": picture})
    assert f"tables.tiles.pictures.tile.{path}" in str(caught.value)


def test_a_schema_with_pictures_is_written_and_read_back_and_keeps_them():
    schema = schema_of()
    assert Schema.from_dict(schema.to_dict()) == schema
    other = schema_of(pictures={"tile": {"size": [8, 8], "window": [0, 100]}})
    assert len(widening_mistakes(schema, other)) == 2
    assert not widening_mistakes(schema_of(pictures={}), schema)


def test_a_folder_becomes_an_index_by_patient(tmp_path):
    (tmp_path / "p7").mkdir()
    write_pixels(tmp_path / "p7" / "x.png", np.zeros((2, 2), np.uint8))
    (tmp_path / "scan").mkdir()
    for place in range(2):
        write_slice(tmp_path / "scan" / f"{place}.dcm", np.zeros((2, 2), np.int16), place=place, patient="p9")
    write_slice(tmp_path / "one.dcm", np.zeros((2, 2), np.int16), patient="p8")
    assert index_of(tmp_path).to_dict("list") == {
        "patient": ["p8", "p7", "p9"],
        "picture": ["one.dcm", "p7/x.png", "scan"],
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaMismatchError, match="no pictures"):
        index_of(tmp_path / "empty")
