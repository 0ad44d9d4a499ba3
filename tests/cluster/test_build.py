"""Tools are compiled when what they are made of changed, and only then."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ocr_cluster import build
from ocr_cluster.control_plane import BINARIES
from ocr_cluster.errors import BuildError
from ocr_cluster.promtool import bring_promtool

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
PAUSE = next(tool for tool in build.tools() if tool.name == "pause")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A copy of a small real tool's module."""
    return Path(shutil.copytree(CLUSTER / PAUSE.module, tmp_path / "module"))


def test_a_tool_is_compiled_once_and_again_after_a_change(module: Path, tmp_path: Path) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    assert build.compile_tool(PAUSE, module, binaries)
    assert not build.compile_tool(PAUSE, module, binaries)
    source = module / "main.go"
    source.write_text(source.read_text() + "\n// changed\n")
    assert build.compile_tool(PAUSE, module, binaries)
    (binaries / "pause").unlink()
    assert build.compile_tool(PAUSE, module, binaries)


def test_a_failed_compilation_shows_the_compilers_words_and_keeps_the_old_binary(
    module: Path, tmp_path: Path
) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "pause").write_text("old")
    (module / "main.go").write_text("package main\nfunc main() { nonsense() }\n")
    with pytest.raises(BuildError, match="undefined: nonsense"):
        build.compile_tool(PAUSE, module, binaries)
    assert (binaries / "pause").read_text() == "old"


def test_the_tools_know_their_versions() -> None:
    flags = {tool.name: build.linker_flags(tool) for tool in build.tools()}
    assert f"component-base/version.gitVersion={build.KUBERNETES}" in flags["hyper"]
    assert "chartutil.k8sVersionMinor=35" in flags["helm"]
    modules = (CLUSTER / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes {build.KUBERNETES}" in modules
    assert f"helm.sh/helm/v3 {build.HELM}" in modules
    assert f"main.version={build.HELM_DOCS}" in flags["helm-docs"]
    assert f"main.version={build.KUBECONFORM}" in flags["kubeconform"]
    modules = (CLUSTER / "charttools" / "go.mod").read_text()
    assert f"github.com/norwoodj/helm-docs {build.HELM_DOCS}" in modules
    assert f"github.com/yannh/kubeconform {build.KUBECONFORM}" in modules


def test_promtool_is_there_and_not_brought_again() -> None:
    before = (BINARIES / "promtool").stat().st_ino
    assert not bring_promtool(BINARIES)
    assert (BINARIES / "promtool").stat().st_ino == before
    said = subprocess.run([BINARIES / "promtool", "--version"], capture_output=True, text=True, check=True)
    assert "promtool, version" in said.stdout + said.stderr
