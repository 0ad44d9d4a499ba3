"""The facade's settings: environment variables, read once, in `main`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8000


@dataclass(frozen=True)
class Settings:
    namespace: str
    volume_root: Path
    host: str = "0.0.0.0"
    port: int = DEFAULT_PORT
    kubeconfig: str | None = None
    """None: the pod's own service account."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings, or ValueError naming the variable that is missing or wrong."""
    missing = [name for name in ("OCR_NAMESPACE", "OCR_VOLUME_ROOT") if not environment.get(name)]
    if missing:
        raise ValueError(f"set {' and '.join(missing)} in the environment")
    root = Path(environment["OCR_VOLUME_ROOT"])
    if not root.is_dir():
        raise ValueError(f"OCR_VOLUME_ROOT: {root} is not a folder")
    port = environment.get("OCR_PORT") or str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"OCR_PORT: {port!r} is not a port")
    return Settings(
        namespace=environment["OCR_NAMESPACE"],
        volume_root=root,
        host=environment.get("OCR_HOST") or Settings.host,
        port=int(port),
        kubeconfig=environment.get("KUBECONFIG") or None,
    )
