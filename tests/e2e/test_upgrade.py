"""An administrator upgrades from the chart released before, and takes the release away again."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from example_receipts import RECEIPTS, put_receipts
from ocr_cluster.release import Release, condition
from ocr_contract.resource import LABEL_PROJECT

REPOSITORY = Path(__file__).resolve().parents[2]
EARLIER = REPOSITORY / "tests" / "chart" / "releases" / "ocr-operator-0.1.0.tgz"

pytestmark = pytest.mark.e2e


@pytest.fixture
def earlier(release: Release) -> Iterator[Release]:
    """A release of the chart before, in a namespace of its own beside the other's."""
    with TemporaryDirectory(prefix="ocr-upgrade-") as volume:
        other = replace(release, namespace=f"{release.namespace}-before", volume=Path(volume))
        try:
            other.install(EARLIER, {})
            yield other
        finally:
            other.uninstall()
            release.kubectl("delete", "pv", f"ocr-ocr-operator-data.{other.namespace}", check=False)


def pods(release: Release, stage: str) -> dict[str, str]:
    """uid and phase of the stage's pods."""
    lines = release.kubectl(
        "get", "pods", "-l", f"{LABEL_PROJECT}=upgraded,ocrproject.dev/stage={stage}", "--no-headers",
        "-o", "custom-columns=UID:.metadata.uid,PHASE:.status.phase",
    )  # fmt: skip
    return dict(line.split() for line in lines.splitlines())  # type: ignore[arg-type]


def epoch(release: Release) -> int:
    trainer = release.project("upgraded").get("status", {}).get("trainer", {})
    return int(trainer.get("detection", {}).get("epoch", 0))


def wait(release: Release, reached: Any, what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        failed = condition(release.project("upgraded"), "Failed")
        assert failed is None, failed
        shown = release.kubectl("get", "ocr,jobs,pods", "-o", "wide", check=False)
        assert time.monotonic() < deadline, f"{what}\n{shown}"
        time.sleep(1)


def test_a_run_goes_on_while_the_release_is_upgraded_and_stays_when_it_is_taken_away(
    earlier: Release, tmp_path: Path
) -> None:
    run = put_receipts(earlier, "upgraded", "r1", {"train": 12, "val": 3})
    manifest = yaml.safe_load((RECEIPTS / "ocrproject-demo.yaml").read_text())
    manifest["metadata"]["name"] = manifest["spec"]["projectID"] = "upgraded"
    manifest["spec"]["train"] |= {"id": "r1", "runTest": False}
    manifest["spec"]["train"]["detection"] |= {"epochs": 20, "evaluateEvery": 20}
    manifest["spec"]["train"]["recognition"] |= {"epochs": 1}
    manifest["spec"]["resources"] |= {"cpu": "1"}
    path = tmp_path / "upgraded.yaml"
    path.write_text(yaml.safe_dump(manifest))
    earlier.kubectl("apply", "-f", str(path))
    wait(earlier, lambda: epoch(earlier) >= 1, "the detector does not train")
    before, at = pods(earlier, "detection"), epoch(earlier)

    earlier.install()

    assert list(before.values()) == ["Running"]
    after = pods(earlier, "detection")
    assert after.keys() == before.keys() and set(after.values()) <= {"Running", "Succeeded"}, after
    wait(earlier, lambda: epoch(earlier) > at, "the figures stand still")
    wait(earlier, lambda: condition(earlier.project("upgraded"), "Complete"), "the run does not end")
    stages = earlier.project("upgraded")["status"]["train"]["stages"]
    assert {stage["attempts"] for name, stage in stages.items() if name != "test"} == {1}
    model = run / "model" / "pthModel.zip"
    assert model.exists()

    earlier.install(values={})  # as an administrator who keeps what there is
    earlier.helm("uninstall", earlier.name, "--wait", "--timeout", "1m")

    assert condition(earlier.project("upgraded"), "Complete"), "the project is gone"
    assert model.exists()
    assert "Bound" in earlier.kubectl("get", "pvc", "ocr-ocr-operator-data")
    kinds = "deployments,roles,rolebindings,networkpolicies,services"
    assert "ocr-ocr-operator" not in earlier.kubectl("get", kinds, "-o", "name")
