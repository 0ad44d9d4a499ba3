# Three images from one lock file: --target operator | api | trainer; --target sbom lists what is in them.
#
# Dependencies come from uv.lock alone, with their hashes, and lie in layers below the code, so that a rebuild after
# a code change takes seconds. The trainer's final stage starts FROM the stage that holds torch instead of copying
# from it: a copy of its 4.5 GiB would be exported and unpacked a second time. Every target ends with a check that
# imports whatever the program may ever import. Docker, BuildKit and buildah build this file alike, which is why it
# has no here-documents and names the base image in full; buildah builds what stands above the target, too, which is
# why the trainer comes last.

# By digest (…/python:3.11-slim@sha256:…) the layers are the same bytes for ever.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim
# cuda: torch as PyPI has it, with its own CUDA libraries; runs on a CPU and, given a driver, on a GPU.
# cpu: the same version from TORCH_INDEX, without them.
ARG TORCH=cuda
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What the labels say. None of it reaches a layer.
ARG VERSION=0.2.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z

FROM ${PYTHON_IMAGE} AS python
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/ocr/bin:$PATH
RUN echo "ocr:x:1000:1000::/tmp:/usr/sbin/nologin" >> /etc/passwd && echo "ocr:x:1000:" >> /etc/group

# uv is needed to build, never in an image that ships: later stages mount it. Its files are the same bytes in every
# build (no bytecode), or the layers made with it would be made again.
FROM python AS build
COPY images/uv.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --quiet --no-compile --no-warn-script-location --root-user-action ignore --prefix /opt/uv \
    --require-hashes --requirement /uv.txt
ENV UV_LINK_MODE=copy UV_PYTHON=/usr/local/bin/python3 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true

# The lock's part for each environment in a file of its own: another package's new version, or another line of
# pyproject.toml, leaves that file and so the environment's layer as it is.
FROM build AS requirements
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN mkdir -p /requirements/operator /requirements/api /requirements/sbom \
    && lock="/opt/uv/bin/uv export --frozen --no-default-groups --no-emit-project --no-header --no-annotate --quiet" \
    && $lock --extra operator --output-file /requirements/operator/all.txt \
    && $lock --extra api --output-file /requirements/api/all.txt \
    && $lock --only-group sbom --output-file /requirements/sbom/all.txt

FROM build AS trainer-requirements
ARG TORCH
ARG TORCH_INDEX
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY images/trainer-requirements.sh /
RUN PATH=/opt/uv/bin:$PATH sh /trainer-requirements.sh "$TORCH" "$TORCH_INDEX" /requirements

# The wheel as it is installed, and nothing else. uv notes when the wheel was made, which would make another layer
# of the same code; and its cache knows a wheel by name and version, so that it would give back yesterday's: the code is
# compared.
FROM build AS program
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY api api
COPY trainer_image trainer_image
COPY configs configs
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv build --wheel --quiet --out-dir /wheel \
    && /opt/uv/bin/uv venv --quiet /opt/ocr \
    && /opt/uv/bin/uv pip install --quiet --no-cache --python /opt/ocr --no-deps --no-index --find-links /wheel ocrproject \
    && cd /opt/ocr && rm lib/python3*/site-packages/ocrproject-*.dist-info/uv_cache.json \
    && sed -i /uv_cache.json/d lib/python3*/site-packages/ocrproject-*.dist-info/RECORD \
    && python -m compileall -q --invalidation-mode unchecked-hash lib/python3*/site-packages/ocr_* \
    && mkdir /program && cp -r --parents bin/ocr-* lib/python3*/site-packages/ocr* /program \
    && for package in operator/ocr_operator api/ocr_api api/ocr_contract trainer_image/ocr_trainer; do \
         diff -r --exclude=__pycache__ --exclude=configs "/src/$package" \
           /program/lib/python3*/site-packages/"${package#*/}" || exit 1; \
       done

# Wheels bring debugging symbols: 24 MB of the facade's 60.
FROM build AS stripping
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils > /dev/null \
    && rm -rf /var/lib/apt/lists/*

# The official client has a class for each of Kubernetes' APIs, twice: half of what lies above the base image. It
# imports one when it is asked for, and the check asks for every name that the program uses. kopf takes some models.
# Of plotly the dashboard serves the JavaScript alone; pictures need neither fonts nor AVIF.
FROM stripping AS operator-environment
RUN --mount=type=bind,from=requirements,source=/requirements/operator,target=/requirements \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv venv --quiet /opt/ocr \
    && /opt/uv/bin/uv pip install --quiet --python /opt/ocr --no-deps --requirement /requirements/all.txt \
    && cd /opt/ocr/lib/python3*/site-packages/kubernetes \
    && find client/api aio/client/api -name "[a-z]*.py" -delete \
    && find .. -name "*.cpython-*.so" -exec strip --strip-unneeded {} +

FROM stripping AS api-environment
RUN --mount=type=bind,from=requirements,source=/requirements/api,target=/requirements \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv venv --quiet /opt/ocr \
    && /opt/uv/bin/uv pip install --quiet --python /opt/ocr --no-deps --requirement /requirements/all.txt \
    && cd /opt/ocr/lib/python3*/site-packages/kubernetes \
    && find client/api client/models aio/client/api aio/client/models -name "[a-z]*.py" \
       ! -name custom_objects_api.py ! -name "v1_api_resource*.py" ! -name v1_delete_options.py \
       ! -name v1_preconditions.py -delete \
    && cd .. && find plotly -type f ! -name plotly.min.js -delete \
    && rm PIL/_avif.* PIL/_imagingft.* pillow.libs/libavif-* pillow.libs/libfreetype-* pillow.libs/libharfbuzz-* \
       pillow.libs/libbrotli* \
    && rm -r narwhals && find . -name "*.cpython-*.so" -exec strip --strip-unneeded {} +

