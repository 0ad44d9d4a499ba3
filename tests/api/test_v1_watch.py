"""/api/v1/watch: whoever listens sees every project, then every change, however slowly they read."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from facade_process import Facade, eventually


def events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, data) of each server-sent event."""
    kind = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def test_a_listener_hears_of_what_is_there_of_changes_and_of_the_end(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    with facade.http.stream("GET", "/api/v1/watch", params={"projectID": project_id}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard = events(answer)
        kind, document = next(heard)
        assert (kind, document["projectID"], document["spec"]["train"]["id"]) == ("project", project_id, "r1")
        facade.report(project_id, phase="Training", progress=7)
        kind, document = next((k, d) for k, d in heard if d["status"].get("progress") == 7)
        assert kind == "project" and document["status"]["phase"] == "Training"
        facade.delete(project_id)
        assert any(kind == "deleted" for kind, _ in heard)


def test_all_projects_come_to_a_listener_without_a_filter(facade: Facade, project_id: str) -> None:
    names = {f"{project_id}-{n}" for n in range(3)}
    for name in names:
        facade.ask("/train/start", projectID=name, trainID="r1")
    with facade.http.stream("GET", "/api/v1/watch") as answer:
        waited = set(names)
        for _, document in events(answer):
            waited.discard(document["projectID"])
            if not waited:
                break


def test_a_hundred_listeners_cost_the_api_server_nothing(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")

    def calls() -> float:
        page = facade.http.get("/metrics").text.splitlines()
        return next(
            float(line.split()[1]) for line in page if line.startswith("ocr_api_server_requests_total ")
        )

    with httpx.Client(base_url=facade.http.base_url, timeout=20) as many:
        before = calls()
        streams = [many.stream("GET", "/api/v1/watch") for _ in range(100)]
        answers = [stream.__enter__() for stream in streams]
        try:
            for answer in answers:
                assert next(events(answer))
            assert calls() - before <= 3  # its own watch may have begun anew
        finally:
            for stream in streams:
                stream.__exit__(None, None, None)
    eventually(lambda: facade.http.get("/healthz").is_success)
