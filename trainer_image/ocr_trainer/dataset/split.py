"""Which images validate: a tenth, chosen by the images' content.

By content, so that adding images reshuffles nothing, renaming changes nothing, and the same picture is never
on both sides.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from ocr_trainer.dataset.folder import Role

VALIDATION_SHARE = 0.1


class Hashed(Protocol):
    @property
    def content_hash(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        ...

    @property
    def words(self) -> int:
        """How many texts a recogniser can learn from it."""
        ...


Item = TypeVar("Item", bound=Hashed)


def role_by_content(content_hash: str) -> Role:
    """The side on which an image with this content lies in every data set."""
    return Role.VALIDATION if int(content_hash[:8], 16) < VALIDATION_SHARE * 2**32 else Role.TRAIN


def split(items: Iterable[Item]) -> Iterator[tuple[Role, Item]]:
    """Say for each image where it belongs, with texts on both sides where at least two images have any.

    A small set may by chance have nothing on one side; so images are held back until both sides have texts,
    and at the end the image with the smallest hash (or the largest, if none trains) changes sides.
    """
    held: list[tuple[Role, Item]] = []
    missing = {Role.TRAIN, Role.VALIDATION}
    for item in items:
        role = role_by_content(item.content_hash)
        if item.words:
            missing.discard(role)
        if not missing:
            yield from held
            held = []
            yield role, item
        else:
            held.append((role, item))
    if len(missing) == 1:
        _fill(held, missing.pop())
    yield from held


def _fill(held: list[tuple[Role, Item]], wanted: Role) -> None:
    with_words = [i for i, (_, item) in enumerate(held) if item.words]
    if len({held[i][1].content_hash for i in with_words}) < 2:
        return
    choose = min if wanted is Role.VALIDATION else max
    chosen = choose(held[i][1].content_hash for i in with_words)
    for i, (_, item) in enumerate(held):
        if item.content_hash == chosen:  # a copy of the picture goes with it
            held[i] = (wanted, item)
