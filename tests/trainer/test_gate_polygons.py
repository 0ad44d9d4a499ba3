"""A finding about an annotation shows its outline as the annotation file has it, for a page that draws it.

Pixels are those of the picture as the trainer reads it: turned upright by EXIF, at the picture's own size.
"""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotated_folder import AnnotatedFolder
from ocr_contract.volume import RunFolder
from prepared import run_prepare

BOW_TIE = [10, 20, 110, 36, 110, 20, 10, 36]
BESIDE = [300, 20, 360, 20, 360, 36, 300, 36]
QUAD = [10, 20, 110, 20, 110, 36, 10, 36]
HALVES = [[10, 20, 60, 20, 60, 36, 10, 36], [60, 20, 110, 20, 110, 36, 60, 36]]
NO_BOX: dict[str, Any] = {"bbox": []}


def shown(run: RunFolder) -> list[tuple[str, list[list[float]] | None]]:
    """Kind and polygon of each finding."""
    records = [json.loads(line) for line in run.findings.read_text().splitlines()]
    return [(record["kind"], record.get("polygon")) for record in records]


def checked(folder: AnnotatedFolder, text: str | None, **annotation: Any) -> RunFolder:
    """Four sound pages, and one with this annotation."""
    folder.pages(4)
    folder.text(folder.picture("odd.png"), text, **annotation)
    folder.write()
    return run_prepare(folder)


@pytest.mark.parametrize(
    ("kind", "text", "annotation", "polygon"),
    [
        ("outline", "ODD", {"segmentation": [BOW_TIE]}, [BOW_TIE]),
        ("outline", "ODD", {"segmentation": BOW_TIE}, [BOW_TIE]),
        ("degenerate-outline", "LOST", {"segmentation": [BESIDE]}, [BESIDE]),
        ("degenerate-outline", "LOST", {"segmentation": [[10, 10, 90, 10, 50, 10]]},
         [[10, 10, 90, 10, 50, 10]]),
        ("text", "OD\nD", {"segmentation": [QUAD]}, [QUAD]),
        ("text", " ODD", {"segmentation": [[10.126, *QUAD[1:]]]}, [[10.13, *QUAD[1:]]]),
        ("no-text", "", {"segmentation": [], "bbox": [10, 20, 100, 16]}, [QUAD]),
        ("no-text", "", {"segmentation": HALVES}, HALVES),
        ("no-text", "", {"segmentation": [HALVES[0], [1, 2, 3]]}, [HALVES[0]]),
        ("no-text", "", {"segmentation": [], "bbox": [],
         "points": [QUAD[n:n + 2] for n in range(0, 8, 2)]}, [QUAD]),
        ("text-too-long", "X" * 199, {"segmentation": [QUAD]}, [QUAD]),
        ("no-outline", "LOST", {"segmentation": [[10, 20, 110, 20]], **NO_BOX}, [[10, 20, 110, 20]]),
        ("no-outline", "LOST", {"segmentation": [[10, 20], [110, 20]], **NO_BOX}, [[10, 20, 110, 20]]),
        ("no-outline", "LOST", {"segmentation": [[*QUAD, 7]], **NO_BOX}, [QUAD]),
        ("no-outline", "LOST", {"segmentation": [[float("nan"), 20, *QUAD]], **NO_BOX}, [QUAD]),
        ("no-outline", "LOST", {"segmentation": [], "bbox": [10, 20, 100, 0]},
         [[10, 20, 110, 20, 110, 20, 10, 20]]),
        ("no-outline", "LOST", {"segmentation": [["left", None]], "bbox": ["a", 2, 3, 4]}, None),
        ("no-outline", "LOST", {"segmentation": [], **NO_BOX}, None),
        ("no-outline", "LOST", {"segmentation": [[10**400, *QUAD[1:]]], "bbox": [10**400, 2, 3, 4]}, None),
        ("degenerate-outline", "LOST", {"segmentation": [[1e300, 20, 10, 20, 110, 20]]}, [[10, 20, 110, 20]]),
    ],
)  # fmt: skip
def test_a_finding_shows_what_the_file_says(
    annotated: AnnotatedFolder,
    kind: str,
    text: str,
    annotation: dict[str, Any],
    polygon: list[list[float]] | None,
) -> None:
    assert shown(checked(annotated, text, **annotation)) == [(kind, polygon)]


def test_a_mask_is_shown_as_a_box(annotated: AnnotatedFolder) -> None:
    mask = {"size": [120, 200], "counts": [1220, 16, 104, 16, 104, 16, 104, 16, 22404]}
    [(kind, polygon)] = shown(checked(annotated, "", segmentation=mask))
    assert kind == "no-text" and polygon is not None
    corners = np.array(polygon).reshape(4, 2)
    assert [*corners.min(axis=0), *corners.max(axis=0)] == [10, 20, 13, 35]


def test_the_second_of_two_equal_ones_is_shown(annotated: AnnotatedFolder) -> None:
    annotated.pages(4)
    for _ in range(2):
        annotated.text(1, "AGAIN", segmentation=[QUAD])
    annotated.write()
    assert shown(run_prepare(annotated)) == [("duplicate", [QUAD])]


def test_a_turned_picture_has_its_outlines_turned_upright(annotated: AnnotatedFolder) -> None:
    """Annotated as the file stores it, lying; drawn where the text is in the picture that people see."""
    annotated.pages(4)
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.new("RGB", (200, 120), (230, 225, 220)).save(annotated.path / "odd.jpg", exif=tags)
    annotated.images.append({"id": 70, "file_name": "odd.jpg", "width": 200, "height": 120})
    annotated.text(70, "", segmentation=[QUAD])
    annotated.write()
    upright = [100, 10, 100, 110, 84, 110, 84, 10]
    assert ("no-text", [upright]) in shown(run_prepare(annotated))


def test_outlines_annotated_at_another_size_are_shown_at_the_pictures(annotated: AnnotatedFolder) -> None:
    annotated.pages(4)
    twice = [2 * number for number in QUAD]
    annotated.text(annotated.picture("odd.png"), "", segmentation=[twice])
    annotated.images[-1].update(width=400, height=240)
    annotated.write()
    assert ("no-text", [QUAD]) in shown(run_prepare(annotated))


def test_nothing_is_drawn_where_nobody_can_tell_the_place(annotated: AnnotatedFolder) -> None:
    """The annotation file gives another shape than the picture's, and its only annotation is no outline."""
    annotated.pages(4)
    annotated.text(annotated.picture("odd.png"), "LOST", segmentation=[[10, 20, 110, 20]], bbox=[])
    annotated.images[-1].update(width=77)
    annotated.write()
    assert shown(run_prepare(annotated)) == [("no-outline", None)]


def test_long_outlines_are_thinned_out(annotated: AnnotatedFolder) -> None:
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.stack([100 + 50 * np.cos(angles), 60 + 50 * np.sin(angles)], axis=1)
    many = [[x, 10, x + 3, 10, x + 3, 20, x, 20] for x in range(10, 170, 4)]
    annotated.pages(4)
    for segmentation in ([circle.ravel().tolist()], many):
        annotated.text(1, "", segmentation=segmentation)
    annotated.write()
    (_, one), (_, several) = shown(run_prepare(annotated))
    assert one is not None and several is not None
    assert len(one) == 1 and 100 < len(one[0]) <= 200
    points = np.array(one[0]).reshape(-1, 2)
    assert points.min(axis=0) == pytest.approx([50, 10], abs=1), "all around, not cut off"
    assert points.max(axis=0) == pytest.approx([150, 110], abs=1)
    assert several == many[:25]
