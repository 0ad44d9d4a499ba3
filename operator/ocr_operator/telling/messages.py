"""A report as an HTTP request: the platform's status report, or a CloudEvent for anybody else."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ocr_contract.resource import API_VERSION, PLURAL
from ocr_operator.telling.news import Report
from ocr_operator.telling.signing import signed_headers

Message = tuple[Mapping[str, str], bytes]
"""Headers and body."""
TYPE_PREFIX = "dev.ocrproject"


def status_report(report: Report, timestamp: int, secrets: Sequence[bytes]) -> Message:
    """The JSON that `/status` answers, signed."""
    signed = signed_headers(secrets, report.id, timestamp, report.body)
    return {"Content-Type": "application/json", **signed}, report.body


def cloud_event(report: Report) -> Message:
    """A CloudEvent 1.0 in structured mode: subjects may hold any language, which headers may not."""
    body = json.dumps(_event(report), ensure_ascii=False, separators=(",", ":"))
    return {"Content-Type": "application/cloudevents+json; charset=utf-8"}, body.encode()


def _event(report: Report) -> dict[str, Any]:
    namespace, name = report.project
    return {
        "specversion": "1.0",
        "id": report.id,
        "source": f"/apis/{API_VERSION}/namespaces/{quote(namespace)}/{PLURAL}/{quote(name)}",
        "type": f"{TYPE_PREFIX}.{report.line}.{report.happening}",
        "subject": f"{report.line}/{report.run}",
        "time": report.occurred.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {**json.loads(report.body), **report.circumstances},
    }
