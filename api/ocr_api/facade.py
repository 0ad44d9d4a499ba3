"""What every route stands on: the projects, the volume, uploads, figures, and work beside the answers."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ocr_api.files import Volume
from ocr_api.kube import Projects
from ocr_api.metrics import Metrics
from ocr_api.uploads.store import UploadStore


@dataclass(frozen=True)
class Facade:
    projects: Projects
    volume: Volume
    uploads: UploadStore
    metrics: Metrics
    background: Callable[[Coroutine[Any, Any, None]], None]
    """Run this beside the answers; it ends before the process does."""
