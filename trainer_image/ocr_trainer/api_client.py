"""The trainer's only words to Kubernetes: server-side apply of its part of `status.trainer`.

The one module here that imports `kubernetes`, and only when a status is sent: without a cluster nothing of it
is needed.
"""

import os
from typing import Any

from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION, trainer_field_manager

_TIMEOUT_SECONDS = (3, 10)
_APPLY = "application/apply-patch+yaml"


class StatusApplier:
    """Applies one stage's part; a callable for `Reporter`."""

    def __init__(self, namespace: str, name: str, stage: str) -> None:
        self._namespace, self._name, self._stage = namespace, name, stage
        self._api: Any = None

    def __call__(self, trainer: dict[str, Any]) -> None:
        """Send it; OSError if the API server can't be reached or refuses."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError

        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "status": {"trainer": trainer},
        }
        try:
            self._api = self._api or _connect()
            self._api.patch_namespaced_custom_object_status(
                GROUP, VERSION, self._namespace, PLURAL, self._name, body,
                field_manager=trainer_field_manager(self._stage), force=True,
                _content_type=_APPLY, _request_timeout=_TIMEOUT_SECONDS,
            )  # fmt: skip
        except (ApiException, HTTPError, ConfigException) as error:
            raise OSError(_in_one_line(error)) from error


def _connect() -> Any:
    """By the pod's ServiceAccount, or by KUBECONFIG outside a cluster."""
    from kubernetes import client, config

    try:
        config.load_incluster_config()
    except config.ConfigException:
        # Named, because the client looks at the variable only once, when it is imported.
        config.load_kube_config(config_file=os.environ.get("KUBECONFIG"))
    return client.CustomObjectsApi(client.ApiClient())


def _in_one_line(error: Exception) -> str:
    status, reason, body = (getattr(error, name, None) for name in ("status", "reason", "body"))
    return " ".join(f"{status or ''} {reason or error} {body or ''}".split())[:500]
