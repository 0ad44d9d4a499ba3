"""What the Dockerfile takes from elsewhere, without building it."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
LOCKED = {p["name"]: p["version"] for p in tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]}
INDEX = "https://index.example/cpu"


def requirements(folder: Path, torch: str) -> dict[str, list[str]]:
    """Each file that the trainer is installed from, as requirements with their hashes on one line."""
    script = REPOSITORY / "images" / "trainer-requirements.sh"
    environment = os.environ | {"PATH": f"{REPOSITORY / '.uv' / 'bin'}:{os.environ['PATH']}"}
    command = ["sh", str(script), torch, INDEX, str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {
        str(path.relative_to(folder)): path.read_text().replace("\\\n", "").splitlines()
        for path in folder.rglob("*.txt")
    }


def names(lines: list[str]) -> set[str]:
    return {line.partition("==")[0] for line in lines}


def test_the_label_of_the_version_is_the_projects() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert re.findall(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE) == [project["version"]]


def test_torch_comes_from_the_lock_alone_unless_the_cpu_is_asked_for(tmp_path: Path) -> None:
    files = requirements(tmp_path, "cuda")
    assert files.keys() == {"torch/all.txt", "trainer/all.txt"}
    assert all("--hash=sha256:" in line for lines in files.values() for line in lines)
    assert (
        {"torch", "nvidia-cublas", "triton"}
        <= names(files["torch/all.txt"])
        <= names(files["trainer/all.txt"])
    )


def test_for_the_cpu_torch_has_the_locked_version_and_nothing_of_cuda_is_left(tmp_path: Path) -> None:
    everything = names(requirements(tmp_path / "cuda", "cuda")["trainer/all.txt"])
    files = requirements(tmp_path / "cpu", "cpu")

    assert files.pop("torch/cpu.txt") == [
        f"--index-url {INDEX}",
        f"torch=={LOCKED['torch']}+cpu",
        f"torchvision=={LOCKED['torchvision']}+cpu",
    ]
    assert all("--hash=sha256:" in line for lines in files.values() for line in lines)
    left_out = everything - names(files["trainer/all.txt"])
    assert {"torch", "torchvision", "triton", "nvidia-cublas"} <= left_out
    assert all(re.match(r"torch|triton|nvidia-|cuda-", name) for name in left_out), left_out
    remaining = {name for lines in files.values() for name in names(lines)}
    assert not [name for name in remaining if re.match(r"torch|triton|nvidia|cuda", name)]


def test_a_torch_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="TORCH is cuda or cpu, not 'rocm'"):
        requirements(tmp_path, "rocm")
