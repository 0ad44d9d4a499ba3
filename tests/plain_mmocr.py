"""A machine that has mmocr and nothing of this project: opens a bundle and reads pages and cut lines.

Run by itself, in the unpacked bundle's folder: plain_mmocr.py PAGE LINES; prints one JSON object. Compiled
mmcv, which such a machine would have, doesn't exist for this torch: a stand-in and numpy's old names make
mmcv-lite importable. Nothing else is done for mmocr here.
"""

import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any


class NotOnThisMachine:
    """Refuses this project's packages, though they lie in the same environment."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.split(".")[0] in ("ocr_trainer", "ocr_contract", "ocr_api", "ocr_operator"):
            raise ModuleNotFoundError(f"{name} isn't on this machine")


class CompiledOperators(types.ModuleType):
    """`mmcv._ext`; neither model calls it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def main(page: str, lines: Path) -> dict[str, Any]:
    import cv2
    import numpy
    from mmocr.apis import MMOCRInferencer

    ocr = MMOCRInferencer(
        det="detection/config.py",
        det_weights="detection/best.pth",
        rec="recognition/found_lines.py",
        rec_weights="recognition/best.pth",
        device="cpu",
    )
    found = ocr(page, out_dir="")["predictions"][0]
    reader = MMOCRInferencer(rec="recognition/config.py", rec_weights="recognition/best.pth", device="cpu")
    pictures = [cv2.imread(str(path)) for path in sorted(lines.iterdir())]
    read = reader(pictures, out_dir="")["predictions"]
    return {
        "polygons": [numpy.asarray(polygon).tolist() for polygon in found["det_polygons"]],
        "scores": found["det_scores"],
        "texts": found["rec_texts"],
        "lines": [line["rec_texts"][0] for line in read],
        "line_scores": [line["rec_scores"][0] for line in read],
        "ours": sorted(name for name in sys.modules if name.startswith("ocr_")),
    }


if __name__ == "__main__":
    sys.meta_path.insert(0, NotOnThisMachine())  # type: ignore[arg-type]
    import numpy

    for alias in (bool, int, float, object, complex):
        if alias.__name__ not in vars(numpy):
            setattr(numpy, alias.__name__, alias)
    extension = CompiledOperators("mmcv._ext")
    extension.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
    sys.modules["mmcv._ext"] = extension
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
