"""Wrap a root file system as an image archive that containerd imports: one layer, no registry."""

import hashlib
import io
import json
import tarfile
from pathlib import Path


def write_image(
    archive: Path, name: str, layer: Path, *, command: list[str], environment: list[str] | None = None
) -> None:
    """An OCI archive of one uncompressed layer, under the full name of an image (with registry and tag)."""
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": environment or [], "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    layers = [_descriptor("layer.v1.tar", digest, layer.stat().st_size)]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _media_type("manifest.v1+json"),
            "config": _descriptor("config.v1+json", hashlib.sha256(config).hexdigest(), len(config)),
            "layers": layers,
        }
    ).encode()
    entry = _descriptor("manifest.v1+json", hashlib.sha256(manifest).hexdigest(), len(manifest))
    entry |= {"annotations": {"io.containerd.image.name": name}}
    entry |= {"platform": {"architecture": "amd64", "os": "linux"}}
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, f"blobs/sha256/{digest}")
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())


def layer_of(files: dict[str, Path], layer: Path) -> Path:
    """The layer's path, holding those files under those names, the same bytes every time."""
    with tarfile.open(layer, "w") as tar:
        for name, source in files.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, source.stat().st_size
            with source.open("rb") as file:
                tar.addfile(info, file)
    return layer


def _media_type(kind: str) -> str:
    return f"application/vnd.oci.image.{kind}"


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": _media_type(kind), "digest": f"sha256:{digest}", "size": size}


def _add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
