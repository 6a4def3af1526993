"""Every kind of picture file against the numbers that were written into it."""

import os
import struct
import zlib

import numpy as np
import pytest

from analytics.sources.images.raster import PictureError
from analytics.sources.images.reading import read_picture
from tests.images.picture_files import write_nifti, write_pixels, write_slice

pytest.importorskip("pydicom")
pytest.importorskip("nibabel")
RAMP = np.arange(12, dtype=np.int16).reshape(3, 4)


def test_rescale_of_a_slice_gives_hounsfield_units(tmp_path):
    write_slice(tmp_path / "a.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-1024)
    raster = read_picture("a.dcm", tmp_path)
    assert raster.pixels[..., 0].tolist() == (RAMP * 2.0 - 1024).tolist()
    assert raster.spacing == (2.0, 0.5)


@pytest.mark.parametrize(("slope", "intercept"), [(3, None), (None, -5)])
def test_slope_or_intercept_alone_counts(tmp_path, slope, intercept):
    facts = {"RescaleSlope": slope} if slope else {"RescaleIntercept": intercept}
    write_slice(tmp_path / "a.dcm", RAMP, **facts)
    assert (
        read_picture("a.dcm", tmp_path).pixels[..., 0].tolist()
        == (RAMP * (slope or 1.0) + (intercept or 0)).tolist()
    )


def test_an_inverted_grey_scale_is_turned(tmp_path):
    write_slice(
        tmp_path / "u.dcm",
        RAMP.astype(np.uint16),
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
    )
    assert read_picture("u.dcm", tmp_path).pixels[..., 0].tolist() == (4095 - RAMP).tolist()
    write_slice(tmp_path / "s.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    assert read_picture("s.dcm", tmp_path).pixels[..., 0].tolist() == (-1 - RAMP).tolist()


def test_signed_pixels_stay_signed(tmp_path):
    write_slice(tmp_path / "a.dcm", RAMP - 6)
    assert read_picture("a.dcm", tmp_path).pixels.min() == -6


def test_a_stack_is_ordered_by_place_and_not_by_name(tmp_path):
    folder = tmp_path / "scan"
    folder.mkdir()
    for name, place in (("a", 7.5), ("b", 2.5), ("c", 5.0)):
        write_slice(
            folder / f"{name}.dcm", np.full((3, 4), int(place * 10), np.int16), place=place, SliceThickness=9
        )
    raster = read_picture("scan", tmp_path)
    assert raster.pixels[:, 0, 0, 0].tolist() == [25, 50, 75]
    assert raster.spacing == (2.5, 2.0, 0.5)  # between places, not the header's thickness
    assert read_picture("scan#1", tmp_path).pixels[0, 0, 0] == 50


def test_frames_of_one_file_are_ordered_by_place(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def group(place):
        made, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = [0, 0, place]
        made.PlanePositionSequence = Sequence([plane])
        return made

    pixels = np.stack([RAMP + 100, RAMP])
    path = write_slice(tmp_path / "m.dcm", RAMP, NumberOfFrames=2, PixelData=pixels.tobytes())
    import pydicom

    made = pydicom.dcmread(path)
    made.PerFrameFunctionalGroupsSequence = Sequence([group(3.0), group(0.0)])
    made.save_as(path)
    assert read_picture("m.dcm", tmp_path).pixels[:, 0, 0, 0].tolist() == [0, 100]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((0.0, 1.0, 3.0, 4.0), "lacks a slice"),
        ((0.0, 1.0, 1.0), "two slices at one place"),
        ((0, 1, 2.3), "unequal"),
    ],
)
def test_a_missing_or_doubled_slice_is_named(tmp_path, places, words):
    folder = tmp_path / "scan"
    folder.mkdir()
    for number, place in enumerate(places):
        write_slice(folder / f"{number}.dcm", RAMP, place=float(place))
    with pytest.raises(PictureError, match=words):
        read_picture("scan", tmp_path)


def test_two_series_in_a_folder_are_refused(tmp_path):
    folder = tmp_path / "scan"
    folder.mkdir()
    write_slice(folder / "a.dcm", RAMP)
    write_slice(folder / "b.dcm", RAMP, place=1.0, series="1.2.4")
    with pytest.raises(PictureError, match="several series"):
        read_picture("scan", tmp_path)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"RescaleSlope": ""}, "no number"),
        ({"PixelSpacing": [0, 1]}, "no number"),
        ({"PixelData": b"\0" * 4}, "cannot be decoded"),
        ({"PhotometricInterpretation": "XYZ"}, "no picture"),
    ],
)
def test_a_broken_header_is_refused_without_its_words(tmp_path, facts, words):
    write_slice(tmp_path / "a.dcm", RAMP, PatientName="Muster^Erika", **facts)
    with pytest.raises(PictureError, match=words) as caught:
        read_picture("a.dcm", tmp_path)
    assert "Muster" not in str(caught.value)


