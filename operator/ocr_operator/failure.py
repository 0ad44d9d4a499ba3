"""Why an attempt has failed: a reason of its own for each cause, and the trainer's last words.

The Job says that it failed; its pods say why. Pods that the cluster took away, and those that stopped by
themselves after a checkpoint, are no failures: they are asked only where no other pod is left.
"""

import re
from collections.abc import Sequence

from ocr_contract.exit_codes import ExitCode, parse_last_words
from ocr_operator.documents import Document
from ocr_operator.pods import container_state, disruption_of, phase_of

_USER_FAULTS = {
    ExitCode.WRONG_CALL: ("WrongCall", "the trainer was called wrongly"),
    ExitCode.BAD_DATA: ("BadData", "the dataset cannot be trained"),
    ExitCode.BAD_CONFIGURATION: ("BadConfiguration", "the configuration cannot be used"),
}
_NO_REASON = "Error"
_EXIT_CODE = re.compile(r"exit code (\d+)")


def explain_failure(job: Document, condition: Document, pods: Sequence[Document]) -> tuple[str, str]:
    """Reason and sentence for a Job whose condition Failed is this one."""
    cause, told = str(condition.get("reason") or "JobFailed"), str(condition.get("message") or "")
    found = explain_pod(pods)
    if cause == "DeadlineExceeded":
        return cause, _deadline(job, found)
    reason, message = found or _by_policy(told) or (cause, told)
    failed = int((job.get("status") or {}).get("failed") or 0)
    if cause == "BackoffLimitExceeded" and failed > 1:
        own = reason if reason not in (_NO_REASON, cause) else "RetriesUsedUp"
        return own, f"failed {failed} times, the last time: {message}"
    return reason, message


def explain_pod(pods: Sequence[Document]) -> tuple[str, str] | None:
    """Reason and words of the pod that failed last, if one is still there."""
    failed = [pod for pod in reversed(pods) if phase_of(pod) == "Failed"]
    told = [found for pod in sorted(failed, key=_is_excused) if (found := _told_by(pod))]
    return told[0] if told else None


def _is_excused(pod: Document) -> bool:
    ended = container_state(pod).get("terminated") or {}
    return disruption_of(pod) is not None or ended.get("exitCode") == ExitCode.INTERRUPTED


def _told_by(pod: Document) -> tuple[str, str] | None:
    status, ended = pod.get("status") or {}, container_state(pod).get("terminated") or {}
    words = parse_last_words(ended.get("message") or "")
    if disrupted := disruption_of(pod):
        reason, message = disrupted
        return reason, _with_words(message, words.message if words else None)
    if words:
        return words.reason, words.message
    if ended.get("reason") == "OOMKilled":
        return "OOMKilled", "the container needed more memory than resources.memory"
    code = ended.get("exitCode")
    if code in _USER_FAULTS:
        return _USER_FAULTS[ExitCode(code)]
    if status.get("reason"):  # the kubelet's own, of a pod that it would not run
        return str(status["reason"]), str(status.get("message") or "")
    if code is not None:
        return _NO_REASON, f"the trainer ended with exit code {code} and left no words"
    return None


def _with_words(message: str, words: str | None) -> str:
    return f"{message}; the trainer's last words: {words}" if words else message


def _by_policy(told: str) -> tuple[str, str] | None:
    """The exit code stands in the Job's own words, too: pods may be gone."""
    code = _EXIT_CODE.search(told)
    known = {int(fault): explanation for fault, explanation in _USER_FAULTS.items()}
    return known.get(int(code[1])) if code else None


def _deadline(job: Document, found: tuple[str, str] | None) -> str:
    seconds = job["spec"].get("activeDeadlineSeconds")
    message = f"took longer than limits.activeDeadlineSeconds ({seconds} s)"
    return _with_words(message, found[1] if found else None)
