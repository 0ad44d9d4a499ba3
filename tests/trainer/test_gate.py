"""What annotation pages, tools and people do to a data set, case by case: each with what becomes of it.

Every case adds one oddity to four sound pages. Its findings are compared whole: nothing else may be found.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotated_folder import AnnotatedFolder
from ocr_trainer.dataset.findings import Kind
from ocr_trainer.errors import TrainerError
from prepared import all_texts, findings, run_prepare

Build = Callable[[AnnotatedFolder], object]
QUAD = [10, 20, 110, 20, 110, 36, 10, 36]


@dataclass(frozen=True)
class Case:
    name: str
    build: Build
    finds: dict[Kind, int] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    """Texts that the data set holds."""
    loses: tuple[str, ...] = ()
    """Texts that it doesn't."""
    settings: dict[str, Any] = field(default_factory=dict)
    writes: bool = True
    """Whether annotations.json is written after `build`."""


def odd(text: str | None = "ODD", name: str = "odd.png", **annotation: Any) -> Build:
    """A page with one annotation."""
    return lambda folder: folder.text(folder.picture(name), text, **annotation)


def stored(kind: str, mode: str, name: str, **options: Any) -> Build:
    """A page stored in that format and mode."""

    def build(folder: AnnotatedFolder) -> None:
        page = Image.new("RGB", (200, 120), (230, 225, 220))
        page.paste((20, 20, 20), (12, 22, 60, 34))
        buffer = io.BytesIO()
        if mode == "I;16":
            page = Image.fromarray((np.asarray(page.convert("L")).astype(np.uint16)) * 257)
        else:
            page = page.convert(mode)
        page.save(buffer, kind, **options)
        replaced(name, buffer.getvalue())(folder)

    return build


def replaced(name: str, raw: bytes, text: str = "ODD") -> Build:
    """A page whose file holds these bytes."""

    def build(folder: AnnotatedFolder) -> None:
        folder.images.append({"id": 70, "file_name": name, "width": 200, "height": 120})
        folder.text(70, text, segmentation=[QUAD])
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(raw)

    return build


def named(in_file: str, on_disk: str) -> Build:
    """A page that the annotation file names otherwise than it lies on the disk."""

    def build(folder: AnnotatedFolder) -> None:
        folder.text(folder.picture(on_disk), "ODD")
        folder.images[-1]["file_name"] = in_file

    return build


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def changed(change: Callable[[dict[str, Any]], object]) -> Build:
    """The whole document changed before it is written."""

    def build(folder: AnnotatedFolder) -> None:
        odd()(folder)
        document = folder.document()
        change(document)
        (folder.path / "annotations.json").write_text(json.dumps(document))

    return build


def split_files(second: str = "part2.json", change: Callable[[AnnotatedFolder], object] = len) -> Build:
    """Two files: the sound pages in one, and one that begins its ids anew in another."""

    def build(folder: AnnotatedFolder) -> None:
        folder.write("part1.json")
        other = AnnotatedFolder(folder.path)
        other.text(other.picture("odd.png", shade=3), "ODD")
        if change is not len:
            change(other)
        other.write(second)

    return build


def both_texts(folder: AnnotatedFolder) -> None:
    folder.text(folder.picture("odd.png"), "ONE")
    folder.text(folder.picture("odd2.png"), "TWO")


def copy_of_a_page(folder: AnnotatedFolder) -> None:
    odd()(folder)
    (folder.path / "odd.png").write_bytes((folder.path / "page0.png").read_bytes())


def leaked(folder: AnnotatedFolder) -> None:
    folder.write("train.json")
    other = AnnotatedFolder(folder.path)
    other.images = [folder.images[0]]
    other.annotations = [a for a in folder.annotations if a["image_id"] == 1]
    other.write("val.json")


