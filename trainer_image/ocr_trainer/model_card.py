"""The bundle's README: what the model is, trained on what, how good, what it gets wrong, how to use it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage

_DATA = {
    "trainImages": "training images",
    "trainWords": "training lines",
    "validationImages": "validation images",
    "validationWords": "validation lines",
    "testImages": "test images",
    "characters": "characters that can be read",
    "longestText": "longest text, in characters",
    "smallestTextHeight": "text height in pixels, 1st percentile",
    "medianTextHeight": "text height in pixels, median",
    "largestTextHeight": "text height in pixels, 99th percentile",
    "verticalShare": "share of vertical text",
    "unseenCharacters": "characters that only validation has",
    "nearDuplicates": "validation images that look like a training image",
    "errorFindings": "findings: could not be used",
    "repairedFindings": "findings: repaired",
    "ignoredFindings": "findings: ignored",
    "dictionarySha256": "dictionary, SHA-256",
    "fingerprint": "data, fingerprint",
}
_USE = """\
With mmocr 1.0.1 alone:

```python
from mmocr.apis import MMOCRInferencer

ocr = MMOCRInferencer(
    det="detection/config.py", det_weights="detection/best.pth",
    rec="recognition/found_lines.py", rec_weights="recognition/best.pth",
)
ocr("page.jpg", out_dir="")
```

`recognition/config.py` reads lines that are cut out already; `found_lines.py` is the same for lines as
MMOCRInferencer cuts them out of a page, wider than the recogniser learnt. Lines are read one by one (mmocr's
default, `rec_batch_size=1`): in a batch of its own making they would be padded.

`sha256sum -c SHA256SUMS` checks the files. Weights load with `weights_only=True`; `dictionary.txt` holds one
character a line; `train_config.py` is the configuration as it was trained, relative to the run's folder;
`ngrams.json`, where there is one, tells which texts are likely: ocr-trainer weighs its readings by it, mmocr
reads without, a little worse. The
recogniser was trained on lines with some of their surroundings (`reading` in its configuration): give it
lines cut a little wider than the text, not tight ones."""


def build_model_card(given: StageInput, figures: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Markdown. figures: what metrics.json holds."""
    train = given.train
    lines = [
        f"# {given.project_id}: text detector and recogniser", "",
        f"Run `{train.id}`, revision {train.revision}.", "",
        "## Use", _USE, "",
        "## Data", *_table({_DATA[k]: v for k, v in figures["dataset"].items() if k in _DATA}),
    ]  # fmt: skip
    for stage, settings in ((Stage.DETECTION, train.detection), (Stage.RECOGNITION, train.recognition)):
        values = settings.model_dump(mode="json", by_alias=True)
        lines += ["", f"## {stage.capitalize()}", "Settings:", "", *_table(values, digits=None)]
        lines += ["", "The best epoch on the validation images:", "", *_table(figures[stage])]
    lines += ["", *_evaluation(figures["evaluation"])]
    lines += ["", "## Versions", *_table(versions), ""]
    return "\n".join(lines)


def _evaluation(found: Mapping[str, Any]) -> Iterator[str]:
    end_to_end, errors = found["endToEnd"], found["detectorErrors"]
    yield "## Both together"
    yield (
        f"On {found['images']} validation images with {found['lines']} lines. Lines read right, as F1: "
        f"**{end_to_end['f1']:.4f}** from the detector's boxes, **{end_to_end['f1TrueBoxes']:.4f}** from "
        "true ones (the difference is the detector's share of the errors)."
    )
    yield ""
    yield from _table(
        {f"{k} {n}": v for k in ("detection", "endToEnd", "recognition") for n, v in found[k].items()}
    )
    yield from ("", "## What the detector gets wrong", "")
    yield from _table(
        {f"missed: {k}": v for k, v in errors["missed"].items()}
        | {f"false: {k}": v for k, v in errors["false"].items()}
    )
    for title, key in (("text height, pixels", "missedByHeight"), ("text length", "missedByLength")):
        yield from ("", f"| {title} | missed | of |", "|---|---|---|")
        yield from (f"| {name} | {row['missed']} | {row['of']} |" for name, row in errors[key].items())
    yield from (
        "",
        "## Which characters the recogniser mistakes",
        "",
        "| true | read | times |",
        "|---|---|---|",
    )
    for error in found["characterErrors"]:
        yield f"| {_shown(error['true'])} | {_shown(error['read'])} | {error['count']} |"


def _shown(character: str) -> str:
    """A character in a table's cell; none is a dash."""
    if not character:
        return "-"
    special = {" ": "blank", "|": "vertical bar", "`": "backtick", "\\": "backslash"}
    return special.get(character, f"`{character}`")


def _table(values: Mapping[str, Any], digits: int | None = 4) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for name, value in values.items():
        shown = f"{value:.{digits}f}" if isinstance(value, float) and digits else f"{value}"
        yield f"| {name} | {shown} |"
