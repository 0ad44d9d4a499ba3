"""The legacy calls' parameters: from query, form or JSON body alike, checked in the caller's words."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from ocr_api.errors import BadRequest, TooLarge
from ocr_contract.volume import check_id

MAX_BODY_BYTES = 64 * 1024

ProjectId = Annotated[str, AfterValidator(lambda value: check_id(value, "projectID"))]
TrainId = Annotated[str, AfterValidator(lambda value: check_id(value, "trainID"))]
TestId = Annotated[str, AfterValidator(lambda value: check_id(value, "testID"))]


class Parameters(BaseModel):
    """Numbers are taken for ids, too; parameters that a call doesn't know are ignored, as of old."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, validate_by_alias=True, frozen=True)


class StartTrain(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    train_id: TrainId = Field(alias="trainID", examples=["2026-11-25"])
    run_test: bool | None = Field(
        default=None, alias="runTest", examples=[1],
        description="1: test right after training, on the test images in the training run's folder",
    )  # fmt: skip
    det_preset: str | None = Field(
        default=None, alias="detPreset", examples=["dbnet_r50"], description="the detector's preset"
    )
    det_epochs: int | None = Field(
        default=None, validation_alias=AliasChoices("detEpochs", "det_totalEpoch"), examples=[50],
        description="epochs of the detector (det_totalEpoch is understood, too)",
    )  # fmt: skip
    det_batch_size: int | None = Field(
        default=None, alias="detBatchSize", examples=[4], description="batch size of the detector"
    )
    rec_preset: str | None = Field(
        default=None, alias="recPreset", examples=["satrn_small"], description="the recogniser's preset"
    )
    rec_epochs: int | None = Field(
        default=None, validation_alias=AliasChoices("recEpochs", "rec_totalEpoch"), examples=[20],
        description="epochs of the recogniser (rec_totalEpoch is understood, too)",
    )  # fmt: skip
    rec_batch_size: int | None = Field(
        default=None, alias="recBatchSize", examples=[128], description="batch size of the recogniser"
    )

    def settings(self) -> dict[str, Any]:
        """The part of spec.train that the caller chose; what it left open is the CRD's default."""
        detection = {"preset": self.det_preset, "epochs": self.det_epochs, "batchSize": self.det_batch_size}
        recognition = {"preset": self.rec_preset, "epochs": self.rec_epochs, "batchSize": self.rec_batch_size}
        chosen: dict[str, Any] = {} if self.run_test is None else {"runTest": self.run_test}
        for part, values in (("detection", detection), ("recognition", recognition)):
            if given := {key: value for key, value in values.items() if value is not None}:
                chosen[part] = given
        return chosen


class StopTrain(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    train_id: TrainId | None = Field(
        default=None, alias="trainID", description="refused if another run is trained"
    )


class StartTest(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    test_id: TestId = Field(alias="testID", examples=["t1"])


class StopTest(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    test_id: TestId | None = Field(
        default=None, alias="testID", description="refused if another test is running"
    )


class WhichRun(Parameters):
    """Without any id: the run or test that was started last."""

    project_id: ProjectId | None = Field(default=None, alias="projectID", examples=["receipts"])
    train_id: TrainId | None = Field(default=None, alias="trainID")
    test_id: TestId | None = Field(default=None, alias="testID")


class WhichTrain(Parameters):
    project_id: ProjectId | None = Field(default=None, alias="projectID", examples=["receipts"])
    train_id: TrainId | None = Field(default=None, alias="trainID")


class CheckTrainFile(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    train_id: TrainId | None = Field(
        default=None, alias="trainID", description="default: the project's run", examples=["2026-11-25"]
    )
    type: Literal["model", "testResult"] = "model"


class DownloadTrainFile(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    train_id: TrainId | None = Field(
        default=None, alias="trainID", description="default: the project's run", examples=["2026-11-25"]
    )
    type: Literal["model", "testResult"] = Field(default="model", alias="downloadType")


class WhichTestFile(Parameters):
    project_id: ProjectId = Field(alias="projectID", examples=["receipts"])
    test_id: TestId | None = Field(
        default=None, alias="testID", description="default: the project's test", examples=["t1"]
    )


P = TypeVar("P", bound=Parameters)


async def read_parameters(request: Request, model: type[P]) -> P:
    """The call's parameters, or BadRequest naming the one that is missing or wrong."""
    given: dict[str, Any] = {}
    for source in (dict(request.query_params), await _body(request)):
        for name, value in source.items():
            if value is None or value == "":
                continue  # an empty form field is one that wasn't filled in
            if name in given and str(given[name]) != str(value):
                raise BadRequest(f"{name} is given twice: {given[name]!r} and {value!r}")
            given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadRequest("; ".join(_sentence(problem) for problem in error.errors())) from None


async def _body(request: Request) -> Mapping[str, Any]:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    body = bytes(data).strip()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind == "multipart/form-data":
        return await _form(MultiPartParser(request.headers, _stream(bytes(data)), max_files=0))
    # curl -d '{...}' calls its JSON a form.
    if kind == "application/json" or body.startswith(b"{"):
        return _json(body)
    return await _form(FormParser(request.headers, _stream(body)))


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:  # also bytes that aren't UTF-8
        raise BadRequest(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the body is not JSON: it is nested too deeply") from None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    return document


async def _form(parser: FormParser | MultiPartParser) -> dict[str, Any]:
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise BadRequest(f"the form can't be read: {error}") from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _stream(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
    yield b""


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if isinstance(problem.get("ctx", {}).get("error"), UnicodeEncodeError):
        return f"{name} holds half a character (a lone surrogate)"
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"{name}: {problem['msg']}"
