"""The detector's validation: mmocr's hmean, and with which threshold and which length of boxes it is best.

Both go into the checkpoint with the figures they were best for, and what reads with the model applies them.
"""

from collections.abc import Iterator, Sequence
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
        overhang = measure_overhang(pair for page in results for pair in _pairs(page))
        found = []
        try:
            for shorter in dict.fromkeys((0.0, overhang)):
                self.pred_score_thrs = thresholds  # mmocr leaves out what is below all of them
                pages = [self._match(page, shorter) for page in results]
                for threshold in thresholds:
                    self.pred_score_thrs = np.array([threshold])
                    found.append(
                        {**super().compute_metrics(pages), "threshold": round(float(threshold), 3),
                         "overhang": shorter}
                    )  # fmt: skip
        finally:
            self.pred_score_thrs = thresholds
        return max(found, key=lambda metrics: float(metrics["hmean"]))

    def _match(self, page: dict[str, Any], overhang: float) -> dict[str, Any]:
        """A page as mmocr's metric keeps it, with its boxes so much shorter."""
        boxes = shapes([shortened(p, overhang).reshape(-1, 2) for p in page["found"]])
        texts, ignored = shapes(page["truth"]), page["ignored"]
        kept = ~self._filter_preds(boxes, texts, page["scores"], ignored)
        return {"iou_metric": ious(texts[~ignored], boxes[kept]), "pred_scores": page["scores"][kept]}


def _pairs(page: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Boxes and the texts they are of."""
    overlap = ious(shapes(page["truth"]), shapes(page["found"]))
    if not overlap.size:
        return
    for box, text in enumerate(overlap.argmax(0)):
        if overlap[text, box] > _SAME_TEXT and not page["ignored"][text]:
            yield page["found"][box], page["truth"][text]


def _array(values: Any) -> NDArray[Any]:
    """Of a list, an array or a tensor on whichever device."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)
