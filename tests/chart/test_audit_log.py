"""What the audit log's readers take for a lack of rights, and what not: a real API server's refusals."""

import json
from pathlib import Path
from typing import Any

from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL
from operator_world import eventually

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"},
       "spec": {"containers": [{"name": "any", "image": "any"}]}}  # fmt: skip
PROJECT = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "absent"}, "spec": {}}


def test_lacking_a_right_is_told_from_every_other_refusal(audited: Any, tmp_path: Path) -> None:
    audited.kubectl("create", "serviceaccount", "stranger")
    for name, verb, resource in (("pods", "create", "pods"), ("projects", "patch", f"{PLURAL}.{GROUP}")):
        account = f"{audited.namespace}:stranger"
        audited.kubectl("create", "role", name, f"--verb={verb}", f"--resource={resource}")
        audited.kubectl("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={account}")
    stranger = audited.shell_of("stranger", tmp_path)

    def try_to(*words: str, stdin: Any = None) -> None:
        stranger.kubectl("-n", audited.namespace, *words, stdin=json.dumps(stdin), fails=True)

    try_to("get", "pods", "other")
    try_to("create", "--validate=false", "-f", "-", stdin=POD)  # it may; Pod Security says no
    try_to("apply", "--server-side", "--validate=false", "-f", "-", stdin=PROJECT)  # it may patch, not create

    user = f"system:serviceaccount:{audited.namespace}:stranger"
    granted = {"create pods", f"patch {PLURAL}.{GROUP}"}
    called = {"get pods other", *granted}
    eventually(lambda: audited.audit_log.calls_in_words_of(granted, user) >= called, "the log is written")
    assert audited.audit_log.calls_in_words_of(granted, user) == called
    refusals = {refusal.split(":")[0] for refusal in audited.audit_log.refusals(user)}
    assert refusals == {"get pods other", f"patch {PLURAL}.{GROUP} absent"}
    lines = audited.audit_log.path.read_text().splitlines()
    assert not any('"system:serviceaccount:kube-system:' in line for line in lines), "no controllers' calls"