def rich_page(seed: int, quality: int = 95, scale: float = 1.0) -> bytes:
    """Words enough that a page looks like no other."""
    values = np.kron(np.random.default_rng(seed).integers(0, 2, (24, 30)) * 200 + 30, np.ones((10, 12)))
    page = Image.fromarray(values.astype(np.uint8)).convert("RGB")
    buffer = io.BytesIO()
    page.resize((round(page.width * scale), round(page.height * scale))).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def saved_again(folder: AnnotatedFolder) -> None:
    """A training page among the validation's, smaller and of poorer quality, beside one of its own."""
    other = AnnotatedFolder(folder.path)
    for name, raw, target in (
        ("big.jpg", rich_page(1), folder), ("small.jpg", rich_page(1, quality=40, scale=0.6), other),
        ("own.jpg", rich_page(2), other),
    ):  # fmt: skip
        (folder.path / name).write_bytes(raw)
        target.images.append({"id": 90 + len(target.images), "file_name": name})
        target.text(target.images[-1]["id"], "total")
    folder.write("train.json")
    other.write("val.json")


def unseen(folder: AnnotatedFolder) -> None:
    folder.write("train.json")
    other = AnnotatedFolder(folder.path)
    other.text(other.picture("check.png", shade=5), "LINE ß")
    other.write("val.json")


def two_names(folder: AnnotatedFolder) -> None:
    odd("FIRST", "deep/odd.png")(folder)
    folder.images.append({"id": 71, "file_name": "elsewhere/odd.png"})
    folder.text(71, "SECOND")


def two_pictures(folder: AnnotatedFolder) -> None:
    odd("LOST", "a/x/odd.png")(folder)
    (folder.path / "b/x").mkdir(parents=True)
    (folder.path / "b/x/odd.png").write_bytes((folder.path / "a/x/odd.png").read_bytes() + b"\0")
    folder.images[-1]["file_name"] = "x/odd.png"


def heic(folder: AnnotatedFolder) -> None:
    odd("LOST", "odd.png")(folder)
    (folder.path / "odd.png").rename(folder.path / "IMG 1.HEIC")
    folder.images[-1]["file_name"] = "IMG 1.HEIC"


def with_table(folder: AnnotatedFolder) -> None:
    folder.categories.append({"id": 2, "name": "table"})
    folder.text(1, None, category_id=2)
    folder.text(2, None, category_id=2)


def with_stamp(folder: AnnotatedFolder) -> None:
    folder.categories.append({"id": 2, "name": "stamp"})
    folder.text(1, "PAID", category_id=2)


def listed_again(folder: AnnotatedFolder) -> None:
    odd("ONE")(folder)
    folder.images.append({**folder.images[-1], "id": 72})
    folder.text(72, "TWO")


def not_valid(folder: AnnotatedFolder) -> None:
    odd("LOST")(folder)
    folder.images[-1]["valid"] = False


def no_name(folder: AnnotatedFolder) -> None:
    folder.images.append({"id": 73})
    folder.text(73, "LOST")


def same_id(folder: AnnotatedFolder) -> None:
    both_texts(folder)
    folder.annotations[-1]["id"] = folder.annotations[-2]["id"]


def nothing(folder: AnnotatedFolder) -> None:
    """Four sound pages alone."""


