"""The facade's settings: environment variables, read once, in `main`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_api.access import read_tokens

DEFAULT_PORT = 8000
DEFAULT_MAX_UPLOAD_BYTES = 20 * 1024**3
DEFAULT_BODY_SECONDS = 30.0


@dataclass(frozen=True)
class Settings:
    namespace: str
    volume_root: Path
    host: str = "0.0.0.0"
    port: int = DEFAULT_PORT
    kubeconfig: str | None = None
    """None: the pod's own service account."""
    token_file: Path | None = None
    """None: everybody may call."""
    legacy_without_token: bool = False
    """The old platform's calls carry no token."""
    cors_origins: tuple[str, ...] = ()
    max_upload_bytes: int = DEFAULT_MAX_UPLOAD_BYTES
    body_seconds: float = DEFAULT_BODY_SECONDS
    """So long a body may bring nothing."""


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
    size = environment.get("OCR_MAX_UPLOAD_BYTES") or str(DEFAULT_MAX_UPLOAD_BYTES)
    if not size.isdecimal() or int(size) == 0:
        raise ValueError(f"OCR_MAX_UPLOAD_BYTES: {size!r} is no number of bytes")
    origins = (origin.strip() for origin in environment.get("OCR_CORS_ORIGINS", "").split(","))
    return Settings(
        namespace=environment["OCR_NAMESPACE"],
        volume_root=root,
        host=environment.get("OCR_HOST") or Settings.host,
        port=int(port),
        kubeconfig=environment.get("KUBECONFIG") or None,
        token_file=_token_file(environment.get("OCR_TOKEN_FILE")),
        legacy_without_token=_yes(environment, "OCR_LEGACY_WITHOUT_TOKEN"),
        cors_origins=tuple(origin for origin in origins if origin),
        max_upload_bytes=int(size),
        body_seconds=_seconds(environment.get("OCR_BODY_SECONDS") or str(DEFAULT_BODY_SECONDS)),
    )


def _token_file(path: str | None) -> Path | None:
    if not path:
        return None
    try:
        read_tokens(Path(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"OCR_TOKEN_FILE: {error}") from None
    return Path(path)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise ValueError(f"OCR_BODY_SECONDS: {text!r} is no number of seconds below an hour")
    return seconds


def _yes(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").lower()
    if text not in ("", "true", "false"):
        raise ValueError(f"{name}: {text!r} is neither true nor false")
    return text == "true"
