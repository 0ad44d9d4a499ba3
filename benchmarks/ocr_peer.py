"""RapidOCR's side of bench_ocr.py, run in an environment of its own: reads images, prints JSON.

`ocr_peer.py IMAGE...`: {"images": {name: [{"polygon": [[x, y], ...], "text"}]}, "seconds": per image}
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
from rapidocr import RapidOCR


def main() -> None:
    cv2.setNumThreads(1)
    engine = "EngineConfig.onnxruntime"
    reader = RapidOCR(params={f"{engine}.intra_op_num_threads": 1, f"{engine}.inter_op_num_threads": 1})
    pictures = {Path(name).name: cv2.imread(name) for name in sys.argv[1:]}
    reader(next(iter(pictures.values())))  # what only the first one costs
    started, found = time.monotonic(), {}
    for name, picture in pictures.items():
        result = reader(picture)
        texts = () if result.boxes is None else zip(result.boxes.tolist(), result.txts, strict=True)
        found[name] = [{"polygon": polygon, "text": text} for polygon, text in texts]
    print(json.dumps({"images": found, "seconds": (time.monotonic() - started) / len(pictures)}))


if __name__ == "__main__":
    main()
