"""Who may call: nobody without the token, where there is one; it is reread when it changes."""

from pathlib import Path

import pytest

from facade_process import Cluster, Facade, eventually, serve
from ocr_api.access import Access, read_tokens
from ocr_api.errors import Unauthorized, Unavailable
from ocr_api.settings import read_settings

TOKEN, NEXT = "t" * 16, "n" * 20


def test_a_token_guards_everything_but_health_and_the_description(
    cluster: Cluster, facade: Facade, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    with serve(cluster, facade.namespace, facade.volume, OCR_TOKEN_FILE=str(file)) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert http.get(path).status_code == 200, path
        for path in ("/api/v1/projects", "/api/v1/watch", "/status", "/train/start?projectID=p&trainID=r"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                answer = http.get(path, headers=headers)
                assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
                document = answer.json()
                assert "token" in (document["detail"] if path.startswith("/api") else document["msg"])
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert http.get("/api/v1/projects", headers=right).status_code == 200
        assert http.get("/status?projectID=none", headers=right).status_code == 404

        file.write_text(f"{TOKEN}\n{NEXT}\n")  # the next one beside the present one
        newer = {"Authorization": f"Bearer {NEXT}"}
        assert http.get("/api/v1/projects", headers=newer).status_code == 200
        assert http.get("/api/v1/projects", headers=right).status_code == 200
        file.write_text(NEXT)
        assert http.get("/api/v1/projects", headers=right).status_code == 401
        file.unlink()
        assert http.get("/api/v1/projects", headers=newer).status_code == 503


def test_the_old_platform_may_go_on_without_a_token_where_that_is_wanted(
    cluster: Cluster, facade: Facade, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    settings = {"OCR_TOKEN_FILE": str(tmp_path / "token"), "OCR_LEGACY_WITHOUT_TOKEN": "true"}
    with serve(cluster, facade.namespace, facade.volume, **settings) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        assert http.get("/status?projectID=none").status_code == 404
        assert http.get("/api/v1/projects").status_code == 401


def test_web_pages_of_other_origins_may_call_only_where_they_are_named(
    cluster: Cluster, facade: Facade
) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in facade.http.get("/api/v1/projects", headers=asked).headers
    with serve(cluster, facade.namespace, facade.volume, OCR_CORS_ORIGINS="https://a.example") as http:
        allowed = http.options("/api/v1/projects", headers=asked).headers
        assert allowed["access-control-allow-origin"] == "https://a.example"
        other = http.options("/api/v1/projects", headers=asked | {"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_token_file_without_a_good_token_is_refused_at_the_start(tmp_path: Path) -> None:
    required = {"OCR_NAMESPACE": "n", "OCR_VOLUME_ROOT": str(tmp_path)}
    file = tmp_path / "token"
    for content, says in (("", "holds no token"), ("short\n", "fewer than 16 characters")):
        file.write_text(content)
        with pytest.raises(ValueError, match=f"OCR_TOKEN_FILE: .* {says}"):
            read_settings(required | {"OCR_TOKEN_FILE": str(file)})
    with pytest.raises(ValueError, match=r"OCR_TOKEN_FILE: .*nowhere"):
        read_settings(required | {"OCR_TOKEN_FILE": str(tmp_path / "nowhere")})
    for name, value in (
        ("OCR_MAX_UPLOAD_BYTES", "0"),
        ("OCR_LEGACY_WITHOUT_TOKEN", "yes"),
        ("OCR_PORT", "0"),
    ):
        with pytest.raises(ValueError, match=name):
            read_settings(required | {name: value})


def test_a_token_that_became_too_short_shuts_the_door(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    access = Access(file)
    access.check(TOKEN)
    with pytest.raises(Unauthorized):
        access.check("é" * 16)
    file.write_text("")
    with pytest.raises(Unavailable):
        access.check("")
    file.write_text(NEXT)
    access.check(NEXT)
    assert read_tokens(file) == [NEXT.encode()]
