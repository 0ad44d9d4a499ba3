"""The chart's README says what values.yaml says, and its commands set values that there are."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ocr_cluster.control_plane import BINARIES

CHARTS = Path(__file__).resolve().parents[2] / "charts"
README = CHARTS / "ocr-operator" / "README.md"
VALUES = CHARTS / "ocr-operator" / "values.yaml"


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Of every value, and of what it lies in."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{path}.{key}" if path else key)


def test_the_readme_is_made_of_the_values_of_now() -> None:
    command = [str(BINARIES / "helm-docs"), "-c", str(CHARTS), "-s", "file", "-l", "warning", "--dry-run"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stderr == ""
    assert made.stdout == README.read_text(), "`make chart-docs` makes it anew"


def test_every_value_has_a_line() -> None:
    text = README.read_text()
    values = yaml.safe_load(VALUES.read_text())
    lines = set(re.findall(r"^\| `([^`]+)` \| .+ \| .+ \|$", text, re.MULTILINE))
    known = set(paths(values))
    assert lines <= known
    inner = {path.rpartition(".")[0] for path in known}
    said = {path for path in known if any(path == line or path.startswith(f"{line}.") for line in lines)}
    assert known - inner - said == set()


def test_the_values_that_its_commands_set_exist() -> None:
    text = README.read_text()
    named = set(re.findall(r"--set(?:-string)? ([\w.]+)=", text))
    assert named and named <= set(paths(yaml.safe_load(VALUES.read_text())))


def test_it_needs_nothing_from_the_internet_to_be_read() -> None:
    assert "![" not in README.read_text() and "<img" not in README.read_text()
