"""Every request leaves its id, its line in the log and its mark in the figures; none holds the facade up."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from facade_process import Cluster, Facade, eventually, serve


def log_lines(facade: Facade) -> list[dict[str, Any]]:
    """Of the whole process: every line is a JSON object."""
    log = facade.volume.parent / f"{facade.namespace}-{facade.http.base_url.port}.log"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_request_is_found_by_its_id(facade: Facade, project_id: str) -> None:
    mine = f"{project_id.encode().hex()}-1"
    answer = facade.http.get("/status", params={"projectID": project_id}, headers={"X-Request-ID": mine})
    assert answer.headers["x-request-id"] == mine
    (line,) = (line for line in log_lines(facade) if line.get("requestId") == mine)
    assert line["method"] == "GET" and line["path"] == "/status" and line["status"] == 404
    assert line["bytes"] == len(answer.content) and line["milliseconds"] >= 0
    assert (line["client"], line["logger"], line["level"]) == ("127.0.0.1", "ocr_api.access", "info")
    problem = facade.http.get("/api/v1/projects/none", headers={"X-Request-ID": mine}).json()
    assert problem["requestId"] == mine


def test_an_id_that_could_forge_a_line_is_replaced(facade: Facade) -> None:
    for bad in ("a b", "x" * 65, '","level":"error'):
        given = facade.http.get("/status", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", given)


def test_probes_leave_no_lines(facade: Facade) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert facade.http.get(path).status_code == 200
    assert not [line for line in log_lines(facade) if line.get("path") in ("/healthz", "/readyz", "/metrics")]


def test_figures_count_by_route_and_hold_no_projects_name(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    facade.http.get(f"/api/v1/projects/{project_id}/runs/r1")
    facade.http.request("PROPFIND", "/status")
    page = facade.http.get("/metrics").text
    route = 'route="/api/v1/projects/{projectID}/runs/{runID}"'
    assert re.search(
        rf'ocr_api_request_seconds_count{{method="GET",{re.escape(route)},status="200"}} \d', page
    )
    assert 'method="other"' in page and "PROPFIND" not in page
    assert project_id not in page
    for name in ("ocr_api_watch_age_seconds", "ocr_api_projects", "process_resident_memory_bytes"):
        assert re.search(rf"^{name} [0-9.e+]+$", page, re.MULTILINE), name


def test_a_body_without_a_length_ends_at_the_limit_too(facade: Facade) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    # Ids that look like the paths of uploads are no uploads.
    names = (
        "/train/start",
        "/api/v1/projects",
        "/api/v1/projects/uploads/runs",
        "/api/v1/projects/files/tests",
    )
    for path in names:
        answer = facade.http.post(path, content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413, path


def test_callers_who_send_nothing_hold_nobody_else_up(facade: Facade, cluster: Cluster) -> None:
    """A hundred connections with half a body each, and the next question is answered at once."""
    with serve(cluster, facade.namespace, facade.volume, OCR_BODY_SECONDS="1") as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        address = (http.base_url.host, http.base_url.port or 80)
        head = f"POST /train/start HTTP/1.1\r\nHost: {address[0]}\r\nContent-Length: 100\r\n\r\nhalf".encode()
        idle = [socket.create_connection(address, timeout=20) for _ in range(100)]
        try:
            for connection in idle:
                connection.sendall(head)
            assert http.get("/status", params={"projectID": "none"}, timeout=5).status_code == 404
            for connection in idle:
                answer = connection.makefile("rb").read()  # until it is hung up
                assert answer.startswith(b"HTTP/1.1 408 ") and b"brought nothing for 1 s" in answer
        finally:
            for connection in idle:
                connection.close()


def test_answers_under_way_are_finished_when_the_facade_is_told_to_end(
    facade: Facade, project_id: str, cluster: Cluster
) -> None:
    model = facade.put(f"train/{project_id}/r1/model/pthModel.zip", b"model" * 4_000_000)
    got = bytearray()
    begun = threading.Event()
    reader: threading.Thread
    with serve(cluster, facade.namespace, facade.volume) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        url = f"{http.base_url}/train/download"

        def read() -> None:
            with httpx.stream("GET", url, params={"projectID": project_id, "trainID": "r1"}) as answer:
                for chunk in answer.iter_bytes():
                    got.extend(chunk)
                    begun.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert begun.wait(20)
    reader.join(20)
    assert bytes(got) == model.read_bytes()
