"""An operator whose probes are asked as a kubelet asks them, and pods that succeed by themselves."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ocr_cluster.ports import PortClaim
from ocr_contract.resource import LABEL_PROJECT
from operator_world import Operator, World


class ProbedOperator(Operator):
    """`with ProbedOperator(...) as operator:` starts it and kills it in the end."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, **environment: str) -> None:
        self._claim = PortClaim(1)
        environment = {"OCR_HEALTH_PORT": str(self._claim.ports[0]), **environment}
        super().__init__(kubeconfig, namespace, log, **environment)
        self.sick = 0
        """How often /healthz was not 200, of all the times it was asked."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._claim.release()
        assert "Traceback" not in self.log, self.log

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text; 0 where nothing listens."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._claim.ports[0]}{path}", timeout=5)
        except httpx.TransportError as error:
            return 0, str(error)
        if path == "/healthz":
            self.sick += answer.status_code != 200
        return answer.status_code, answer.text.strip()

    def is_ready(self) -> bool:
        return self.probe("/readyz")[0] == 200

    def leads(self) -> bool:
        return self.probe("/readyz") == (200, "leading")


class Kubelet:
    """While it is there, each pod of the namespace runs and succeeds at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._over.is_set():
            try:
                for pod in self._pending():
                    self._world.end_pod(pod["metadata"]["name"])
            except (httpx.TransportError, AssertionError):  # the API server is away, or has just come back
                time.sleep(0.2)
            time.sleep(0.05)

    def _pending(self) -> list[dict[str, Any]]:
        answer = self._world.http.get(self._world.pods_path, params={"labelSelector": LABEL_PROJECT})
        items = answer.json().get("items", [])
        return [pod for pod in items if pod["status"].get("phase") == "Pending"]