def test_a_spacing_on_the_detector_is_not_one_in_the_patient(tmp_path):
    write_slice(tmp_path / "a.dcm", RAMP, PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1])
    assert read_picture("a.dcm", tmp_path).spacing is None


def test_what_names_a_person_is_found_and_its_value_is_not_shown(tmp_path):
    write_slice(
        tmp_path / "a.dcm", RAMP, PatientName="Muster^Erika", BurnedInAnnotation="YES", OperatorsName=""
    )
    raster = read_picture("a.dcm", tmp_path)
    assert list(raster.warnings) == [
        "the header has PatientName",
        "the header says that writing is part of the pixels",
    ]


def test_a_nifti_volume_is_read_from_foot_to_head_with_its_scale(tmp_path):
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    flipped = np.diag([-1.0, 2.0, 3.0, 1.0])  # x goes from right to left in the file
    write_nifti(tmp_path / "v.nii.gz", volume, affine=flipped, slope=None)
    raster = read_picture("v.nii.gz", tmp_path)
    assert raster.pixels[..., 0].tolist() == volume[::-1].transpose(2, 1, 0).tolist()
    assert raster.spacing == (3.0, 2.0, 1.0)
    assert (
        read_picture("v.nii.gz#2", tmp_path).pixels[..., 0].tolist()
        == volume[::-1].transpose(2, 1, 0)[2].tolist()
    )


