"""/api/v1/uploads: a dataset as a zip, in pieces by tus 1.0 or in one request; single images and annotations.

tus (https://tus.io/protocols/resumable-upload) because clients for it exist in every language.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from ocr_api import problems
from ocr_api.errors import BadRequest, FacadeError, UnsupportedContent
from ocr_api.facade import Facade
from ocr_api.uploads.destination import Destination, check_name
from ocr_api.uploads.store import Upload, UploadState, UploadStore, parse_length
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, TestId
from ocr_api.v1.run_files import File

router = APIRouter(prefix=V1, tags=["uploads"])

TUS = {"Tus-Resumable": "1.0.0"}
_OFFSET_STREAM = "application/offset+octet-stream"
_ZIPS = {"application/zip", "application/x-zip-compressed", "application/octet-stream"}
_ERRORS = problems.describe(400, 404, 408, 409, 413, 415, 507)

Id = Annotated[str, Path(alias="uploadID", description="As the creation answered it", max_length=64)]
Offset = Annotated[str | None, Header(alias="Upload-Offset", description="Bytes that have been received")]


def _body(kind: str, what: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"}
    return {"requestBody": {"required": True, "description": what, "content": {kind: {"schema": schema}}}}


@router.options("/uploads", status_code=204, responses=problems.describe())
async def uploads_options(facade: FacadeOf) -> Response:
    """What of tus is understood, and how large an upload may be."""
    told = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,termination,expiration",
        "Tus-Max-Size": str(facade.uploads.max_bytes),
    }
    return Response(status_code=204, headers=TUS | told)


@router.post("/uploads", status_code=201, response_model=Upload, responses=_ERRORS)
async def create_upload(
    facade: FacadeOf,
    length: Annotated[
        str | None, Header(alias="Upload-Length", description="Bytes of the zip", examples=["1048576"])
    ] = None,
    metadata: Annotated[
        str | None,
        Header(
            alias="Upload-Metadata",
            description="tus metadata: projectID, and trainID or testID, each with its value in base64",
            examples=["projectID cmVjZWlwdHM=,trainID MjAyNi0xMS0yNQ=="],
        ),
    ] = None,
) -> Response:
    """Begin to send a zip of images and annotations for a run or a test that has not been started."""
    destination = _destination(metadata)
    size = parse_length(length)
    await _check_free(facade, destination)
    upload = await run_in_threadpool(facade.uploads.create, destination, size)
    return _answer(upload, 201, {"Location": f"{V1}/uploads/{upload.id}"})


@router.head("/uploads/{uploadID}", include_in_schema=False)
@router.get("/uploads/{uploadID}", response_model=Upload, responses=_ERRORS)
async def read_upload(facade: FacadeOf, upload_id: Id) -> Response:
    """How far the upload is; once it is whole, whether it could be unpacked, and why not."""
    upload = await run_in_threadpool(facade.uploads.read, upload_id)
    if await run_in_threadpool(facade.uploads.is_left, upload):
        _finish_soon(facade, upload)
    return _answer(upload, 200)


@router.patch(
    "/uploads/{uploadID}",
    status_code=204,
    responses=_ERRORS,
    openapi_extra=_body(_OFFSET_STREAM, "the next bytes"),
)
async def send_upload(request: Request, facade: FacadeOf, upload_id: Id, offset: Offset = None) -> Response:
    """Send the bytes from the offset on.

    With the last one the zip is checked and unpacked: GET tells how that goes.
    """
    if _content_type(request) != _OFFSET_STREAM:
        raise UnsupportedContent(f"the bytes of an upload are sent as {_OFFSET_STREAM}")
    upload = await run_in_threadpool(facade.uploads.read, upload_id)
    upload = await facade.uploads.append(upload, parse_length(offset), _counted(request, facade))
    if await run_in_threadpool(facade.uploads.is_left, upload):
        _finish_soon(facade, upload)
    return Response(status_code=204, headers=_headers(upload))


@router.delete("/uploads/{uploadID}", status_code=204, responses=_ERRORS)
async def delete_upload(facade: FacadeOf, upload_id: Id) -> Response:
    """Give the upload up. What it has put in place stays."""
    await run_in_threadpool(facade.uploads.delete, upload_id)
    return Response(status_code=204, headers=TUS)


@router.put(
    "/projects/{projectID}/runs/{runID}/dataset", response_model=Upload, responses=_ERRORS,
    openapi_extra=_body("application/zip", "images and annotations"),
)  # fmt: skip
async def put_run_dataset(
    request: Request, facade: FacadeOf, project_id: ProjectId, run_id: RunId
) -> Response:
    """Send a run's images and annotations as one zip, in one request: all is put in place, or nothing."""
    return await _put_zip(request, facade, Destination("train", project_id, run_id))


