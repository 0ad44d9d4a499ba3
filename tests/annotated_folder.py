"""A folder as an annotation platform leaves it: pictures with lines of text, and a COCO file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 200, 120


@dataclass
class AnnotatedFolder:
    """Builds a run's folder; `write` puts the COCO file beside the pictures."""

    path: Path
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(default_factory=lambda: [{"id": 1, "name": "text"}])

    def picture(self, name: str, shade: int = 0, **more: Any) -> int:
        """A page of its own look; returns its image id."""
        identifier = len(self.images) + 1
        page = np.full((HEIGHT, WIDTH, 3), 235, np.uint8)
        cv2.putText(page, f"{identifier}{shade}", (150, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0))
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cv2.imencode(target.suffix.lower(), page)[1].tobytes())
        self.images.append({"id": identifier, "file_name": name, "width": WIDTH, "height": HEIGHT, **more})
        return identifier

    def text(self, image: int, text: str | None, **more: Any) -> dict[str, Any]:
        """An annotation with its own box; None: without text."""
        identifier = len(self.annotations) + 1
        y = 10 + 12 * (identifier % 8)
        annotation: dict[str, Any] = {
            "id": identifier, "image_id": image, "category_id": 1, "iscrowd": 0,
            "segmentation": [[10, y, 90, y, 90, y + 10, 10, y + 10]], "bbox": [10, y, 80, 10],
        }  # fmt: skip
        if text is not None:
            annotation["text"] = text
        self.annotations.append({**annotation, **more})
        return self.annotations[-1]

    def pages(self, count: int = 6, prefix: str = "page") -> None:
        """`count` sound pages with two lines each."""
        for number in range(count):
            image = self.picture(f"{prefix}{number}.png")
            self.text(image, f"LINE {'AB'[number % 2]}")
            self.text(image, "total")

    def document(self) -> dict[str, Any]:
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}

    def write(self, name: str = "annotations.json") -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(self.document(), ensure_ascii=False), encoding="utf-8")
        return target