def test_a_nifti_file_with_two_places_is_refused(tmp_path):
    write_nifti(tmp_path / "v.nii", np.zeros((2, 2, 2), np.int16), second=np.diag([1.0, 1.0, -1.0, 1.0]))
    with pytest.raises(PictureError, match="two ways"):
        read_picture("v.nii", tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_grey_pixels_keep_their_numbers(tmp_path, kind):
    array = np.arange(12).reshape(3, 4).astype(kind) * (1000 if kind != np.uint8 else 20)
    write_pixels(tmp_path / "a.tif", array)
    assert read_picture("a.tif", tmp_path).pixels[..., 0].tolist() == array.tolist()
    if kind in {np.uint8, np.uint16}:
        write_pixels(tmp_path / "a.png", array)
        assert read_picture("a.png", tmp_path).pixels[..., 0].tolist() == array.tolist()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_packed_png_keeps_its_numbers(tmp_path, depth):
    """Pillow reads class 1 of two bits as 85 (findings/pillow-label-one-of-two-bits-is-85.sh)."""
    rows = np.array([[0, 1], [(1 << depth) - 1, 0]], np.uint8)
    packed = b"".join(
        b"\0" + int("".join(format(value, f"0{depth}b") for value in row).ljust(8, "0"), 2).to_bytes(1, "big")
        for row in rows
    )

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 2, 2, depth, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(packed)), chunk(b"IEND", b"")]
    (tmp_path / "m.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert read_picture("m.png", tmp_path).pixels[..., 0].tolist() == rows.tolist()


def tiff(path, array, photometric=1, sample_format=1):
    """One strip of a TIFF file, written by its definition."""
    data = array.tobytes()
    tags = [
        (256, 3, array.shape[1]), (257, 3, array.shape[0]), (258, 3, 8 * array.itemsize), (259, 3, 1),
        (262, 3, photometric), (273, 4, 8), (277, 3, 1), (278, 3, array.shape[0]), (279, 4, len(data)),
        (339, 3, sample_format),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in tags
    )
    place = 8 + len(data) + len(data) % 2
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", place) + data + b"\0" * (len(data) % 2) + directory)


@pytest.mark.parametrize(
    ("kind", "sample_format", "values"),
    [(np.int8, 2, [[-5, 0, 5]]), (np.uint32, 1, [[0, 1, 4_000_000_000]]), (np.int16, 2, [[-5, 0, 5]])],
)
def test_a_tiff_keeps_the_sign_of_its_numbers(tmp_path, kind, sample_format, values):
    """Pillow reads the signed byte -5 as 251 (findings/pillow-signed-byte-is-251.sh)."""
    tiff(tmp_path / "a.tif", np.array(values, kind), sample_format=sample_format)
    assert read_picture("a.tif", tmp_path).pixels[..., 0].tolist() == values


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white_is_refused(tmp_path, kind):
    """Pillow turns it with 8 bits and not with 16 (findings/pillow-white-is-zero-in-eight-bits-only.sh)."""
    tiff(tmp_path / "a.tif", np.array([[0, 10, 200]], kind), photometric=0)
    with pytest.raises(PictureError, match="0 is white"):
        read_picture("a.tif", tmp_path)


def test_colours_of_sixteen_bits_are_refused(tmp_path):
    """Pillow keeps the upper 8 bits."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + b"\x03\xe8" * 3)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts]
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(PictureError, match="16 bits"):
        read_picture("c.png", tmp_path)


def test_colour_has_three_channels_and_transparency_is_refused(tmp_path):
    colour = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    write_pixels(tmp_path / "a.png", colour)
    assert read_picture("a.png", tmp_path).pixels.tolist() == colour.tolist()
    clear = np.concatenate([colour, np.full((3, 4, 1), 254, np.uint8)], axis=-1)
    write_pixels(tmp_path / "b.png", clear)
    with pytest.raises(PictureError, match="transparent"):
        read_picture("b.png", tmp_path)
    clear[..., 3] = 255
    write_pixels(tmp_path / "c.png", clear)
    assert read_picture("c.png", tmp_path).pixels.tolist() == colour.tolist()


def test_pages_of_a_tiff_file_are_slices(tmp_path):
    from PIL import Image

    pages = [Image.fromarray(np.full((2, 3), value, np.uint16)) for value in (1, 500, 40000)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert read_picture("a.tif", tmp_path).pixels[:, 0, 0, 0].tolist() == [1, 500, 40000]
    assert read_picture("a.tif#2", tmp_path).pixels[0, 0, 0] == 40000
    with pytest.raises(PictureError, match="no such page"):
        read_picture("a.tif#3", tmp_path)


def test_an_array_is_named_and_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", tile=RAMP[None], other=RAMP)
    assert read_picture("a.npz#tile/0", tmp_path).pixels[..., 0].tolist() == RAMP.tolist()
    for cell, words in (
        ("a.npz", "several arrays"),
        ("a.npz#none", "no array"),
        ("a.npz#tile/1", "no such place"),
    ):
        with pytest.raises(PictureError, match=words):
            read_picture(cell, tmp_path)
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(PictureError, match="plain numpy"):
        read_picture("o.npy", tmp_path)


@pytest.mark.parametrize(
    "cell", ["../a.npy", "/etc/hosts", "in/../../a.npy", "link.npy", "linked/a.npy", "in\\a.npy", ""]
)
def test_attack_no_cell_reaches_a_file_outside_the_folder(tmp_path, cell):
    folder = tmp_path / "pictures"
    (folder / "in").mkdir(parents=True)
    np.save(tmp_path / "a.npy", RAMP)
    os.symlink(tmp_path / "a.npy", folder / "link.npy")
    os.symlink(tmp_path, folder / "linked")
    with pytest.raises(PictureError):
        read_picture(cell, folder)


def test_attack_a_slice_that_is_a_link_is_refused(tmp_path):
    write_slice(tmp_path / "out.dcm", RAMP)
    folder = tmp_path / "pictures"
    (folder / "scan").mkdir(parents=True)
    os.symlink(tmp_path / "out.dcm", folder / "scan" / "a.dcm")
    with pytest.raises(PictureError, match="outside"):
        read_picture("scan", folder)


@pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz", "a.nii", "a.png", "a.tif", "a.npz", "a.npy"])
def test_a_broken_file_of_any_kind_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"no picture at all" * 40)
    with pytest.raises(PictureError):
        read_picture(name, tmp_path)


def test_pixels_that_are_not_finite_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, np.nan]]))
    with pytest.raises(PictureError, match="not finite"):
        read_picture("a.npy", tmp_path)
