"""Which categories of annotations train: those that were chosen, or all that ever carry a text.

Documents are annotated with tables and logos beside their texts; a detector that shall find texts must
neither learn those nor be blamed for them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ocr_trainer.dataset.coco import AnnotationFile
from ocr_trainer.dataset.findings import Finding, Kind
from ocr_trainer.dataset.texts import TextRules, category_of, keys_seen
from ocr_trainer.errors import BadConfiguration, BadData

_NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Choice:
    """The categories whose annotations are left out, by what is said about them."""

    left_out: frozenset[str]
    findings: list[Finding] = field(default_factory=list)


def rules_of(file: AnnotationFile, text_key: str) -> TextRules:
    """How the file's texts are read."""
    return TextRules(text_key, frozenset(file.categories.values()), dot_is_illegible=file.keyed)


def choose(files: list[AnnotationFile], chosen: list[str], text_key: str) -> Choice:
    """BadConfiguration if a chosen category doesn't exist; BadData if no annotation carries a text."""
    names = ", ".join(file.name for file in files)
    if not any(file.annotations for file in files):
        raise BadData(f"{names}: there is no annotation that belongs to an image", reason="NothingUsable")
    counts = Counter[str]()
    for file in files:
        for identifier, count in file.category_counts.items():
            counts[file.categories.get(identifier) or identifier] += count
    known = {*counts, *(name for file in files for name in file.categories.values() if name)}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        exist = ", ".join(sorted(known)[:_NAMED_AT_MOST])
        raise BadConfiguration(
            f"train.dataset.categories: there is no category {unknown[0]!r} in {names}; "
            f"those that exist: {exist}"
        )
    wanted = set(chosen) & counts.keys() if chosen else set(counts)
    textless = wanted - _with_text(files, wanted, text_key)
    findings = [
        Finding(
            Kind.TEXTLESS_CATEGORY, "", f"category {name!r} never has text",
            f"its {counts[name]} annotations left out",
        )
        for name in sorted(textless)
    ] + [
        Finding(
            Kind.UNCHOSEN_CATEGORY, "", f"category {name!r} isn't among train.dataset.categories",
            f"its {counts[name]} annotations left out",
        )
        for name in sorted(counts.keys() - wanted)
    ]  # fmt: skip
    return Choice(frozenset(counts.keys() - wanted | textless), findings)


def _with_text(files: list[AnnotationFile], wanted: set[str], text_key: str) -> set[str]:
    """The wanted categories that carry text; reads no further than until each has shown one."""
    with_text: set[str] = set()
    keys: set[str] = set()
    for file, rules, annotation in _annotations(files, text_key):
        category = category_of(annotation, file.categories)
        if category not in wanted or category in with_text:
            continue
        if rules.read(annotation).strip() not in ("", "###"):
            with_text.add(category)
            if with_text == wanted:
                break
        elif not with_text and len(keys) < _NAMED_AT_MOST:
            keys |= keys_seen(annotation)
    if not with_text:
        sought = f"under the key {text_key!r}" if text_key else "under any known key"
        seen = ", ".join(sorted(keys)[:_NAMED_AT_MOST]) or "none that could hold one"
        raise BadData(
            f"no annotation has a text {sought}, so there is nothing to learn to read (keys seen: {seen}); "
            "train.dataset.textKey names another",
            reason="NoText",
        )
    return with_text


def _annotations(
    files: list[AnnotationFile], text_key: str
) -> Iterator[tuple[AnnotationFile, TextRules, dict[str, object]]]:
    for file in files:
        rules, reader = rules_of(file, text_key), file.reader()
        for entry in file.entries:
            for annotation in reader.read(file.places(entry)):
                yield file, rules, annotation
        reader.close()
