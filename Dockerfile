# Three images from one lock file: --target operator | api | trainer.
#
# Dependencies come from uv.lock alone and lie in layers below the code, so that a rebuild after a code change
# takes seconds. The trainer's final stage starts FROM the stage that holds torch instead of copying from it:
# a copy of its 4.5 GiB would be exported and unpacked a second time.
# torch from PyPI carries its own CUDA libraries: the same image runs on a CPU and, given a driver, on a GPU.

ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS python
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/ocr/bin:$PATH
RUN echo "ocr:x:1000:1000::/tmp:/usr/sbin/nologin" >> /etc/passwd && echo "ocr:x:1000:" >> /etc/group

# uv is needed to build, never in an image that ships.
FROM python AS build
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet "uv>=0.9,<1"
ENV UV_PROJECT_ENVIRONMENT=/opt/ocr UV_LINK_MODE=copy UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true
WORKDIR /src
COPY pyproject.toml uv.lock ./

FROM build AS wheel
COPY README.md LICENSE ./
COPY operator operator
COPY api api
COPY trainer_image trainer_image
COPY configs configs
RUN --mount=type=cache,target=/root/.cache/uv /opt/uv/bin/uv build --wheel --out-dir /wheel

FROM build AS operator-dependencies
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --extra operator

FROM build AS api-dependencies
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --extra api

# torch's own part of the lock: another package's new version leaves this file, and so torch's layer, as it is.
FROM build AS torch-requirements
RUN /opt/uv/bin/uv export --frozen --quiet --only-group torch --output-file /torch.txt

FROM python AS torch
ENV UV_PROJECT_ENVIRONMENT=/opt/ocr UV_LINK_MODE=copy UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true
# uv is mounted from the build stage, so that the layer holds the packages and nothing else.
RUN --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,from=torch-requirements,source=/torch.txt,target=/torch.txt \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv venv --quiet /opt/ocr \
    && /opt/uv/bin/uv pip install --python /opt/ocr/bin/python --requirement /torch.txt

FROM torch AS trainer-dependencies
WORKDIR /src
RUN --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/src/pyproject.toml \
    --mount=type=bind,source=uv.lock,target=/src/uv.lock \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --extra trainer

FROM python AS operator
COPY --from=operator-dependencies /opt/ocr /opt/ocr
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv pip install --python /opt/ocr/bin/python --no-deps --no-cache /wheel/*.whl \
    && ocr-operator --help > /dev/null
USER 1000:1000
ENTRYPOINT ["ocr-operator"]
CMD ["run"]

FROM python AS api
COPY --from=api-dependencies /opt/ocr /opt/ocr
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv pip install --python /opt/ocr/bin/python --no-deps --no-cache /wheel/*.whl \
    && ocr-api --help > /dev/null
USER 1000:1000
EXPOSE 8000
ENTRYPOINT ["ocr-api"]
CMD ["serve"]

FROM trainer-dependencies AS trainer
WORKDIR /
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv pip install --python /opt/ocr/bin/python --no-deps --no-cache /wheel/*.whl \
    && ocr-trainer --help > /dev/null
USER 1000:1000
ENTRYPOINT ["ocr-trainer"]