# What runs as a service installs nothing.
FROM python AS service
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3*/ensurepip \
    /usr/local/lib/python3*/site-packages/*

FROM service AS operator
COPY --from=operator-environment /opt/ocr /opt/ocr
COPY --from=program /program /opt/ocr
USER 1000:1000
RUN --mount=type=bind,source=images/check.py,target=/run/check.py \
    python /run/check.py ocr_operator ocr_contract --absent torch numpy cv2 pip setuptools uv gcc cc g++ clang ld make \
    && ocr-operator --help > /dev/null
ENTRYPOINT ["ocr-operator"]
CMD ["run"]
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="ocr-operator" \
      org.opencontainers.image.description="Turns OcrProjects into GPU Jobs that train OCR models, and says how they fare" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM service AS api
COPY --from=api-environment /opt/ocr /opt/ocr
COPY --from=program /program /opt/ocr
USER 1000:1000
# uvicorn and FastAPI look by themselves for what the second line imports.
RUN --mount=type=bind,source=images/check.py,target=/run/check.py \
    python /run/check.py ocr_api ocr_contract --absent torch numpy cv2 pip setuptools uv gcc cc g++ clang ld make \
    && python -c "import httptools, python_multipart, uvloop" \
    && ocr-api --help > /dev/null
EXPOSE 8000
ENTRYPOINT ["ocr-api"]
CMD ["serve"]
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="ocr-api" \
      org.opencontainers.image.description="The HTTP facade of OcrProjects: the annotation platform's endpoints and /api/v1" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM python AS torch
ENV UV_LINK_MODE=copy UV_PYTHON=/usr/local/bin/python3 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true
# uv is mounted, so that the layer holds the packages and nothing else.
RUN --mount=type=bind,from=build,source=/opt/uv,target=/run/uv \
    --mount=type=bind,from=trainer-requirements,source=/requirements/torch,target=/run/requirements \
    --mount=type=cache,target=/root/.cache/uv \
    /run/uv/bin/uv venv --quiet /opt/ocr \
    && for file in /run/requirements/*.txt; do \
         /run/uv/bin/uv pip install --quiet --python /opt/ocr --no-deps --requirement "$file" || exit 1; \
       done

# Of intel-openmp, 65 MB, one library of 2 MB is used.
FROM torch AS trainer-environment
RUN --mount=type=bind,from=build,source=/opt/uv,target=/run/uv \
    --mount=type=bind,from=trainer-requirements,source=/requirements/trainer,target=/run/requirements \
    --mount=type=cache,target=/root/.cache/uv \
    /run/uv/bin/uv pip install --quiet --python /opt/ocr --no-deps --requirement /run/requirements/all.txt \
    && cd /opt/ocr && rm -r opt && find lib -maxdepth 1 -type f ! -name libiomp5.so -delete
# Each stage is a process of its own, and compiled anew what it imports of torch and MMOCR: 37 of 67 seconds in the four
# stages of a small run. By hash, because it holds without times; in a layer of its own, which torch's does not need.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x "/tests?/" \
    /opt/ocr/lib /usr/local/lib/python3*/ > /dev/null || true

FROM trainer-environment AS trainer
COPY --from=program /program /opt/ocr
USER 1000:1000
RUN --mount=type=bind,source=images/check.py,target=/run/check.py \
    --mount=type=tmpfs,target=/run/scratch \
    HOME=/run/scratch TMPDIR=/run/scratch python /run/check.py ocr_trainer ocr_contract \
      --first ocr_trainer.compat:install \
    && KMP_SETTINGS=1 python -c "import ocr_trainer.openmp as o; o.load_openmp(); import torch; torch.set_num_threads(2)" \
       2>&1 | grep -q KMP_BLOCKTIME=20 \
    && ocr-trainer --help > /dev/null
ENTRYPOINT ["ocr-trainer"]
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="ocr-trainer" \
      org.opencontainers.image.description="The stages that turn annotated images into a text detector and a recogniser" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# What is really installed in each image, read from its mounted files: nothing is copied.
FROM build AS sbom-files
RUN --mount=type=bind,from=requirements,source=/requirements/sbom,target=/run/requirements \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv venv --quiet /opt/sbom \
    && /opt/uv/bin/uv pip install --quiet --python /opt/sbom --no-deps --requirement /run/requirements/all.txt
ARG VERSION
RUN --mount=type=bind,source=images/sbom.py,target=/run/sbom.py \
    --mount=type=bind,from=operator,target=/run/operator \
    --mount=type=bind,from=api,target=/run/api \
    --mount=type=bind,from=trainer,target=/run/trainer \
    mkdir /sbom && for image in operator api trainer; do \
      /opt/sbom/bin/python /run/sbom.py "ocr-$image" "$VERSION" "/run/$image" > "/sbom/ocr-$image.cdx.json" || exit 1; \
    done

FROM scratch AS sbom
COPY --from=sbom-files /sbom /
