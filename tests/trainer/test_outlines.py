"""Whatever form an outline comes in, a sound polygon inside the picture comes out, or none."""

from typing import Any

import numpy as np
import pytest
from shapely import Polygon

from ocr_trainer.dataset import outlines, rle

BOX = Polygon([(10, 20), (50, 20), (50, 40), (10, 40)])
CORNERS = [10, 20, 50, 20, 50, 40, 10, 40]


@pytest.mark.parametrize(
    "annotation",
    [
        pytest.param({"segmentation": [CORNERS]}, id="polygon"),
        pytest.param({"segmentation": CORNERS}, id="polygon without the outer list"),
        pytest.param({"segmentation": [], "bbox": [10, 20, 40, 20]}, id="box, empty segmentation"),
        pytest.param({"bbox": [10, 20, 40, 20]}, id="box alone"),
        pytest.param({"segmentation": [[10, 20, 50, 40]], "bbox": [10, 20, 40, 20]}, id="two points, box"),
        pytest.param({"segmentation": "x", "bbox": [10, 20, 40, 20]}, id="nonsense, box"),
        pytest.param({"points": [[10, 20], [50, 20], [50, 40], [10, 40]]}, id="points"),
        pytest.param({"mask": CORNERS}, id="COCO-Text's mask"),
        pytest.param({"segmentation": [[10, 20, 30, 20, 30, 40, 10, 40], [30, 20, 50, 20, 50, 40, 30, 40]]},
                     id="two parts"),
        pytest.param({"bbox": [20, 10, 20, 40, 90]}, id="box turned by its fifth number"),
        pytest.param({"bbox": [20, 10, 20, 40], "attributes": {"rotation": 90}}, id="box turned by CVAT"),
        pytest.param({"bezier_pts": [10, 20, 23, 20, 37, 20, 50, 20, 50, 40, 37, 40, 23, 40, 10, 40]},
                     id="bezier curves"),
    ],
)  # fmt: skip
def test_the_outline_is_read(annotation: dict[str, Any]) -> None:
    points = outlines.read(annotation)
    assert points is not None
    assert Polygon(points).symmetric_difference(BOX).area < 1


@pytest.mark.parametrize(
    "annotation",
    [{}, {"bbox": []}, {"bbox": [1, 2, 0, 5]}, {"bbox": ["a", 1, 2, 3]}, {"segmentation": [[1, 2, 3]]},
     {"bbox": [float("nan"), 1, 2, 3]}, {"segmentation": {"size": [2, 2], "counts": [1]}}],
)  # fmt: skip
def test_no_outline_is_none(annotation: dict[str, Any]) -> None:
    assert outlines.read(annotation) is None


def test_a_turned_box_turns_clockwise() -> None:
    points = outlines.read({"bbox": [0, 0, 100, 10], "rotation": 30})
    assert points is not None
    right_end = points[np.argmax(points[:, 0])]
    assert right_end[1] > 20, "the right end goes down on a screen"


@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_becomes_the_rectangle_around_it(packed: bool) -> None:
    # 10 rows, 8 columns: rows 2..5 of columns 3..6 are set; counts run down the columns.
    counts: Any = [32, 4, 6, 4, 6, 4, 6, 4, 14]
    if packed:
        counts = "P146000008"  # from the fourth on differences are packed: 0, and 8 at the end
    mask = rle.decode({"size": [10, 8], "counts": counts})
    assert mask is not None and mask.sum() == 16 and mask[2:6, 3:7].all()


def test_broken_masks_are_none() -> None:
    assert rle.decode({"size": [10, 8], "counts": "P1"}) is None
    assert rle.decode({"size": [10, 8], "counts": "\x7f"}) is None
    assert rle.decode({"size": "?", "counts": [80]}) is None


def test_a_bow_tie_is_untangled() -> None:
    outline = outlines.sound(np.array([[0.0, 0], [40, 20], [40, 0], [0, 20]]), 100, 100)
    assert outline is not None and outline.repairs and Polygon(outline.points).is_valid


def test_what_stands_out_of_the_picture_is_cut_off() -> None:
    outline = outlines.sound(np.array([[80.0, 10], [140, 10], [140, 30], [80, 30]]), 100, 100)
    assert outline is not None and outline.repairs == ("cut off at the picture's edge",)
    assert outline.points.max() <= 100


def test_both_directions_come_out_clockwise_and_unharmed() -> None:
    corners = np.array([[0.0, 0], [40, 0], [40, 20], [0, 20]])
    for points in (corners, corners[::-1]):
        outline = outlines.sound(points, 100, 100)
        assert outline is not None and outline.repairs == ()
        x, y = outline.points.T
        assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([[5, 5], [5, 5], [5, 5]], id="one point"),
        pytest.param([[0, 0], [50, 0], [90, 0]], id="a line"),
        pytest.param([[0, 0], [50, 0], [50, 1], [0, 1]], id="under two pixels high"),
        pytest.param([[200, 200], [250, 200], [250, 220]], id="outside"),
    ],
)
def test_what_cannot_be_seen_is_dropped(points: list[list[float]]) -> None:
    assert outlines.sound(np.array(points, dtype=float), 100, 100) is None
