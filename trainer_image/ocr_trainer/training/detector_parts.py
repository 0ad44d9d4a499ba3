"""What the detection presets add to mmocr's training: one-warp augmentation and a fast DB loss.

Registered in mmocr's registries under their class names; importing this needs `compat.install()` first.
"""

import math
from operator import itemgetter
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms.base import BaseTransform
from mmocr.models.common.losses import MaskedBalancedBCEWithLogitsLoss
from mmocr.models.textdet.module_losses.db_module_loss import DBModuleLoss
from mmocr.registry import MODELS, TRANSFORMS
from mmocr.utils import offset_polygon, poly2bbox
from numpy.typing import NDArray
from shapely.geometry import Polygon

_LEAST_SIDE = 3.0
"""Pixels: what is smaller inside a crop is no text any more."""


@TRANSFORMS.register_module()
class CachedPage(BaseTransform):  # type: ignore[misc]
    """Loads a page as it lies (upright already), and keeps decoded pages up to `megabytes`.

    Decoding takes as long as everything else on the data side together.
    """

    def __init__(self, megabytes: int) -> None:
        self._room = megabytes << 20
        self._pages: dict[str, NDArray[np.uint8]] = {}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results["img_path"]
        page = self._pages.get(path)
        if page is None:
            page = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if page is None:
                raise OSError(f"{path} can't be read any more")
            if page.nbytes <= self._room:
                self._room -= page.nbytes
                self._pages[path] = page
        results["img"] = page  # every later step makes a new array
        results["img_shape"] = results["ori_shape"] = page.shape[:2]
        return results


@TRANSFORMS.register_module()
class PageCrop(BaseTransform):  # type: ignore[misc]
    """Scale, stretch, rotate and crop a page to a square around some text, as one warp; then brightness.

    size: the square's side in pixels. long_side: range of the page's longer side in pixels after scaling,
    around what the page has when text is looked for. One warp costs a tenth of mmocr's chain of transforms.
    Draws from `results["generator"]` alone, so that a page with its seed always gives the same crop.
    """

    def __init__(
        self, size: int, long_side: tuple[int, int], degrees: float = 3.0, stretch: float = 0.16
    ) -> None:
        self._size, self._long_side, self._degrees, self._stretch = size, tuple(long_side), degrees, stretch

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        page, size, rng = results["img"], self._size, results["generator"]
        polygons = [np.asarray(p, np.float64).reshape(-1, 2) for p in results["gt_polygons"]]
        warp, scale = self._choose_warp(page.shape[:2], polygons, rng)
        smooth = cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR
        crop = cv2.warpAffine(page, warp, (size, size), flags=smooth)
        tones = np.arange(256) * rng.uniform(0.8, 1.2) + rng.uniform(-20, 20)
        results["img"] = cv2.LUT(crop, np.clip(tones, 0, 255).astype(np.uint8))
        results["img_shape"] = (size, size)

        kept, moved = [], []
        for index, polygon in enumerate(polygons):
            inside = (polygon @ warp[:, :2].T + warp[:, 2]).clip(0, size - 1)
            if (np.ptp(inside, axis=0) > _LEAST_SIDE).all() and Polygon(inside).is_valid:
                kept.append(index)
                moved.append(inside.astype(np.float32).reshape(-1))
        results["gt_polygons"] = moved
        results["gt_bboxes"] = np.array([poly2bbox(p) for p in moved], np.float32).reshape(-1, 4)
        results["gt_bboxes_labels"] = results["gt_bboxes_labels"][kept]
        results["gt_ignored"] = results["gt_ignored"][kept]
        return results

    def _choose_warp(
        self, shape: tuple[int, int], polygons: list[NDArray[np.float64]], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], float]:
        """A 2 x 3 matrix from page to crop, and its scale; the crop holds some text's centre."""
        height, width = shape
        scale = float(rng.uniform(*self._long_side)) / max(height, width)
        along = scale * math.exp(rng.uniform(-self._stretch, self._stretch))
        degrees = rng.uniform(-self._degrees, self._degrees)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        warp = np.diag([along, scale]) @ turn
        if polygons:
            focus = polygons[rng.integers(len(polygons))].mean(0)
        else:
            focus = np.array([width, height]) * rng.random()
        x, y = warp[:, :2] @ focus + warp[:, 2]
        warp[:, 2] -= (self._edge(x, width * along, rng), self._edge(y, height * scale, rng))
        return warp, scale

    def _edge(self, focus: float, length: float, rng: np.random.Generator) -> float:
        """Where the crop begins on one axis: around the focus, inside the page where the page is larger."""
        begin = focus - rng.uniform(0.1, 0.9) * self._size
        return min(max(begin, min(0.0, length - self._size)), max(0.0, length - self._size))


