# SPDX-License-Identifier: Apache-2.0
# Two images from one build:
#   docker build --target server -t stackwell-server .
#   docker build --target agent  -t stackwell-agent .
# Running them is described in docs/containers.md.
ARG NODE_IMAGE=node:22-bookworm-slim
ARG RUST_IMAGE=rust:1-slim-bookworm

FROM ${RUST_IMAGE} AS rust

FROM ${NODE_IMAGE} AS tools
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
WORKDIR /opt/stackwell
COPY script/lib.sh script/lib.sh
RUN bash -c 'source script/lib.sh && apt-get update -qq && need_packages "${BUILD_PACKAGES[@]}"'

FROM tools AS build
COPY . .
# The caches are the builder's, not the image's.
RUN --mount=type=cache,target=/root/.cache/stackwell --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/root/.npm \
    script/build && script/prune

FROM ${NODE_IMAGE} AS base
# The addons link libbpf and zstd statically; these are what is left.
RUN apt-get update -qq && apt-get install -y --no-install-recommends zlib1g libelf1 libre2-9 libstdc++6 ca-certificates util-linux && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/stackwell /opt/stackwell
RUN ln -s /opt/stackwell/bin/stackwell /usr/local/bin/stackwell
ENV NODE_ENV=production

FROM base AS server
RUN useradd --system --uid 4040 --home-dir /var/lib/stackwell --create-home stackwell
USER stackwell
VOLUME /var/lib/stackwell
EXPOSE 4040
ENTRYPOINT ["stackwell"]
# Listening beyond the container's loopback is the point of it; who may reach the port is the network's decision.
CMD ["server", "--listen", "0.0.0.0:4040", "--allow-remote", "--data", "/var/lib/stackwell"]

# Root, with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_SYSLOG and no other capability, in the host's process
# namespace: docker run --pid host --cap-drop ALL --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE --cap-add SYSLOG
FROM base AS agent
VOLUME /var/lib/stackwell-agent
ENTRYPOINT ["stackwell"]
CMD ["agent", "--data", "/var/lib/stackwell-agent"]