CASES = [
    Case("four sound pages", nothing, reads=("LINE A", "total")),
    # pictures
    Case("grey JPEG", stored("JPEG", "L", "odd.jpg"), reads=("ODD",)),
    Case("CMYK JPEG", stored("JPEG", "CMYK", "odd.jpg"), reads=("ODD",)),
    Case("16-bit PNG", stored("PNG", "I;16", "odd.png"), reads=("ODD",)),
    Case("palette PNG", stored("PNG", "P", "odd.png"), reads=("ODD",)),
    Case("PNG with alpha", stored("PNG", "RGBA", "odd.png"), reads=("ODD",)),
    Case("bilevel PNG", stored("PNG", "1", "odd.png"), reads=("ODD",)),
    Case("WebP", stored("WEBP", "RGB", "odd.webp"), reads=("ODD",)),
    Case("TIFF", stored("TIFF", "RGB", "odd.tiff"), reads=("ODD",)),
    Case("GIF", stored("GIF", "P", "odd.gif"), reads=("ODD",)),
    Case("BMP", stored("BMP", "RGB", "odd.bmp"), reads=("ODD",)),
    Case("PNG called .jpg", stored("PNG", "RGB", "odd.jpg"), reads=("ODD",)),
    Case("upside down by EXIF", stored("JPEG", "RGB", "odd.jpg", exif=exif(3)), {Kind.TURNED_IMAGE: 1},
         ("ODD",)),
    Case("turned by EXIF, annotated as stored", stored("JPEG", "RGB", "odd.jpg", exif=exif(6)),
         {Kind.TURNED_IMAGE: 1, Kind.OUTLINES_MOVED: 1}, ("ODD",)),
    Case("truncated", replaced("odd.jpg", rich_page(3)[:4000]), {Kind.UNREADABLE_IMAGE: 1}, loses=("ODD",)),
    Case("zero bytes", replaced("odd.jpg", b""), {Kind.UNREADABLE_IMAGE: 1}, loses=("ODD",)),
    Case("a web page", replaced("odd.jpg", b"<html>"), {Kind.UNREADABLE_IMAGE: 1}, loses=("ODD",)),
    Case("a kind nobody reads", heic, {Kind.UNREADABLE_IMAGE: 1}, loses=("LOST",)),
    Case("a size of another shape", lambda f: (odd("LOST")(f), f.images[-1].update(width=77)),
         {Kind.WRONG_SIZE: 1}, loses=("LOST",)),
    Case("annotated at twice the size", lambda f: (odd(segmentation=[[v * 2 for v in QUAD]])(f),
         f.images[-1].update(width=400, height=240)), {Kind.OUTLINES_MOVED: 1}, ("ODD",)),
    Case("no size given", lambda f: (odd()(f), f.images[-1].pop("width")), reads=("ODD",)),
    Case("the same picture twice", copy_of_a_page, {Kind.SAME_PICTURE: 1}, ("ODD",)),
    Case("saved again for the validation", saved_again, {Kind.NEAR_DUPLICATE: 1}, writes=False),
    Case("without annotations", lambda f: f.picture("blank.png")),
    # names
    Case("a name with blanks", odd(name="my odd page.png"), reads=("ODD",)),
    Case("a Chinese name", odd(name="发票/第一页.png"), reads=("ODD",)),
    Case("a sub-folder", odd(name="a/b/odd.png"), reads=("ODD",)),
    Case("upper-case extension", odd(name="ODD.PNG"), reads=("ODD",)),
    Case("another case than on the disk", named("Odd.PNG", "odd.png"), reads=("ODD",)),
    Case("a Windows path", named("C:\\Users\\me\\odd.png", "images/odd.png"), reads=("ODD",)),
    Case("percent signs", named("my%20odd.png", "my odd.png"), reads=("ODD",)),
    Case("an upload's prefix", named("1f2e3d4c-odd.png", "odd.png"), reads=("ODD",)),
    Case("two pictures of the name", two_pictures, {Kind.AMBIGUOUS_IMAGE: 1},
         loses=("LOST",)),
    Case("two entries for one picture", two_names, {Kind.IMAGE_TAKEN: 1}, ("FIRST",), ("SECOND",)),
    Case("not in the folder", lambda f: (odd("LOST")(f), (f.path / "odd.png").unlink()),
         {Kind.MISSING_IMAGE: 1}, loses=("LOST",)),
    Case("in no annotation file", lambda f: (f.path / "odd.png").write_bytes(rich_page(4)),
         {Kind.UNLISTED_IMAGE: 1}),
    # annotation files
    Case("an entry without a name", no_name, {Kind.UNNAMED_IMAGE: 1}, loses=("LOST",)),
    Case("marked as not valid", not_valid, {Kind.IMAGE_NOT_VALID: 1},
         loses=("LOST",)),
    Case("an image listed twice", listed_again, {Kind.IMAGE_LISTED_TWICE: 1}, ("ONE", "TWO")),
    Case("no object", changed(lambda d: d["annotations"].append(None)), {Kind.MALFORMED_ENTRY: 1}, ("ODD",),
         writes=False),
    Case("nobody's annotation", lambda f: f.text(99, "LOST"), {Kind.ORPHAN: 1}, loses=("LOST",)),
    Case("no image id", lambda f: f.text(1, "LOST").pop("image_id"), {Kind.ORPHAN: 1}, loses=("LOST",)),
    Case("an annotation id twice", same_id, {Kind.ANNOTATION_ID_TWICE: 1}, ("ONE", "TWO")),
    Case("ids as text on one side", changed(lambda d: [i.update(id=str(i["id"])) for i in d["images"]]),
         reads=("ODD",), writes=False),
    Case("ids as decimals",
         changed(lambda d: [a.update(image_id=float(a["image_id"])) for a in d["annotations"]]),
         reads=("ODD",), writes=False),
    Case("annotations before images", changed(lambda d: d.update(images=d.pop("images"))), reads=("ODD",),
         writes=False),
    Case("a second file with its own ids", split_files(), reads=("ODD", "LINE A"), writes=False),
    Case("a file that repeats another", lambda f: (f.write("copy.json"), f.write()),
         {Kind.IMAGE_LISTED_TWICE: 4}),
    Case("a validation file that repeats", leaked, {Kind.LEAKED_IMAGE: 1}, writes=False),
    Case("validation by its folder", split_files("valid/_annotations.coco.json"), {Kind.UNSEEN_CHARACTERS: 1},
         reads=("ODD",), writes=False),
    Case("characters that training never shows", unseen, {Kind.UNSEEN_CHARACTERS: 1}, ("LINE ß",),
         writes=False),
    Case("a category without text", with_table, {Kind.TEXTLESS_CATEGORY: 1}),
    Case("all that carry text", with_stamp, reads=("PAID",)),
    Case("a chosen category", with_stamp, {Kind.UNCHOSEN_CATEGORY: 1}, loses=("PAID",),
         settings={"categories": ["text"]}),
    # outlines
    Case("out of the picture", odd(segmentation=[[150, 20, 260, 20, 260, 36, 150, 36]]), {Kind.OUTLINE: 1},
         ("ODD",)),
    Case("wholly outside", odd("LOST", segmentation=[[300, 20, 360, 20, 360, 36, 300, 36]]),
         {Kind.DEGENERATE_OUTLINE: 1}, loses=("LOST",)),
    Case("corners in the wrong order", odd(segmentation=[[10, 20, 110, 36, 110, 20, 10, 36]]),
         {Kind.OUTLINE: 1}, ("ODD",)),
    Case("a polygon that crosses itself",
         odd(segmentation=[[10, 20, 60, 20, 110, 40, 110, 20, 60, 40, 10, 40]]),
         {Kind.OUTLINE: 1}, ("ODD",)),
    Case("degenerate", odd("LOST", segmentation=[[10, 10, 90, 10, 50, 10]]), {Kind.DEGENERATE_OUTLINE: 1},
         loses=("LOST",)),
    Case("counter-clockwise", odd(segmentation=[[10, 20, 10, 36, 110, 36, 110, 20]]), reads=("ODD",)),
    Case("neither polygon nor box", odd("LOST", segmentation=[], bbox=[]), {Kind.NO_OUTLINE: 1},
         loses=("LOST",)),
    Case("box alone", odd(segmentation=[], bbox=[10, 20, 100, 16]), reads=("ODD",)),
    Case("five numbers", odd(segmentation=[], bbox=[10, 40, 100, 16, 10]), reads=("ODD",)),
    Case("several polygons",
         odd(segmentation=[[10, 20, 60, 20, 60, 36, 10, 36], [60, 20, 110, 20, 110, 36, 60, 36]]),
         reads=("ODD",)),
    Case("a mask",
         odd(segmentation={"size": [120, 200], "counts": [1220, 16, 104, 16, 104, 16, 104, 16, 22404]}),
         reads=("ODD",)),
    Case("points", odd(segmentation=[], bbox=[], points=[[10, 20], [110, 20], [110, 36], [10, 36]]),
         reads=("ODD",)),
    Case("the same annotation twice", lambda f: [f.text(1, "AGAIN", segmentation=[QUAD]) for _ in range(2)],
         {Kind.DUPLICATE: 1}, ("AGAIN",)),
    # texts
    Case("a line break", odd("OD\r\nD"), {Kind.TEXT: 1}, ("OD D",)),
    Case("zero width", odd("O\u200bDD\ufeff"), {Kind.TEXT: 1}, ("ODD",)),
    Case("half of a pair of code units", changed(lambda d: d["annotations"][-1].update(text="O\ud83dDD")),
         {Kind.TEXT: 1}, ("ODD",), writes=False),
    Case("full width stays", odd("ＯＤＤ１"), reads=("ＯＤＤ１",)),
    Case("leading blanks", odd("  ODD"), {Kind.TEXT: 1}, ("ODD",)),
    Case("another normal form", odd("caf" + "e\u0301"), {Kind.TEXT: 1}, ("caf\u00e9",)),
    Case("empty text", odd(""), {Kind.NO_TEXT: 1}),
    Case("no text", odd(None), {Kind.NO_TEXT: 1}),
    Case("too long", odd("X" * 199), {Kind.TEXT_TOO_LONG: 1}, ("X" * 199,)),
    Case("as long as can be held", odd("X" * 198), reads=("X" * 198,)),
    Case("don't care", odd("###"), loses=("###",)),
    Case("illegible", odd("smudge", legibility="illegible"), loses=("smudge",)),
    Case("a crowd", odd(None, iscrowd=1)),
    Case("in a list of attributes", odd(None, attributes=[{"name": "transcription", "value": "ODD"}]),
         reads=("ODD",)),
    Case("label is a text", odd(None, label="ODD"), reads=("ODD",)),
    Case("label is the category", odd(None, label="text"), {Kind.NO_TEXT: 1}, loses=("text",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_becomes_of(case: Case, annotated: AnnotatedFolder) -> None:
    annotated.pages(4)
    case.build(annotated)
    if case.writes:
        annotated.write()
    run = run_prepare(annotated, dataset=case.settings)
    assert findings(run) == {(kind.severity, kind.word): count for kind, count in case.finds.items()}
    texts = all_texts(run)
    assert set(case.reads) <= set(texts) and not set(case.loses) & set(texts), texts


def test_every_kind_of_finding_has_a_case() -> None:
    shown = {kind for case in CASES for kind in case.finds}
    assert set(Kind) - shown == set()


def contradicting(folder: AnnotatedFolder) -> None:
    folder.write("a.json")
    folder.annotations[0]["text"] = "CORRECTED"
    folder.write("b.json")


FAILURES = [
    ("two alternatives", contradicting, {}, "AmbiguousAnnotations",
     r"a\.json and b\.json .* train\.dataset\.annotations"),
    ("an unknown category", lambda f: f.write(), {"categories": ["texts"]}, "BadConfiguration",
     "'texts'.*exist: text"),
    ("only a category without text", lambda f: (with_table(f), f.write()), {"categories": ["table"]},
     "NoText", "textKey"),
    ("all annotations are nobody's", lambda f: ([a.update(image_id=-1) for a in f.annotations], f.write()),
     {},
     "NothingUsable", "no annotation that belongs to an image"),
    ("no such annotation file", lambda f: f.write(), {"annotations": "x.json"}, "NoAnnotations", r"x\.json"),
    ("no such validation file", lambda f: f.write(), {"validation": {"file": "v.json"}}, "NoAnnotations",
     r"v\.json"),
    ("cut off in the middle", lambda f: (f.write(), (f.path / "annotations.json").write_bytes(
        (f.path / "annotations.json").read_bytes()[:900])), {}, "BrokenAnnotations",
     r"annotations\.json .*line 1, column"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "settings", "reason", "words"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES]
)
def test_only_what_makes_training_pointless_fails(
    annotated: AnnotatedFolder, build: Build, settings: dict[str, Any], reason: str, words: str
) -> None:
    annotated.pages(4)
    build(annotated)
    with pytest.raises(TrainerError, match=words) as caught:
        run_prepare(annotated, dataset=settings)
    assert caught.value.reason == reason and "\n" not in caught.value.message
