"""From a change in the store to the receivers, while this process leads and no longer."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ocr_operator.settings import Settings
from ocr_operator.store import Store
from ocr_operator.telling.teller import Teller, deliveries_of
from report_receiver import SECRET, Receiver

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def project(name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": f"2026-11-25T09:00:0{version}Z",
    }
    return {"metadata": metadata, "spec": {"train": {"id": "r1"}}} | fields


def failed(name: str, version: int) -> dict[str, Any]:
    stages = {"prepare": {"state": "Failed", "message": "no annotations"}}
    train = {"id": "r1", "stages": stages, "finishedAt": "2026-11-25T11:59:00Z"}
    return project(name, version, status={"phase": "Failed", "train": train})


@pytest.fixture
def settings(platform: Receiver, others: Receiver, tmp_path: Path) -> Settings:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    return Settings.from_environment(
        {
            "OCR_NAMESPACE": "ns",
            "OCR_TRAINER_IMAGE": "trainer:1",
            "OCR_VOLUME_CLAIM": "data",
            "OCR_STATUS_REPORT_URL": platform.url,
            "OCR_STATUS_REPORT_SECRET_FILE": str(secret),
            "OCR_CLOUDEVENTS_URL": others.url,
        }
    )


async def until(server: Receiver, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.accepted) < count:
            await asyncio.sleep(0.005)


async def led(teller: Teller, *scene: Any) -> None:
    """Let the teller run while the scene is played."""
    running = asyncio.create_task(teller.run())
    for part in scene:
        await part
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_platform_and_others_hear_the_same_under_the_same_id(
    settings: Settings, platform: Receiver, others: Receiver
) -> None:
    store = Store()
    teller = Teller(store, deliveries_of(settings, lambda *_: None), lambda: NOW)

    async def changes() -> None:
        await asyncio.sleep(0)
        store.remember_project(project("p"))
        store.remember_project(failed("p", 2))
        store.remember_project(failed("p", 2))  # the watch shows what was written

    asyncio.run(led(teller, changes(), until(platform, 2), until(others, 2)))
    assert [r.id for r in platform.accepted] == [r.json["id"] for r in others.accepted]
    assert [r.json["type"].rpartition(".")[2] for r in others.accepted] == ["progressed", "failed"]
    told, data = platform.accepted[1].json, others.accepted[1].json["data"]
    assert told["msg"] == "no annotations" and data == told | {"phase": "Failed"}


def test_a_receiver_that_is_down_keeps_nothing_from_the_other(
    settings: Settings, platform: Receiver, others: Receiver
) -> None:
    store = Store()
    platform.answers = lambda _: 500
    teller = Teller(store, deliveries_of(settings, lambda *_: None), lambda: NOW)
    store.remember_project(failed("p", 1))
    asyncio.run(led(teller, until(others, 1)))
    assert others.accepted and not platform.accepted


def test_who_does_not_lead_tells_nothing_and_who_leads_again_tells_what_is_owed(
    settings: Settings, platform: Receiver
) -> None:
    store = Store()
    teller = Teller(store, deliveries_of(settings, lambda *_: None), lambda: NOW)

    async def scene() -> None:
        store.remember_project(project("p"))
        await led(teller, until(platform, 1))
        store.remember_project(failed("p", 2))
        assert not store.on_change
        await led(teller, until(platform, 2))

    asyncio.run(scene())
    assert [len(r.json["msg"]) > 2 for r in platform.accepted] == [False, True]


def test_of_two_projects_with_one_id_only_the_older_is_told(settings: Settings, platform: Receiver) -> None:
    store = Store()
    teller = Teller(store, deliveries_of(settings, lambda *_: None), lambda: NOW)
    spec = {"projectID": "receipts", "train": {"id": "r1"}}
    store.remember_project(project("younger", 2, spec=spec))
    store.remember_project(project("older", 1, spec=spec))
    store.remember_project(project("another", 3))
    asyncio.run(led(teller, until(platform, 2)))
    assert sorted(r.json["projectID"] for r in platform.accepted) == ["another", "receipts"]


def test_a_status_that_nobody_can_read_stops_nobody(
    settings: Settings, platform: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    teller = Teller(store, deliveries_of(settings, lambda *_: None), lambda: NOW)
    store.remember_project(project("odd", spec={"train": "r1"}))
    store.remember_project(project("good"))
    asyncio.run(led(teller, until(platform, 1)))
    assert platform.words("projectID") == ["good"]
    assert "could not be told" in caplog.text


def test_without_an_address_nothing_is_done(settings: Settings) -> None:
    silent = Settings(namespace="ns", trainer_image="t", volume_claim="d")
    store = Store()
    teller = Teller(store, deliveries_of(silent, lambda *_: None), lambda: NOW)

    async def scene() -> None:
        running = asyncio.create_task(teller.run())
        await asyncio.sleep(0.01)
        assert not running.done() and not store.on_change
        running.cancel()

    asyncio.run(scene())
