"""A line is laid flat the way it is read, whichever corner its outline begins with."""

import cv2
import numpy as np
import pytest

from ocr_trainer.dataset.crops import MARGIN, TALLEST, rectify

LINE = np.array([[100.0, 80], [220, 80], [220, 100], [100, 100]])
CENTRE = (160, 90)


def page() -> np.ndarray:
    """A line of 120 x 20 pixels: dark where it begins, then light grey, a black stripe along its top."""
    image = np.full((180, 320, 3), 255, np.uint8)
    cv2.rectangle(image, (100, 80), (219, 99), (170, 170, 170), -1)
    cv2.rectangle(image, (100, 80), (119, 99), (90, 90, 90), -1)
    cv2.rectangle(image, (100, 80), (219, 84), (0, 0, 0), -1)
    return image


def turned(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The page turned clockwise, and the line's corners on it."""
    matrix = cv2.getRotationMatrix2D(CENTRE, -degrees, 1)
    image = cv2.warpAffine(page(), matrix, (320, 180), flags=cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    return image, cv2.transform(LINE[None], matrix)[0]


@pytest.mark.parametrize("first_corner", range(4))
@pytest.mark.parametrize("degrees", [0, 8, -8, 35, -35, 60, -55, 90])
def test_a_line_is_laid_flat_from_its_beginning(degrees: float, first_corner: int) -> None:
    image, corners = turned(degrees)
    crop = rectify(image, np.roll(corners, first_corner, axis=0), characters=9)
    assert crop is not None
    x0, y0, x1, y1 = crop.box
    assert abs((x1 - x0) - 120) <= 1 and abs((y1 - y0) - 20) <= 1
    line = crop.image[y0:y1, x0:x1].astype(float).mean(axis=2)
    assert line[1:4, 5:-5].mean() < 40, "the stripe is at the top"
    assert line[8:18, 3:16].mean() < 110 and line[8:18, 30:-5].mean() > 150, "the dark part is at the left"


def test_a_counter_clockwise_outline_is_the_same_line() -> None:
    crop, mirrored = rectify(page(), LINE, characters=9), rectify(page(), LINE[::-1], characters=9)
    assert crop and mirrored and np.array_equal(crop.image, mirrored.image)


def test_the_margin_is_kept_where_the_picture_has_it() -> None:
    crop = rectify(page(), LINE, characters=9)
    assert crop is not None
    margin = round(MARGIN * 20)
    assert crop.box == (margin, margin, margin + 120, margin + 20)
    assert crop.image.shape[:2] == (20 + 2 * margin, 120 + 2 * margin)
    at_the_corner = rectify(page(), np.array([[0.0, 0], [60, 0], [60, 20], [0, 20]]), characters=3)
    assert at_the_corner is not None and at_the_corner.box[:2] == (0, 0)
    assert at_the_corner.image.shape[1] == 60 + margin


def test_a_single_narrow_character_stays_upright() -> None:
    tall = np.array([[100.0, 80], [108, 80], [108, 100], [100, 100]])
    one, two = rectify(page(), tall, characters=1), rectify(page(), tall, characters=2)
    assert one and two
    assert one.image.shape[0] > one.image.shape[1] and two.image.shape[1] > two.image.shape[0]


def test_a_polygon_of_many_points_is_enclosed() -> None:
    wavy = np.array([[100.0, 82], [160, 80], [220, 82], [220, 99], [160, 100], [100, 99]])
    crop = rectify(page(), wavy, characters=9)
    assert crop is not None and abs((crop.box[2] - crop.box[0]) - 120) <= 2


def test_tall_lines_are_stored_smaller() -> None:
    large = cv2.resize(page(), None, fx=10, fy=10)
    crop = rectify(np.asarray(large, np.uint8), LINE * 10, characters=9)
    assert crop is not None
    x0, y0, x1, y1 = crop.box
    assert abs((y1 - y0) - TALLEST) <= 1 and abs((x1 - x0) - 6 * TALLEST) <= 3


def test_nothing_is_cut_from_nothing() -> None:
    assert rectify(page(), np.array([[5.0, 5], [5.2, 5], [5.2, 5.4], [5, 5.4]]), characters=1) is None