@router.put(
    "/projects/{projectID}/tests/{testID}/dataset", response_model=Upload, responses=_ERRORS,
    openapi_extra=_body("application/zip", "images"),
)  # fmt: skip
async def put_test_dataset(
    request: Request, facade: FacadeOf, project_id: ProjectId, test_id: TestId
) -> Response:
    """Send a test's images as one zip, in one request: all of it is put in place, or nothing."""
    return await _put_zip(request, facade, Destination("test", project_id, test_id))


@router.put(
    "/projects/{projectID}/runs/{runID}/files/{path:path}", responses=_ERRORS,
    openapi_extra=_body("application/octet-stream", "an image, or annotations"),
)  # fmt: skip
async def put_run_file(
    request: Request, facade: FacadeOf, project_id: ProjectId, run_id: RunId, path: str
) -> File:
    """Send one image or annotation file of a run that has not been started; one of that name is replaced."""
    return await _put_file(request, facade, Destination("train", project_id, run_id), path)


@router.put(
    "/projects/{projectID}/tests/{testID}/files/{path:path}", responses=_ERRORS,
    openapi_extra=_body("application/octet-stream", "an image, or annotations"),
)  # fmt: skip
async def put_test_file(
    request: Request, facade: FacadeOf, project_id: ProjectId, test_id: TestId, path: str
) -> File:
    """Send one image or annotation file of a test that has not been started; one of that name is replaced."""
    return await _put_file(request, facade, Destination("test", project_id, test_id), path)


async def _put_zip(request: Request, facade: Facade, destination: Destination) -> Response:
    if _content_type(request) not in _ZIPS:
        raise UnsupportedContent("send a zip, as application/zip")
    await _check_free(facade, destination)
    upload = await run_in_threadpool(facade.uploads.create, destination, None)
    try:
        upload = await facade.uploads.append(upload, 0, _counted(request, facade))
        upload = await run_in_threadpool(
            facade.uploads.finish, upload.id, partial(_check_not_running, facade)
        )
    finally:
        await run_in_threadpool(_give_up, facade.uploads, upload)
    if upload.state == UploadState.FAILED:
        raise _failure(upload)
    return _answer(upload, 200)


async def _check_free(facade: Facade, destination: Destination) -> None:
    """Before gigabytes are sent that could not be put in place."""
    _check_not_running(facade, destination)
    await run_in_threadpool(facade.uploads.check_free, destination)


async def _put_file(request: Request, facade: Facade, destination: Destination, path: str) -> File:
    name = check_name(path)
    _check_not_running(facade, destination)
    upload = await run_in_threadpool(facade.uploads.create, destination, None)
    try:
        await facade.uploads.append(upload, 0, _counted(request, facade))
        size = await run_in_threadpool(facade.uploads.place_single, upload, name)
    finally:
        await run_in_threadpool(_give_up, facade.uploads, upload)
    return File(path=name, size=size, modified_at=datetime.now(UTC))


def _finish_soon(facade: Facade, upload: Upload) -> None:
    """Beside the answers: unpacking may take longer than a caller waits."""

    def finish() -> None:
        with suppress(FacadeError):  # somebody else has it in hand, or gave it up
            facade.uploads.finish(upload.id, partial(_check_not_running, facade))

    facade.background(asyncio.to_thread(finish))


def _check_not_running(facade: Facade, destination: Destination) -> None:
    destination.check_not_running(facade.projects.find(destination.project_id))


def _give_up(uploads: UploadStore, upload: Upload) -> None:
    with suppress(FacadeError):  # it has expired
        uploads.delete(upload.id)


async def _counted(request: Request, facade: Facade) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            facade.metrics.uploaded_bytes.inc(len(chunk))
            yield chunk
    except ClientDisconnect:
        raise BadRequest("the connection broke off") from None


def _destination(metadata: str | None) -> Destination:
    given: dict[str, str] = {}
    for pair in (metadata or "").split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            given[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise BadRequest(f"Upload-Metadata: the value of {name!r} is no UTF-8 in base64") from None
    project_id, kinds = given.get("projectID", ""), {"trainID", "testID"} & set(given)
    if not project_id or len(kinds) != 1:
        raise BadRequest("Upload-Metadata must name projectID, and trainID or testID, with values in base64")
    kind = kinds.pop()
    destination = Destination("train" if kind == "trainID" else "test", project_id, given[kind])
    try:
        _ = destination.subpath
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return destination


def _answer(upload: Upload, status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        upload.model_dump(mode="json"), status_code=status, headers=_headers(upload) | (headers or {})
    )


def _headers(upload: Upload) -> dict[str, str]:
    headers = TUS | {"Upload-Offset": str(upload.offset), "Cache-Control": "no-store"}
    if upload.length is not None:
        headers["Upload-Length"] = str(upload.length)
    if upload.state == UploadState.RECEIVING:
        headers["Upload-Expires"] = upload.expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return headers


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _failure(upload: Upload) -> FacadeError:
    failure = FacadeError(upload.message)
    failure.status = upload.error or 500
    return failure
