"""Lines that were never photographed: the run's own texts, varied and rendered with free fonts.

A few thousand lines hold few of a language's words and fonts. A synthetic line takes the place of a real
one: its words are exchanged for others of the data, digits and some letters for random ones, and it is drawn
where the real line's text stands, in that picture's size, paper and ink. So lengths, widths and tones are the
data's, no character appears that the data doesn't have, and whatever varies a real line varies this one.

The fonts are those that matplotlib brings (DejaVu, STIX and Computer Modern, all free). Everything follows
from the generator that is handed in.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocr_trainer.dataset.crops import Crop

logger = logging.getLogger(__name__)

_FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif",
    "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmtt10", "cmss10",
)  # fmt: skip
_SIZE = 40
"""Pixels a font is drawn at: more than a line's picture has, so that it is always made smaller."""
_COVERED_SHARE = 0.8
"""Of the data's characters: a font that has fewer is for another script."""
_LEAST_CONTRAST = 60
_DIGITS = "0123456789"

Ink = NDArray[np.float32]
"""0 paper, 1 ink"""


@dataclass(frozen=True)
class _Font:
    face: ImageFont.FreeTypeFont
    characters: frozenset[str]

    def draw(self, text: str) -> Ink | None:
        """The text's ink and nothing around it; None where there is none."""
        left, top, right, bottom = map(int, self.face.getbbox(text))
        if right <= left or bottom <= top:
            return None
        picture = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=self.face)
        return np.asarray(picture, np.float32) / 255


class SyntheticLines:
    """Draws lines in the manner of the data that `texts` come from; half a millisecond each."""

    def __init__(self, texts: Sequence[str], fonts: Sequence[_Font]) -> None:
        self._fonts = fonts
        characters = set("".join(texts))
        letters = {c for c in characters if c.isalpha()}
        self._letters = sorted(letters)
        self._marks = sorted(c for c in characters if not c.isalnum() and c != " ")
        # Annotators who write all in one case write so whatever the picture shows.
        self._one_case = len({c.casefold() for c in letters}) == len(letters)
        self._words: dict[int, list[str]] = {}
        for text in texts:
            for word in text.split():
                self._words.setdefault(len(word), []).append(word)

    @classmethod
    def like(cls, texts: Sequence[str]) -> "SyntheticLines | None":
        """None, and a word in the log, where the fonts at hand don't have the texts' characters."""
        fonts = _fonts_for(set("".join(texts)) - {" "})
        if not fonts:
            logger.warning("Drew no synthetic lines: no font at hand has the data's characters")
            return None
        return cls(texts, fonts)

    def draw(self, text: str, crop: Crop, rng: np.random.Generator) -> tuple[str, Crop]:
        """A text like `text`, and its picture in the place of that one's; both as they are now and then."""
        dice = random.Random(int(rng.integers(2**63)))
        varied = self._vary(text, dice)
        shown = self.shown(varied, dice)
        font = dice.choice(self._fonts)
        ink = font.draw(shown) if font.characters.issuperset(shown) else None
        if ink is None:
            return text, crop
        page = _lay(ink, crop, dice)
        _add_neighbours(page, crop.box, dice)
        return varied, Crop(_print(page, crop.image, dice, rng), crop.box)

    def _vary(self, text: str, dice: random.Random) -> str:
        """Other words and numbers of the same lengths: CTC must still find a step for every character."""
        words = []
        for word in text.split(" "):
            if dice.random() < 0.35:
                word = dice.choice(self._words.get(len(word), [word]))
            if dice.random() < 0.6:
                scramble = dice.random() < 0.2
                word = "".join(self._exchange(character, scramble, dice) for character in word)
            words.append(word)
        return " ".join(words)

    def _exchange(self, character: str, scramble: bool, dice: random.Random) -> str:
        if character in _DIGITS:
            return dice.choice(_DIGITS)
        if character.isalpha():
            return dice.choice(self._letters) if scramble else character
        return dice.choice(self._marks) if self._marks and dice.random() < 0.1 else character

    def shown(self, text: str, dice: random.Random) -> str:
        """What the picture says where the truth is `text`."""
        if not self._one_case:
            return text
        return dice.choices((text.upper(), text.title(), text.lower()), (60, 25, 15))[0]


