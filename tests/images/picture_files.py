"""Small picture files of every kind, made with the libraries that define them."""

from pathlib import Path

import numpy as np

CT, CLASSIC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def write_slice(path, pixels, *, place=0.0, series="1.2.3", patient="p1", **facts):
    """One DICOM slice; ``facts`` are further attributes."""
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, f"1.2.3.{abs(hash(path)) % 10**6}"
    meta.TransferSyntaxUID = CLASSIC
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    made.SeriesInstanceUID, made.PatientID = series, patient
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    made.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.ImagePositionPatient = [0.0, 0.0, place]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.PixelSpacing = [2.0, 0.5]
    made.PixelData = pixels.tobytes()
    for name, value in facts.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    made.save_as(path, enforce_file_format=True)
    return path


def write_nifti(path, volume, *, affine=None, slope=None, second=None):
    """A NIfTI volume, axes x, y, z."""
    import nibabel as nib

    image = nib.Nifti1Image(volume, np.eye(4) if affine is None else affine)
    if slope is not None:
        image.header.set_slope_inter(slope, 0)
    if second is not None:
        image.set_qform(second, code=1)
    nib.save(image, path)
    return path


def write_pixels(path, array, **how):
    """A PNG or TIFF file."""
    from PIL import Image

    Image.fromarray(array).save(path, **how)
    return path


def nuclei_file(folder: Path, name: str = "site_1.npz", n: int = 4):
    """Four small tiles with masks, in one file."""
    made = np.random.default_rng(1)
    tile = made.integers(0, 256, (n, 8, 8), dtype=np.uint8)
    np.savez(folder / name, tile=tile, mask=(tile > 128).astype(np.uint8))
    return tile
