"""Legal, unique and stable Kubernetes names for the platform's own ids.

The platform's ids may hold upper case, underscores or Chinese; a name is a readable slug and, where the
slug alone could be ambiguous, a short hash of the id (kubespawner's slugs.py does the same).
"""

import hashlib
import re

_LEGAL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_MAX_PROJECT_NAME = 40
"""Leaves room for `-<run hash>-recognition-<attempt>` within a label's 63 characters."""


def short_hash(text: str) -> str:
    """Eight hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def project_name(project_id: str) -> str:
    """metadata.name for a platform's projectID: the id itself where it is legal, else slug and hash."""
    if len(project_id) <= _MAX_PROJECT_NAME and _LEGAL.fullmatch(project_id):
        return project_id
    slug = re.sub(r"[^a-z0-9]+", "-", project_id.lower()).strip("-")[: _MAX_PROJECT_NAME - 9].strip("-")
    return f"{slug or 'p'}-{short_hash(project_id)}"


def run_hash(run_id: str, revision: int) -> str:
    """What names a run in Job names and labels."""
    return short_hash(f"{run_id}\n{revision}")[:6]


def test_hash(test_id: str, revision: int) -> str:
    """What names a test of its own in Job names and labels; never equal to a run's of the same id."""
    return short_hash(f"{test_id}\n{revision}\ntest")[:6]


def job_name(project: str, run: str, stage: str, attempt: int) -> str:
    """`<project>-<run hash>-<stage>-<attempt>`: deterministic, so that every create is idempotent."""
    head = (
        project
        if len(project) <= _MAX_PROJECT_NAME
        else f"{project[: _MAX_PROJECT_NAME - 9]}-{short_hash(project)}"
    )
    return f"{head}-{run}-{stage}-{attempt}"
