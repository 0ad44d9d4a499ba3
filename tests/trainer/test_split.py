"""The split depends on the pictures' content alone, and both sides get something to learn or measure."""

import hashlib
from dataclasses import dataclass

from ocr_trainer.dataset.folder import Role
from ocr_trainer.dataset.split import role_by_content, split


@dataclass(frozen=True)
class Page:
    content_hash: str
    words: int = 1


def pages(count: int, words: int = 1) -> list[Page]:
    return [Page(hashlib.sha256(str(number).encode()).hexdigest(), words) for number in range(count)]


def validating(items: list[Page]) -> set[str]:
    return {page.content_hash for role, page in split(items) if role is Role.VALIDATION}


def test_a_tenth_validates() -> None:
    assert 70 < len(validating(pages(1000))) < 130


def test_order_and_more_images_reshuffle_nothing() -> None:
    few, many = pages(500), pages(800)
    assert validating(few) == validating(few[::-1]) == validating(many) & {p.content_hash for p in few}


def test_every_image_is_on_one_side() -> None:
    assert sorted(p.content_hash for _, p in split(pages(50))) == sorted(p.content_hash for p in pages(50))


def test_few_images_still_give_two_sides() -> None:
    for count in range(2, 12):
        items = pages(count)
        assert 1 <= len(validating(items)) < count
        assert validating(items) == validating(items[::-1])


def test_a_side_without_texts_gets_an_image_with_texts() -> None:
    readable = [p for p in pages(60) if role_by_content(p.content_hash) is Role.TRAIN][:4]
    negatives = [
        Page(p.content_hash, 0) for p in pages(60) if role_by_content(p.content_hash) is Role.VALIDATION
    ]
    chosen = validating([*negatives, *readable])
    assert chosen & {p.content_hash for p in readable}


def test_all_by_chance_validating_still_train() -> None:
    items = [p for p in pages(200) if role_by_content(p.content_hash) is Role.VALIDATION][:3]
    assert len(validating(items)) == 2


def test_copies_of_one_picture_are_never_on_both_sides() -> None:
    page, other = pages(2)
    for items in ([page, page, other], [page, page], [other, page, page]):
        sides: dict[str, set[Role]] = {}
        for role, item in split(items):
            sides.setdefault(item.content_hash, set()).add(role)
        assert all(len(roles) == 1 for roles in sides.values())
