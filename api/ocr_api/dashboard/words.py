"""The dashboard's languages: which one a browser gets, and words, numbers and times in it."""

from collections.abc import Mapping
from enum import StrEnum

from ocr_api.dashboard.vocabulary import WORDS


class Language(StrEnum):
    EN = "en"
    ZH = "zh"


LOCALES: Mapping[Language, str] = {Language.EN: "en", Language.ZH: "zh-CN"}
"""What `lang` of a page says."""


class Words:
    """The table in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = list(Language).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The words; `values` replace what stands in braces."""
        return WORDS[key][self._column].format(**values) if values else WORDS[key][self._column]

    def known(self, key: str, otherwise: str) -> str:
        """The words of a key that others make up, such as a newer operator's condition."""
        return self(key) if key in WORDS else otherwise

    def under(self, prefix: str) -> dict[str, str]:
        """All words whose keys begin so, by the rest of the key."""
        return {key.removeprefix(prefix): self(key) for key in WORDS if key.startswith(prefix)}

    def duration(self, seconds: float) -> str:
        """Rounded to what people say: 45 s, 12 min, 3 h 20 min, 4 d."""
        whole = max(0, round(seconds))
        if whole < 60:
            return f"{whole} {self('second')}"
        if whole < 3600:
            return f"{whole // 60} {self('minute')}"
        if whole < 86400:
            minutes = whole % 3600 // 60
            rest = f" {minutes} {self('minute')}" if minutes else ""
            return f"{whole // 3600} {self('hour')}{rest}"
        return f"{whole // 86400} {self('day')}"


def preferred(chosen: str | None, accepted: str) -> Language:
    """The language that was chosen, else the first known of an Accept-Language header, else English."""
    if chosen in set(Language):
        return Language(chosen)
    ranked = []
    for place, part in enumerate(accepted.split(",")):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        ranked.append((-weight, place, name.strip().lower().partition("-")[0]))
    known = (name for weight, _, name in sorted(ranked) if weight < 0 and name in set(Language))
    return Language(next(known, Language.EN))
