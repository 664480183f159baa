# syntax=docker/dockerfile:1
# SPDX-License-Identifier: BSD-3-Clause
#
# Two targets: `web` (gateway, setup job) and `science` (the six workers).
#   docker build --target web -t pictor-web .
#   docker build --target science -t pictor-science .
#
# SOLVER=1 adds the astrometry package to the science image. It is GPL-3.0: an image that holds it is a work you may
# only pass on under the terms of that licence. Without it the astrometry service solves with ASTAP or solve-field.
ARG PYTHON_IMAGE=python:3.11-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PYTHONDONTWRITEBYTECODE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.8 && python -m venv /opt/pictor
WORKDIR /src

FROM build AS wheel
COPY deploy/image/build.lock ./
RUN uv pip install --system --require-hashes --only-binary :all: -r build.lock
COPY . ./
RUN uv build --wheel --no-build-isolation --out-dir /wheel

FROM build AS build-web
COPY deploy/image/web.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/pictor --require-hashes --only-binary :all: -r web.lock
RUN --mount=from=wheel,source=/wheel,target=/wheel uv pip install --python /opt/pictor --no-deps /wheel/*.whl

FROM build AS build-science
COPY deploy/image/science.lock deploy/image/solver.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/pictor --require-hashes --only-binary :all: -r science.lock
ARG SOLVER=
RUN --mount=type=cache,target=/root/.cache/uv \
    test -z "$SOLVER" || uv pip install --python /opt/pictor --no-deps --require-hashes --only-binary :all: -r solver.lock
RUN --mount=from=wheel,source=/wheel,target=/wheel uv pip install --python /opt/pictor --no-deps /wheel/*.whl
# Compiled kernels belong to the processor they were compiled on; another one compiles them again when it starts.
COPY deploy/image/warm.py ./
RUN NUMBA_CACHE_DIR=/opt/pictor/numba /opt/pictor/bin/python warm.py

FROM ${PYTHON_IMAGE} AS runtime
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pictor" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.revision="${REVISION}"
# The folders under /srv give new volumes their owner, so that nothing has to run as root to prepare one.
RUN groupadd --gid 10001 pictor \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pictor \
    && install --directory --owner 10001 --group 10001 --mode 0700 \
        /srv/work /srv/nats-config /srv/nats /srv/postgres /srv/store /srv/prometheus /srv/grafana
ENV PATH=/opt/pictor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    OMP_NUM_THREADS=1 \
    PICTOR_DATA_DIR=/srv/work \
    PICTOR_LOG_FORMAT=json
COPY --chmod=0555 deploy/image/entrypoint.sh /usr/local/bin/pictor-entrypoint
COPY --chmod=0555 deploy/image/healthy.py /usr/local/bin/pictor-healthy
WORKDIR /srv/work
USER 10001:10001
ENTRYPOINT ["pictor-entrypoint"]
STOPSIGNAL SIGTERM

FROM runtime AS web
COPY --from=build-web /opt/pictor /opt/pictor
ENV PICTOR_HOST=0.0.0.0 PICTOR_PORT=8080 PICTOR_HEALTH_PORT=8081
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["pictor-healthy", "8081"]
CMD ["run", "gateway"]

FROM runtime AS science
COPY --from=build-science /opt/pictor /opt/pictor
ENV PICTOR_HOST=0.0.0.0 PICTOR_HEALTH_PORT=8081
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["pictor-healthy", "8081"]
CMD ["run", "quality"]
