# fprnet on a CPU: the command line and the service, with a gallery in /data or a PostgreSQL server.
#
#   docker build -t fprnet .
#   docker run --rm -v fprnet:/data fprnet gallery create --uri /data/people.db
#   docker run --rm -v fprnet:/data fprnet keys add operator --role search --gallery /data/people.db
#   docker run -p 127.0.0.1:8000:8000 -v fprnet:/data fprnet
#
# docs/docker.md has keys, TLS, compose and a sub-path behind a proxy.

FROM python:3.11-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/fprnet
ENV PATH=/opt/fprnet/bin:$PATH
# The CPU build of PyTorch, without gigabytes of CUDA.
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install -c constraints.txt '.[service,postgres,watch]'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="fprnet" \
      org.opencontainers.image.description="Visible-infrared person re-identification" \
      org.opencontainers.image.licenses="Apache-2.0"
# What OpenCV links to, for watching videos.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 fprnet && install -d -o fprnet -g fprnet /data
COPY --from=build /opt/fprnet /opt/fprnet
ENV PATH=/opt/fprnet/bin:$PATH \
    FPRNET_CACHE=/data/cache \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz?live=true', timeout=4)"]
ENTRYPOINT ["fprnet"]
CMD ["serve", "--gallery", "/data/people.db", "--host", "0.0.0.0", "--port", "8000", "--keys"]
