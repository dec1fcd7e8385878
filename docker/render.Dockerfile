# What `simgen generate` needs, alone or in a Ray cluster. Build from the root of the project; see docker/README.md.
ARG BASE=debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils python3-pip
# Blender is linked with OpenGL and never draws with it here. By apt it brings Mesa and LLVM, 150 MB.
RUN mkdir -p /tmp/deb /opt/opengl && cd /tmp/deb && apt-get download libgl1 libglvnd0 libglx0 \
 && for deb in *.deb; do dpkg --extract "$deb" /tmp/deb/root; done \
 && cp --no-dereference root/usr/lib/x86_64-linux-gnu/*.so.* /opt/opengl
COPY docker/requirements-build.txt docker/requirements-render.txt /tmp/
# Hashes are known for these files alone, so nothing else may come along: --no-deps, and no pip in what is shipped.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv --without-pip /opt/build && python3 -m venv --without-pip /opt/simgen \
 && pip --python /opt/build/bin/python install --no-deps --require-hashes -r /tmp/requirements-build.txt \
 && pip --python /opt/simgen/bin/python install --no-deps --require-hashes -r /tmp/requirements-render.txt \
 # Bullet's sample robots and debugging symbols, Cycles for GPUs, Ray for Java: 380 MB that nothing here opens.
 && cd /opt/simgen/lib/python3.11/site-packages && strip --strip-debug pybullet.*.so \
 && rm -r pybullet_data bpy/4.5/scripts/addons_core/cycles/lib ray/jars
COPY . /src
RUN cd /src && /opt/build/bin/python -m hatchling build --target wheel --directory /tmp/wheel \
 && pip --python /opt/simgen/bin/python install --no-index --no-deps /tmp/wheel/*.whl

FROM ${BASE}
COPY --from=build /opt/opengl /usr/local/lib
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      ca-certificates libsm6 libxfixes3 libxi6 libxkbcommon0 libxrender1 python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && ldconfig \
 && useradd --uid 1000 --home-dir /tmp --no-create-home simgen \
 && install --directory --owner simgen --group simgen /data \
 # A login shell, as KubeRay starts one, sets PATH anew.
 && ln -s /opt/simgen/bin/simgen /opt/simgen/bin/ray /usr/local/bin
COPY --from=build /opt/simgen /opt/simgen
# /tmp is what can be written under any user id and on a read-only root; USER for libraries that ask for a name.
ENV PATH=/opt/simgen/bin:$PATH HOME=/tmp USER=simgen RAY_USAGE_STATS_ENABLED=0
USER 1000:1000
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=30m --timeout=3m --start-period=1m CMD ["simgen", "doctor", "render"]
ENTRYPOINT ["simgen"]
CMD ["--help"]
