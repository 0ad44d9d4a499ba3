"""A facade with a token: who may look, who may act, and how one signs in and out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from facade_process import eventually, serve

TOKEN = "a token that nobody guesses"


@pytest.fixture
def guarded(scene: Any, tmp_path: Path, visits: Any) -> Iterator[str]:
    """The address of a facade that asks for a token."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    facade = scene.facade
    with serve(
        facade.cluster, facade.namespace, facade.volume, OCR_TOKEN_FILE=str(tmp_path / "token")
    ) as http:
        eventually(lambda: http.get("/readyz").status_code == 200)
        visits.base = str(http.base_url).rstrip("/")
        yield visits.base


def sign_in(page: Any, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_one_signs_in_with_the_token_and_goes_on_where_one_wanted_to(
    guarded: str, open_page: Any, visits: Any
) -> None:
    visits.expected = ["401"]
    page = open_page("/?filter=run", base=guarded)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "a token that is wrong")
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    sign_in(page, TOKEN)
    expect(page).to_have_url(f"{guarded}/?filter=run")
    expect(page.locator('#rows tr[data-name="running"]')).to_be_visible()
    (cookie,) = (c for c in page.context.cookies() if c["name"] == "ocr_session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_session_acts_from_the_dashboards_pages_and_from_no_other(
    guarded: str, open_page: Any, visits: Any
) -> None:
    page = open_page("/", base=guarded)
    sign_in(page, TOKEN)
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    asked = """async (path) => (await fetch(path, {
      method: "PATCH", body: '{"spec": {"limits": {"retries": 2}}}',
      headers: {"Content-Type": "application/merge-patch+json"},
    })).status"""
    assert page.evaluate(asked, "/api/v1/projects/running") == 200
    cookies = {c["name"]: c["value"] for c in page.context.cookies()}
    from_elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    request = page.context.request
    refused = request.patch(f"{guarded}/api/v1/projects/running", data="{}", headers=from_elsewhere)
    assert cookies["ocr_session"] and refused.status == 403
    assert request.get(f"{guarded}/train/stop?projectID=running").status == 401, (
        "the old paths know no session"
    )


def test_a_replaced_token_ends_its_sessions(
    guarded: str, open_page: Any, tmp_path: Path, visits: Any
) -> None:
    visits.expected = ["401"]
    page = open_page("/", base=guarded)
    sign_in(page, TOKEN)
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    (tmp_path / "token").write_text("another token that nobody guesses\n")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(guarded: str, open_page: Any, target: str) -> None:
    page = open_page(f"/sign-in?next={target}", base=guarded)
    sign_in(page, TOKEN)
    expect(page).to_have_url(f"{guarded}/")
