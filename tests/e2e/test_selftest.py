"""`helm test` of a fresh release, as an administrator types it."""

import pytest

from ocr_cluster.release import Release

pytestmark = pytest.mark.e2e


def test_a_fresh_release_passes_its_self_test_and_nothing_is_left(release: Release) -> None:
    said = release.selftest()
    last = said.strip().splitlines()[-1]
    assert "Phase:          Succeeded" in said and last.endswith("PASSED"), said
    assert float(last.split()[0]) < 300, "it is to take less than five minutes without a GPU"
    assert "selftest-" not in release.kubectl("get", "ocrprojects", "-o", "name")
    assert not list((release.volume / "train").glob("selftest-*"))
