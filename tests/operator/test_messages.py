"""The two forms in which a report leaves: a signed status report, and a CloudEvent."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest

from ocr_contract.legacy import Word
from ocr_operator.telling.messages import cloud_event, status_report
from ocr_operator.telling.news import Happening, Report
from ocr_operator.telling.signing import parse_secrets, signed_headers
from report_receiver import KEY, SECRET, Received

REPORT = Report(
    id="msg_0123",
    project=("team-a", "receipts-3f"),
    run="2026_收据",
    line="train",
    happening=Happening.SUCCEEDED,
    occurred=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    body=json.dumps({"code": 0, "status": Word.SUCCEEDED.value, "det_epoch": 50}).encode(),
    circumstances={"phase": "Succeeded", "conditions": [{"type": "Complete", "status": "True"}]},
)
# By the text of the CloudEvents 1.0.2 specification and its JSON format.
CLOUD_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "propertyNames": {"pattern": "^([a-z0-9]{1,20}|data_base64)$"},
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "pattern": r"^[!-~]+$"},
        "type": {"type": "string", "minLength": 1, "pattern": r"^dev\.ocrproject\."},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "datacontenttype": {"type": "string", "pattern": "^[^/ ]+/[^/ ]+$"},
        "data": {"type": "object"},
    },
}


def test_a_status_report_is_the_body_itself_signed_with_its_id_and_time() -> None:
    headers, body = status_report(REPORT, 1_800_000_000, [KEY])
    assert body == REPORT.body and headers["Content-Type"] == "application/json"
    assert headers["webhook-id"] == "msg_0123" and headers["webhook-timestamp"] == "1800000000"


def test_the_signature_is_that_of_the_schemes_own_example() -> None:
    secret = parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign() -> None:
    other = bytes(reversed(KEY))
    secrets = parse_secrets(f"{SECRET}\n\n whsec_{'A' * 32} \n")
    assert len(secrets) == 2 and secrets[0] == KEY
    headers = signed_headers([other, KEY], "msg_1", 1, b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("change", ["body", "id", "time"])
def test_what_was_changed_on_its_way_does_not_pass(change: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers([KEY], "msg_1", now, b"{}")
    assert Received("/", headers, b"{}").is_signed_with(KEY)
    changed = {"id": {"webhook-id": "msg_2"}, "time": {"webhook-timestamp": str(now - 1)}, "body": {}}
    body = b"{ }" if change == "body" else b"{}"
    assert not Received("/", headers | changed[change], body).is_signed_with(KEY)


@pytest.mark.parametrize(
    "text", ["", "\n", "a password", "whsec_c2hvcnQ=", "whsec_!!!", f"{SECRET}\nold", "whsec_" + "A" * 96]
)
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as refused:
        parse_secrets(text)
    assert all(word not in str(refused.value) for word in text.split() if len(word) > 6)


def test_a_cloud_event_has_what_the_specification_asks_for() -> None:
    headers, body = cloud_event(REPORT)
    assert headers == {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    event = json.loads(body)
    jsonschema.validate(event, CLOUD_EVENT)
    assert (event["id"], event["type"], event["time"]) == (
        "msg_0123",
        "dev.ocrproject.train.succeeded",
        "2026-11-25T09:30:00Z",
    )
    assert event["source"] == "/apis/ocrproject.dev/v1alpha1/namespaces/team-a/ocrprojects/receipts-3f"
    assert event["subject"] == "train/2026_收据"


def test_a_cloud_events_data_is_the_status_report_and_what_kubernetes_knows() -> None:
    data = json.loads(cloud_event(REPORT)[1])["data"]
    assert data == json.loads(REPORT.body) | dict(REPORT.circumstances)
