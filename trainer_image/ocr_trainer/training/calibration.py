"""The detector's validation: mmocr's hmean, and with which threshold and which length of boxes it is best.

Both go into the checkpoint with the figures they were best for, and what reads with the model applies them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmocr.evaluation.metrics import HmeanIOUMetric
from mmocr.registry import METRICS
from numpy.typing import NDArray

from ocr_trainer.metrics import ious, shapes
from ocr_trainer.training.box_parts import measure_overhang, shortened

_SAME_TEXT = 0.3
"""IoU from which a box is taken for a text's, however much too long."""


@METRICS.register_module()
class CalibratedHmeanMetric(HmeanIOUMetric):  # type: ignore[misc]
    """Precision, recall and hmean with the `threshold` and the `overhang` that give the best hmean."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        del data_batch
        for sample in data_samples:
            found, truth = sample["pred_instances"], sample["gt_instances"]
            self.results.append(
                {
                    "found": [np.asarray(p, np.float64).reshape(-1, 2) for p in found["polygons"]],
                    "scores": _array(found["scores"]).astype(np.float32),
                    "truth": [np.asarray(p, np.float64).reshape(-1, 2) for p in truth["polygons"]],
                    "ignored": _array(truth["ignored"]).astype(bool),
                }
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        thresholds = np.array(self.pred_score_thrs)  # type: ignore[has-type]
        pairs: list[tuple[Any, Any]] = []
        as_found = []
        for page in results:
            overlap = _Overlap.of(page)
            pairs += overlap.pairs()
            as_found.append(self._match(overlap))
        overhang = measure_overhang(pairs)
        tried = {0.0: as_found}
        if overhang:
            tried[overhang] = [self._match(_Overlap.of(page, overhang)) for page in results]
        found = []
        try:
            for shorter, pages in tried.items():
                for threshold in thresholds:
                    self.pred_score_thrs = np.array([threshold])
                    found.append(
                        {**super().compute_metrics(pages), "threshold": round(float(threshold), 3),
                         "overhang": shorter}
                    )  # fmt: skip
        finally:
            self.pred_score_thrs = thresholds
        return max(found, key=lambda metrics: float(metrics["hmean"]))

    def _match(self, overlap: "_Overlap") -> dict[str, Any]:
        """A page as mmocr's metric keeps it, without what is below all thresholds."""
        scores, ignored = overlap.page["scores"], overlap.page["ignored"]
        kept = ~self._filter_preds(overlap.boxes, overlap.texts, scores, ignored)
        return {"iou_metric": overlap.ious[~ignored][:, kept], "pred_scores": scores[kept]}


@dataclass(frozen=True)
class _Overlap:
    """A page's texts and boxes, and by how much each box covers each text."""

    page: dict[str, Any]
    texts: NDArray[Any]
    boxes: NDArray[Any]
    ious: NDArray[np.float64]
    """(texts, boxes)"""

    @classmethod
    def of(cls, page: dict[str, Any], overhang: float = 0.0) -> "_Overlap":
        """overhang: by how much the boxes are shortened first."""
        texts = shapes(page["truth"])
        boxes = shapes([shortened(p, overhang).reshape(-1, 2) for p in page["found"]])
        return cls(page, texts, boxes, ious(texts, boxes))

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Boxes and the texts they are of."""
        if not self.ious.size:
            return
        for box, text in enumerate(self.ious.argmax(0)):
            if self.ious[text, box] > _SAME_TEXT and not self.page["ignored"][text]:
                yield self.page["found"][box], self.page["truth"][text]


def _array(values: Any) -> NDArray[Any]:
    """Of a list, an array or a tensor on whichever device."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)
