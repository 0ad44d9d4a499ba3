"""`make demo`: from nothing to a trained model on a real Kubernetes, on this machine alone.

It takes a user's own steps one after another (build the images, helm install, kubectl apply, watch, ask the
facade) and says before each how long it takes. The last line is one JSON object.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ocr_cluster import build, images
from ocr_cluster.node import Node
from ocr_cluster.release import TAG, TARGETS, Release, ReleaseError, condition, get_json, open_to_pods

REPOSITORY = Path(__file__).resolve().parents[1]
RECEIPTS = REPOSITORY / "examples" / "receipts"
NAMESPACE = "ocr"
RUN_LIMIT_SECONDS = 45 * 60


def step(title: str, duration: str, action: Callable[[], Any]) -> Any:
    """Announce, do, and say how long it took."""
    print(f"\n==> {title} ({duration})", flush=True)
    started = time.monotonic()
    result = action()
    print(f"    done in {time.monotonic() - started:.0f} s", flush=True)
    return result


def write_manifest(folder: Path, train_id: str) -> Path:
    """The demo's manifest with a run id of its own: a finished run is never repeated under the same id."""
    manifest = yaml.safe_load((RECEIPTS / "ocrproject-demo.yaml").read_text())
    manifest["spec"]["train"]["id"] = train_id
    path = folder / "ocrproject.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return path


def copy_receipts(volume: Path, project: str, train_id: str) -> Path:
    """What the annotation platform does: images and annotations into the run's folder, before it starts."""
    run = volume / "train" / project / train_id
    shutil.copytree(RECEIPTS / "data", run)
    open_to_pods(volume / "train")
    return run


def watch(release: Release, name: str) -> dict[str, Any]:
    """Print `kubectl get ocr -w` until the run ends; the finished OcrProject."""
    print(f"    $ kubectl -n {release.namespace} get ocr {name} -w", flush=True)
    command = [str(release.binaries / "hyper"), "kubectl", "--kubeconfig", str(release.kubeconfig),
               "-n", release.namespace, "get", "ocr", name, "-w"]  # fmt: skip
    table = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + RUN_LIMIT_SECONDS
        while time.monotonic() < deadline:
            project = release.project(name)
            if condition(project, "Complete") or condition(project, "Failed"):
                return project
            time.sleep(2)
        raise ReleaseError(f"the run did not end within {RUN_LIMIT_SECONDS // 60} minutes")
    finally:
        time.sleep(1)  # the last row is on its way
        table.terminate()
        table.wait(timeout=10)


def figures(project: dict[str, Any]) -> dict[str, Any]:
    """The run's figures from the resource's status, as a reader of `kubectl get -o yaml` finds them."""
    trainer = project["status"].get("trainer", {})
    return {kind: trainer.get(kind, {}) for kind in ("dataset", "detection", "recognition", "test")}


def report(project: dict[str, Any], run: Path, facade: dict[str, Any], release: Release) -> None:
    """The figures, where the model lies, and three commands to go on with."""
    found = figures(project)
    dataset, detector, reader, test = (found[k] for k in ("dataset", "detection", "recognition", "test"))
    print(f"""
  data        {dataset.get("trainImages")} images, {dataset.get("trainWords")} lines to train on; {dataset.get("validationImages")} images to validate
  detector    precision {detector.get("precision")}  recall {detector.get("recall")}  hmean {detector.get("hmean")}
  recogniser  word_acc {reader.get("wordAcc")}  char_precision {reader.get("charPrecision")}  char_recall {reader.get("charRecall")}
  end to end  precision {test.get("endToEndPrecision")}  recall {test.get("endToEndRecall")}  F1 {test.get("endToEndF1")}  on {test.get("imagesDone")} test images
  facade      {json.dumps(facade, ensure_ascii=False)}
  model       {run / "model" / "pthModel.zip"}
  texts read  {run / "testResult.json"}

Try next:
  export KUBECONFIG={release.kubeconfig} PATH={release.binaries}:$PATH
  kubectl -n {release.namespace} get ocr -o wide
  unzip -l {run / "model" / "pthModel.zip"}
  make cluster-down          # stops everything; the data stays in .demo/""")  # noqa: E501


def main() -> int:
    started = time.monotonic()
    demo = REPOSITORY / ".demo"
    demo.mkdir(exist_ok=True)
    node = Node(REPOSITORY / ".cluster")
    print(
        "This builds a Kubernetes from source, three images and a model, on this machine alone.\n"
        "The first time: 7 minutes for Kubernetes, 4 for the images, 10 for the training; later 11 in all."
    )
    step(
        "Compile Kubernetes, helm and BuildKit",
        "7 minutes once, then seconds",
        lambda: build.build(REPOSITORY),
    )
    kubeconfig = step("Start the node", "half a minute", node.up)
    for target in TARGETS:
        duration = "2 minutes once, then seconds" if target == "trainer" else "a minute once, then seconds"
        name = f"ocr-{target}:{TAG}"
        step(f"Build {name}", duration, partial(images.build_image, node, REPOSITORY, target, name))
    release = Release(REPOSITORY, node.binaries, kubeconfig, NAMESPACE, demo / "volume")
    step("helm install", "half a minute", release.install)
    train_id = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    run = copy_receipts(release.volume, "receipts-demo", train_id)
    manifest = write_manifest(demo, train_id)
    step(f"kubectl apply -f {manifest.relative_to(REPOSITORY)}", "a second",
         lambda: release.kubectl("apply", "-f", str(manifest)))  # fmt: skip
    project = step("Train 120 receipts, test 15", "about 10 minutes", lambda: watch(release, "receipts-demo"))
    with release.facade() as address:
        facade = get_json(f"{address}/status?projectID=receipts-demo")
    report(project, run, facade, release)
    found = figures(project)
    failed = condition(project, "Failed")
    if failed:
        print(f"The run failed: {failed['reason']}: {failed['message']}", file=sys.stderr)
    print(json.dumps({
        "phase": project["status"]["phase"],
        "hmean": found["detection"].get("hmean"),
        "char_precision": found["recognition"].get("charPrecision"),
        "end_to_end_f1": found["test"].get("endToEndF1"),
        "model": str(run / "model" / "pthModel.zip"),
        "seconds": round(time.monotonic() - started),
    }))  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ReleaseError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
