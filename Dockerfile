# inktex without torch: ONNX Runtime reads, in the preset fast. docs/container.md says how to run it.
#
#   docker build -t inktex .
#   docker run --rm -p 127.0.0.1:8000:8000 inktex
#   docker run --rm -v "$PWD:/data:ro" inktex inktex recognize x.png

# A release builds from a digest: --build-arg BASE=python@sha256:...
ARG BASE=python:3.12.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# An index of one's own: --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
WORKDIR /src
# pip stays in this stage: what runs needs none.
RUN python -m venv --without-pip /opt/inktex
# Before the sources, so that these layers stay while the sources change.
COPY constraints.txt setup.cfg ./
COPY requirements/light.txt requirements/
# Of the extra serve by itself: pip would bring all that inktex needs, with torch.
RUN python -c "import configparser as c; f = c.ConfigParser(); f.read('setup.cfg'); print(f.get('options.extras_require', 'serve', fallback=''))" > serve.txt \
 && python -m pip --python /opt/inktex/bin/python install \
    -c constraints.txt -r requirements/light.txt -r serve.txt
COPY pyproject.toml setup.py LICENSE NOTICE ./
COPY docs/package.md docs/
COPY modeling modeling
COPY tokenizer tokenizer
COPY src src
RUN python -m pip --python /opt/inktex/bin/python install --no-deps .

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin inktex
COPY --from=build /opt/inktex /opt/inktex
# Nothing is written but what a command is asked for, so that the root file system may be read-only.
ENV PATH=/opt/inktex/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    INKTEX_CACHE=/tmp/inktex
USER 10001:10001
WORKDIR /data
EXPOSE 8000
# urllib would ask the proxy of the environment for this address, too.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["inktex", "serve", "--host", "0.0.0.0", "--port", "8000"]
