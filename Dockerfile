# The command `sa-hygiene`, static and alone in the image. `make image` builds the program for this machine first; a release
# takes the programs of its archives.
#
#   docker run --rm -v "$PWD:/src:ro" ghcr.io/kubewarden/sa-hygiene:v0.2.0 check .
FROM scratch
ARG TARGETARCH
COPY --chmod=0755 dist/linux-${TARGETARCH}/sa-hygiene /sa-hygiene
COPY LICENSE /LICENSE
LABEL org.opencontainers.image.title="sa-hygiene" \
      org.opencontainers.image.description="Checks manifests with the serviceaccount-hygiene policy, without a cluster" \
      org.opencontainers.image.source="https://github.com/kubewarden/serviceaccount-hygiene" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0"
WORKDIR /src
USER 65532:65532
ENTRYPOINT ["/sa-hygiene"]
