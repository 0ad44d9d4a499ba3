"""Parts of the example receipts in a run's folder, as the annotation platform puts them there."""

import json
import shutil
from pathlib import Path

from ocr_cluster.release import Release, open_to_pods

RECEIPTS = Path(__file__).resolve().parents[1] / "examples" / "receipts"


def put_receipts(release: Release, project: str, train_id: str, counts: dict[str, int]) -> Path:
    """So many images of each split, with their annotations; the run's folder."""
    run = release.volume / "train" / project / train_id
    run.mkdir(parents=True)
    for split, count in counts.items():
        document = json.loads((RECEIPTS / "data" / f"{split}.json").read_text())
        document["images"] = document["images"][:count]
        kept = {image["id"] for image in document["images"]}
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
        (run / f"{split}.json").write_text(json.dumps(document))
        (run / split).mkdir()
        for image in document["images"]:
            shutil.copyfile(RECEIPTS / "data" / split / image["file_name"], run / split / image["file_name"])
    open_to_pods(run)
    return run