@MODELS.register_module()
class FastBalancedBCELoss(MaskedBalancedBCEWithLogitsLoss):  # type: ignore[misc]
    """mmocr's loss with the hardest negatives found and not sorted: a third of the time.

    A mask may weigh pixels: one of 2 counts as two.
    """

    def forward(self, pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        positive, negative = (gt, 1 - gt) if mask is None else (gt * mask, (1 - gt) * mask)
        positives, negatives = int(positive.sum()), int(negative.sum())
        wanted = int(positives * self.negative_ratio) if positives else self.fallback_negative_num
        hard = min(wanted, negatives, negative.numel())
        loss = self.loss(pred, gt)
        hardest = torch.topk((loss * negative).view(-1), hard, sorted=False).values
        total: torch.Tensor = (loss * positive).sum() + hardest.sum()
        return total / (positives + hard + self.eps)


@MODELS.register_module()
class FastDBModuleLoss(DBModuleLoss):  # type: ignore[misc]
    """DB's loss without sorting, the threshold map drawn in float32 and vectorised over a polygon's edges.

    Pages hold 150 lines; mmocr's float64 loop takes longer than the network.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"loss_prob": {"type": "FastBalancedBCELoss"}} | options)

    def draw_ahead(self, data_samples: list[Any]) -> None:
        """Draw the samples' targets before the loss asks for them."""
        for sample in data_samples:
            sample.targets = self._draw(sample)

    def _get_target_single(self, data_sample: Any) -> Any:
        return data_sample.targets if "targets" in data_sample else self._draw(data_sample)

    def _draw(self, sample: Any) -> tuple[torch.Tensor, ...]:
        """Shrunk texts, where they count, threshold map, where it counts; each (1, height, width)."""
        targets: tuple[torch.Tensor, ...] = super()._get_target_single(sample)
        return targets

    def _grown(self, polygon: Any) -> tuple[NDArray[np.float64], NDArray[np.int32], float]:
        """A text's corners, those of its outline grown by as much as DB shrinks it, and how much that is."""
        corners = np.asarray(polygon, np.float64).reshape(-1, 2)
        shape = Polygon(corners)
        reach = shape.area * (1 - self.shrink_ratio**2) / shape.length
        grown = offset_polygon(corners, reach)
        return corners, (grown if len(grown) else corners).reshape(-1, 2).astype(np.int32), reach

    def _draw_border_map(
        self, polygon: NDArray[np.float32], canvas: NDArray[np.float32], mask: NDArray[np.uint8]
    ) -> None:
        corners, grown, reach = self._grown(polygon)
        height, width = canvas.shape
        (left, top), (right, bottom) = grown.min(0), grown.max(0)
        if right < 0 or bottom < 0 or left >= width or top >= height:
            return
        cv2.fillPoly(mask, [grown], 1.0)
        rows = slice(max(top, 0), min(bottom, height - 1) + 1)
        columns = slice(max(left, 0), min(right, width - 1) + 1)
        distance = _distance_to_edges(corners.astype(np.float32), rows, columns) / np.float32(reach)
        window = canvas[rows, columns]
        np.maximum(window, 1 - np.clip(distance, 0, 1), out=window)


@MODELS.register_module()
class SmallTextDBModuleLoss(FastDBModuleLoss):
    """FastDBModuleLoss whose small texts weigh more: a pixel in or around them counts up to `heaviest` times.

    Below `full_area` pixels as the root of the area: a lone digit has a tenth of a line's pixels, so that a
    detector may miss all of them for little loss.
    """

    def __init__(self, full_area: float = 1500.0, heaviest: float = 4.0, **options: Any) -> None:
        super().__init__(**options)
        self._full_area, self._heaviest = full_area, heaviest

    def _draw(self, sample: Any) -> tuple[torch.Tensor, ...]:
        texts, counts, *threshold = super()._draw(sample)
        weights = np.ones(counts.shape[1:], np.float32)
        instances = sample.gt_instances
        kept = [p for p, ignored in zip(instances.polygons, instances.ignored, strict=True) if not ignored]
        for weight, grown in sorted(map(self._weigh, kept), key=itemgetter(0)):  # the heavier one on top
            cv2.fillPoly(weights, [grown], weight)
        return texts, counts * torch.from_numpy(weights), *threshold

    def _weigh(self, polygon: Any) -> tuple[float, NDArray[np.int32]]:
        """A text's weight and where it holds."""
        corners, grown, _ = self._grown(polygon)
        weight = math.sqrt(self._full_area / max(1.0, Polygon(corners).area))
        return max(1.0, min(self._heaviest, weight)), grown


def _distance_to_edges(corners: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.float32]:
    """(rows, columns): every pixel's distance to the nearest edge, by DB's own rule."""
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, None]
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[None, :, None]
    right, down = x - corners[:, 0, None, None], y - corners[:, 1, None, None]
    edges = (np.roll(corners, -1, 0) - corners)[:, :, None, None]
    a2 = np.square(right) + np.square(down)
    b2 = np.roll(a2, -1, 0)  # to the edge's other corner
    c2 = np.square(edges).sum(1)
    # mmocr has a b sin C / c by the law of cosines; the cross product is the same without its cancellations.
    across = np.square(right * edges[:, 1] - down * edges[:, 0]) / (np.finfo(np.float32).eps + c2)
    beside = np.where(c2 < a2 + b2, np.minimum(a2, b2), across)
    return np.asarray(np.sqrt(beside.min(0)), np.float32)
