"""pydantic's complaints in a user's words: the field's path, then what is wrong with it."""

from pydantic import ValidationError


def in_words(error: ValidationError, prefix: str = "") -> str:
    """`train.detection.epochs: Input should be greater than or equal to 1; ...`"""
    complaints = []
    for complaint in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in (*filter(None, (prefix,)), *complaint["loc"]))
        what = {"extra_forbidden": "there is no such field"}.get(complaint["type"], complaint["msg"])
        complaints.append(f"{field}: {what.removeprefix('Value error, ')}")
    return "; ".join(complaints)
