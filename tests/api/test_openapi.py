"""The OpenAPI document says all of it, and the running facade keeps to what it says."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from facade_process import Facade
from tested_images import image_line

TESTS = Path(__file__).resolve().parents[1]


def test_the_legacy_paths_are_described_with_examples(facade: Facade) -> None:
    document = facade.get("/openapi.json").json()
    health = {"/healthz", "/readyz", "/metrics"}
    legacy = {path for path in document["paths"] if not path.startswith("/api/")} - health
    assert legacy == {
        "/train/start", "/train/stop", "/test/start", "/test/stop", "/status", "/getEpoch",
        "/train/checkFile", "/test/checkFile", "/train/download", "/test/download",
    }  # fmt: skip
    for path in legacy:
        get, post = document["paths"][path]["get"], document["paths"][path]["post"]
        names = [parameter["name"] for parameter in get["parameters"]]
        for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert list(post["requestBody"]["content"][kind]["schema"]["properties"]) == names
        assert get["operationId"] != post["operationId"]
    answers = {n: s for n, s in document["components"]["schemas"].items() if n.endswith("Answer")}
    assert len(answers) >= 7 and all(
        schema["examples"] for name, schema in answers.items() if name != "Answer"
    )
    start = document["paths"]["/train/start"]["get"]["parameters"]
    assert [p["name"] for p in start if p["required"]] == ["projectID", "trainID"]


def test_every_call_of_v1_is_described_whole(facade: Facade) -> None:
    document = facade.get("/openapi.json").json()
    described = {
        f"{verb} {path}": operation
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        if path.startswith("/api/v1/")
    }
    assert len(described) >= 30
    for name, operation in described.items():
        assert operation["summary"] and operation["description"] and operation["tags"], name
        assert operation["security"] == [{"HTTPBearer": []}], name
        assert {"401", "503"} <= set(operation["responses"]), name
        for status, answer in operation["responses"].items():
            if status >= "4" and status != "416":
                assert list(answer["content"]) == ["application/problem+json"], name
    schemas = document["components"]["schemas"]
    for name in (
        "ProjectDocument", "RunDocument", "Upload", "File", "Finding", "ResultLine", "Character", "Event",
    ):  # fmt: skip
        assert any(field.get("examples") for field in schemas[name]["properties"].values()), name
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(schemas)


def seed_the_examples(facade: Facade) -> None:
    """What the description's examples name, so that calls get further than "there is no such project"."""
    facade.ask("/train/start", projectID="receipts", trainID="2026-11-25")
    past = {"id": "2026-11-24", "revision": 0, "outcome": "Succeeded", "hmean": 0.5, "endToEndF1": 0.5}
    facade.report("receipts", model={"trainId": "2026-11-25", "path": "x"}, runs=[past])
    facade.put("train/receipts/2026-11-25/testResult.json", b"{}")
    for path in ("model/pthModel.zip", "log/record.log"):
        facade.put(f"train/receipts/2026-11-25/{path}", b"content of it\n" * 100)
    step = b'{"step": 1, "epoch": 1, "loss": 0.5}\n'
    facade.put("train/receipts/2026-11-25/work/detection/metrics.jsonl", step)
    finding = b'{"severity": "error", "kind": "no-outline", "image": "a.jpg", "polygon": [[1, 2, 3, 4]]}\n'
    facade.put("train/receipts/2026-11-25/work/dataset/findings.jsonl", finding)
    counts = b'{"characters": [{"character": "A", "training": 1, "validation": 0}]}'
    facade.put("train/receipts/2026-11-25/work/dataset/characters.json", counts)
    facade.put("test/receipts/t1/testResult.json", b"{}")
    picture = io.BytesIO()
    Image.new("RGB", (800, 600)).save(picture, "JPEG")
    for folder in ("train/receipts/2026-11-25", "test/receipts/t1"):
        lines = image_line("receipts/017.jpg", ("10.00", ("1O.00", 0.4)), ("RM", None))
        facade.put(f"{folder}/work/test/lines.jsonl", lines)
        facade.put(f"{folder}/receipts/017.jpg", picture.getvalue())


def test_no_call_that_the_description_allows_is_answered_otherwise(facade: Facade, tmp_path: Path) -> None:
    """schemathesis draws calls from the description, good ones and bad: no 5xx, nothing undescribed."""
    seed_the_examples(facade)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run",
            f"{facade.http.base_url}/openapi.json",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_schema_conformance,response_headers_conformance",
            "--exclude-path", "/api/v1/watch",  # never ends
            "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1",
            "--request-timeout", "20", "--suppress-health-check", "all", "--no-color",
        ],
        cwd=tmp_path, env=os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(TESTS)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
