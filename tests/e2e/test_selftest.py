"""`helm test` of a fresh release, as an administrator types it."""

import pytest

from ocr_cluster.release import Release

pytestmark = pytest.mark.e2e


def test_a_fresh_release_passes_its_self_test_and_nothing_is_left(release: Release) -> None:
    said = release.selftest()
    last = said.strip().splitlines()[-1]
    assert "Phase:          Succeeded" in said and last.endswith("PASSED"), said
    assert "selftest-" not in release.kubectl("get", "ocrprojects", "-o", "name")
    assert not list((release.volume / "train").glob("selftest-*"))
