# What `simgen train` and `simgen edit` need. Build from the root of the project; see docker/README.md.
ARG BASE=debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

FROM ${BASE} AS build
# Which torch: requirements-train.txt for CUDA, requirements-train-cpu.txt without a GPU.
ARG REQUIREMENTS=requirements-train.txt
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
COPY docker/requirements-build.txt docker/${REQUIREMENTS} /tmp/
# Hashes are known for these files alone, so nothing else may come along: --no-deps, and no pip in what is shipped.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv --without-pip /opt/build && python3 -m venv --without-pip /opt/simgen \
 && pip --python /opt/build/bin/python install --no-deps --require-hashes -r /tmp/requirements-build.txt \
 && pip --python /opt/simgen/bin/python install --no-deps --require-hashes -r /tmp/${REQUIREMENTS}
COPY . /src
RUN cd /src && /opt/build/bin/python -m hatchling build --target wheel --directory /tmp/wheel \
 && pip --python /opt/simgen/bin/python install --no-index --no-deps /tmp/wheel/*.whl

FROM ${BASE}
# torch.compile builds its launchers with a C compiler when a run begins on a GPU.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev libpython3.11-dev python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && useradd --uid 1000 --home-dir /tmp --no-create-home simgen \
 && install --directory --owner simgen --group simgen /data
COPY --from=build /opt/simgen /opt/simgen
# /tmp is what can be written under any user id and on a read-only root; USER for libraries that ask for a name.
# Base models are read from /models, laid out as the Hub's cache.
ENV PATH=/opt/simgen/bin:$PATH HOME=/tmp USER=simgen HF_HOME=/models HF_HUB_OFFLINE=1
USER 1000:1000
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=30m --timeout=3m --start-period=1m CMD ["simgen", "doctor", "train"]
ENTRYPOINT ["simgen"]
CMD ["train", "--help"]
