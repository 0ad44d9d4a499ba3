"""Fetch what the chart's objects are checked against, once: Kubernetes' kinds and others' custom resources.

All of it lies in the zips of Go modules, which come from where the tools come from and are pinned by sums.
Only the files named here are kept, as they are or as the schemas made of them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from ocr_cluster import schemas
from ocr_cluster.errors import BuildError

DEFINITIONS = Path(__file__).resolve().parents[2] / ".cluster" / "definitions"
SWAGGER = "api/openapi-spec/swagger.json"
FETCH_SECONDS = 600.0  # patience with a slow line; a zip has at most 18 MB


@dataclass(frozen=True)
class Source:
    """Some files of one Go module's zip, which make one folder."""

    folder: str
    module: str
    version: str
    sum: str  # of the whole zip, as go.sum has it
    files: tuple[str, ...]


def kubernetes(version: str, h1: str) -> Source:
    """The kinds that this version's API server has."""
    minor = ".".join(version.removeprefix("v").split(".")[:2])
    return Source(f"kubernetes-{minor}", "k8s.io/kubernetes", version, h1, (SWAGGER,))


KUBERNETES = (
    kubernetes("v1.31.14", "h1:UtjLfqvXLuSVDdJ4+NpQCIfFkKkLnAAVmxAEMsnkhjk="),
    kubernetes("v1.32.13", "h1:5TGYdZ6YZqdp6h/Rp1vX/4TIoybMPdgv97LCZCtPuNQ="),
    kubernetes("v1.33.13", "h1:bmH31xUdSzeA5vk0wZAK9MZp11mdLuzUSeKk0qN3hPQ="),
    kubernetes("v1.34.4", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk="),
    kubernetes("v1.35.4", "h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM="),
)
RESOURCES = (
    Source(
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        tuple(
            f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml"
            for plural in ("servicemonitors", "podmonitors", "prometheusrules")
        ),
    ),
    Source(
        "gateway-api",
        "sigs.k8s.io/gateway-api",
        "v1.6.3",  # later ones need a later Go than the tools
        "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
        tuple(
            f"config/crd/standard/gateway.networking.k8s.io_{plural}.yaml"
            for plural in ("gatewayclasses", "gateways", "httproutes")
        ),
    ),
    Source(
        "kueue",
        "sigs.k8s.io/kueue",
        "v0.17.0",
        "h1:7hzb38M4eKGzYW+CFv2s1L+swzzacUCHOCXxZmAV90I=",
        ("config/components/crd/bases/kueue.x-k8s.io_localqueues.yaml",),
    ),
)


def fetch(source: Source, definitions: Path) -> bool:
    """Make the source's folder unless it is of just this source; whether it was made."""
    folder = definitions / source.folder
    stamp, made_of = folder / "stamp", fingerprint(source)
    if stamp.exists() and stamp.read_text() == made_of:
        return False
    print(f"fetching the definitions of {source.module} {source.version} (3 seconds)", flush=True)
    started = time.monotonic()
    fresh = definitions / f"{source.folder}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, text in files_of(source).items():
        (fresh / name).write_text(text)
    (fresh / "stamp").write_text(made_of)
    if folder.exists():
        shutil.rmtree(folder)
    fresh.rename(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"    {source.folder}: {time.monotonic() - started:.0f} s, {size >> 10} kB", flush=True)
    return True


def fingerprint(source: Source) -> str:
    """Changes when the folder's files would."""
    return hashlib.sha256(repr(source).encode() + Path(schemas.__file__).read_bytes()).hexdigest()


def files_of(source: Source) -> dict[str, str]:
    """File name -> text: custom resources as they are, and the schemas of all kinds."""
    made: dict[str, str] = {}
    documents: dict[str, schemas.Schema] = {}
    for path, content in download(source).items():
        if path == SWAGGER:
            documents |= schemas.of_kubernetes(json.loads(content))
        else:
            made[Path(path).name] = content.decode()
            documents |= schemas.of_resource(yaml.safe_load(content))
    return made | {name: json.dumps(document, sort_keys=True) for name, document in documents.items()}


def download(source: Source) -> dict[str, bytes]:
    """The named files out of the module's zip, which must have the pinned sum."""
    # In a cache of its own, which goes: Go would keep the zip and all of its 30,000 files beside it.
    with tempfile.TemporaryDirectory() as cache:
        environment = {"GOMODCACHE": cache, "GOFLAGS": "-modcacherw", "GOWORK": "off"}
        command = ["go", "mod", "download", "-json", f"{source.module}@{source.version}"]
        try:
            done = subprocess.run(
                command,
                cwd=cache,
                env=os.environ | environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=FETCH_SECONDS,
            )
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"{' '.join(command)}: {error}") from error
        if done.returncode != 0:
            raise BuildError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        said = json.loads(done.stdout)
        if said["Sum"] != source.sum:
            raise BuildError(
                f"{source.module} {source.version} has the sum {said['Sum']}, not the pinned {source.sum}: "
                "it is not what it was"
            )
        with zipfile.ZipFile(said["Zip"]) as archive:
            root = f"{source.module}@{source.version}"
            return {path: archive.read(f"{root}/{path}") for path in source.files}
