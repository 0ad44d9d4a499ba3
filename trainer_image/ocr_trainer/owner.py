"""Who may write into a stage's folder: the pod that came last.

A pod on a node that lost its network goes on writing while its successor already runs. So each start puts
its own uid into the folder's owner file, and whoever is about to write looks there first.
"""

from dataclasses import dataclass
from pathlib import Path

from ocr_contract.atomic import replace_bytes
from ocr_trainer.errors import Interrupted


@dataclass(frozen=True)
class Owner:
    folder: Path
    uid: str

    def claim(self) -> None:
        """From now on the folder is ours; an earlier owner stops at its next check."""
        replace_bytes(self.folder / "owner", self.uid.encode(), durable=True)

    def check(self) -> None:
        """Raise Interrupted if another start took the folder over: what we'd write would harm it."""
        try:
            holder = (self.folder / "owner").read_text()
        except FileNotFoundError:
            holder = ""
        if holder != self.uid:
            raise Interrupted(
                f"another start of this stage ({holder or 'unknown'}) took {self.folder.name} over",
                reason="Superseded",
            )
