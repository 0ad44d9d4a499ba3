"""The built-in data set: three real receipts, two to train and one to validate (see data/ATTRIBUTION.md)."""

import io
import zipfile
from importlib import resources

IMAGES = ("train/001.jpg", "train/005.jpg", "val/003.jpg")
ANNOTATIONS = ("train.json", "val.json")


def pack() -> bytes:
    """As a zip, the way a caller sends it."""
    folder = resources.files("ocr_api.selftest").joinpath("data")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*ANNOTATIONS, *IMAGES):
            archive.writestr(name, folder.joinpath(*name.split("/")).read_bytes())
    return packed.getvalue()
