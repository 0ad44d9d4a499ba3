"""What every route stands on: projects, the volume, what is kept of it, figures, work beside the answers."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ocr_api.files import Volume
from ocr_api.kube import Projects
from ocr_api.metrics import Metrics
from ocr_api.pictures import Pictures
from ocr_api.results import Results
from ocr_api.uploads.store import UploadStore


@dataclass(frozen=True)
class Facade:
    projects: Projects
    volume: Volume
    uploads: UploadStore
    results: Results
    pictures: Pictures
    metrics: Metrics
    background: Callable[[Coroutine[Any, Any, None]], None]
    """Run this beside the answers; it ends before the process does."""
