"""Where things lie on the shared volume: one definition for the platform's files and for ours.

<root>/train/<projectID>/<trainID>/   images, annotations; the legacy files; work/ is ours
<root>/test/<projectID>/<testID>/     images; status_test.json, testResult.json
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_FORBIDDEN = ("/", "\\", "\0")

OWN_NAMES = frozenset(
    {"status.json", "status_test.json", "testResult.json", "testMetrics.json", "log", "model", "work"}
)
"""What the stages write into a run's or a test's folder: nobody's images or annotations may be called so."""

SCORE_BINS = 20
"""Of equal width over 0 to 1: so a test counts the recogniser's scores."""


def check_id(value: str, field: str) -> str:
    """The id itself, or ValueError in the user's terms: an id is one folder name on the volume."""
    if not value:
        raise ValueError(f"{field} must not be empty")
    if value in (".", "..") or any(character in value for character in _FORBIDDEN):
        raise ValueError(
            f"{field} {value!r} is not allowed: it must not be '.' or '..' or hold '/', '\\' or NUL"
        )
    if len(value.encode()) > 200:
        raise ValueError(f"{field} is too long: 200 bytes at most")
    return value


def train_subpath(project_id: str, train_id: str) -> str:
    """The run's folder relative to the volume's root."""
    return str(PurePosixPath("train", check_id(project_id, "projectID"), check_id(train_id, "trainID")))


def test_subpath(project_id: str, test_id: str) -> str:
    """The test's folder relative to the volume's root."""
    return str(PurePosixPath("test", check_id(project_id, "projectID"), check_id(test_id, "testID")))


def check_init_from(value: str) -> str:
    """The value of `initFrom` itself, or ValueError: a run's trainID, or a .pth file by its path."""
    if not value.endswith(".pth"):
        return check_id(value, "initFrom")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in value:
        raise ValueError(
            f"initFrom {value!r} is not allowed: a .pth file is named by its folder and name, "
            "relative to the volume's root and without '..'"
        )
    return value


def init_subpath(project_id: str, init_from: str) -> str:
    """The folder, relative to the volume's root, that holds what `initFrom` names."""
    if init_from.endswith(".pth"):
        return str(PurePosixPath(check_init_from(init_from)).parent)
    return train_subpath(project_id, init_from)


@dataclass(frozen=True)
class TestFolder:
    """A folder in which images are tested; a run's own folder is one, too (runTest)."""

    path: Path
    __test__ = False

    @property
    def status_test(self) -> Path:
        return self.path / "status_test.json"

    @property
    def test_result(self) -> Path:
        return self.path / "testResult.json"

    @property
    def test_metrics(self) -> Path:
        return self.path / "testMetrics.json"

    @property
    def lines(self) -> Path:
        """One JSON line for each image: every line of it, true and found, and what became of it."""
        return self.path / "work" / "test" / "lines.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """A training run's folder."""

    path: Path

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def record_log(self) -> Path:
        return self.path / "log" / "record.log"

    @property
    def model_zip(self) -> Path:
        return self.path / "model" / "pthModel.zip"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def dataset(self) -> Path:
        return self.work / "dataset"

    @property
    def findings(self) -> Path:
        return self.dataset / "findings.jsonl"

    def stage(self, stage: str) -> Path:
        """The stage's own folder: checkpoints, curves, its owner file."""
        return self.work / stage

    @property
    def test(self) -> TestFolder:
        return TestFolder(self.path)