def _fonts_for(characters: set[str]) -> list[_Font]:
    """The fonts that have nearly all of the characters."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = []
    for name in _FONTS:
        path = str(folder / f"{name}.ttf")
        own = frozenset(map(chr, FT2Font(path).get_charmap())) | {" "}
        if len(own & characters) >= _COVERED_SHARE * len(characters):
            face = ImageFont.truetype(path, _SIZE, layout_engine=ImageFont.Layout.BASIC)
            fonts.append(_Font(face, own))
    return fonts


def _lay(ink: Ink, crop: Crop, dice: random.Random) -> Ink:
    """The ink in the place of the crop's text, on a page of the crop's size; (height, width)."""
    page = np.zeros(crop.image.shape[:2], np.float32)
    x0, y0, x1, y1 = crop.box
    width, height = x1 - x0, y1 - y0
    tall = len(ink) / (0.8 * _SIZE)
    if tall < 0.6:  # dots and dashes, which don't fill the line
        top = height * (1 - tall) * dice.uniform(0.2, 0.9)
        bottom = height * (1 - tall) - top
    else:
        top, bottom = (height * dice.uniform(0, 0.14) for _ in range(2))
    rows, columns = max(3, round(height - top - bottom)), max(2, round(width * dice.uniform(0.93, 1)))
    weight = dice.random()
    if weight < 0.4:  # bolder, or thinner
        ink = (cv2.dilate if weight < 0.2 else cv2.erode)(ink, np.ones((2, 2), np.uint8))
    ink = np.asarray(cv2.resize(ink, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    above, left = max(0, round(y0 + top)), max(0, round(x0 + (width - columns) * dice.random()))
    place = page[above : above + rows, left : left + columns]
    place[:] = ink[: place.shape[0], : place.shape[1]]
    return page


def _add_neighbours(page: Ink, box: tuple[int, int, int, int], dice: random.Random) -> None:
    """What else a line's picture may show: a rule along the text, the feet of the line above."""
    height, width = page.shape
    _, y0, _, y1 = box
    if dice.random() < 0.15:
        row = dice.choice((max(0, y0 - 1), min(height - 1, y1)))
        page[row : row + 1 + (y1 - y0 > 20)] = dice.uniform(0.3, 1)
    if y0 > 3 and dice.random() < 0.3:
        rows = dice.randint(1, y0 // 2)
        begin, length = dice.randrange(width), dice.randint(1, width)
        feet = page[max(y0, y1 - rows) : y1, begin : begin + length]  # the line's own, elsewhere
        page[: len(feet), : feet.shape[1]] = np.maximum(page[: len(feet), : feet.shape[1]], feet)


def _print(
    page: Ink, model: NDArray[np.uint8], dice: random.Random, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The page in the paper and ink of a real picture, blurred or faded now and then; (height, width, 3)."""
    height, width = page.shape
    if dice.random() < 0.5:
        page = np.asarray(cv2.GaussianBlur(page, (3, 3), dice.uniform(0.3, 1)), np.float32)
    if dice.random() < 0.3:
        patches = rng.random((height // 4 + 1, width // 4 + 1), np.float32)
        smooth = np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC))
        page = page * (0.35 + 0.85 * smooth.clip(0, 1)).clip(0, 1)
    tones = np.sort(model[::2, ::2].mean(2), axis=None)
    paper, ink = float(tones[int(len(tones) * 0.85)]), float(tones[int(len(tones) * 0.02)])
    ink = max(0.0, min(ink, paper - _LEAST_CONTRAST))
    picture = paper - (paper - ink) * dice.uniform(0.5, 1) * page.clip(0, 1)
    return np.repeat(picture.astype(np.uint8)[:, :, None], 3, axis=2)
