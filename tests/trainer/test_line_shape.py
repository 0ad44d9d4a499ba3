"""Lines become pictures by one rule, and batches hold about as many pixels each."""

import numpy as np
import pytest

from ocr_trainer.dataset.crops import Crop
from ocr_trainer.line_shape import LineShape, lines_in_batch

SHAPE = LineShape(height=32, step=32, widest=480, squeeze=0.7, pad_x=0.15, pad_y=0.1)


@pytest.mark.parametrize(
    ("width", "height", "bucket"),
    [(10, 20, 32), (100, 20, 128), (100, 10, 224), (5000, 20, 480), (3, 90, 32)],
)
def test_a_lines_width_follows_its_aspect_in_steps(width: int, height: int, bucket: int) -> None:
    assert SHAPE.bucket(width, height) == bucket


def test_padding_is_a_share_of_the_height_and_ends_at_the_picture() -> None:
    image = np.zeros((30, 100, 3), np.uint8)
    assert SHAPE.cut(Crop(image, (20, 5, 80, 25))).shape == (24, 66, 3)
    assert SHAPE.cut(Crop(image, (0, 0, 100, 30))).shape == (30, 100, 3)


def test_a_box_cut_away_entirely_leaves_two_pixels_not_none() -> None:
    assert SHAPE.cut(Crop(np.zeros((4, 4, 3), np.uint8), (3, 3, 4, 4)), (-9, -9, -9, -9)).size


def test_a_line_is_resized_to_its_bucket() -> None:
    assert SHAPE.resize(np.zeros((10, 10, 3), np.uint8), 64).shape == (32, 64, 3)


def test_batches_of_any_width_hold_about_as_many_pixels() -> None:
    sizes = {width: lines_in_batch(64, 96.0, width) for width in range(32, 481, 32)}
    assert sizes[96] == 64
    assert all(0.9 * 64 * 96 <= size * width <= 64 * 96 for width, size in sizes.items())


def test_a_small_batch_of_wide_lines_keeps_enough_for_batch_norm() -> None:
    assert lines_in_batch(8, 96.0, 480) == 4
    assert lines_in_batch(1, 96.0, 480) == 1
