# Two stages: the first has compilers and builds; the second runs the CLI and has neither compilers nor headers.
# The exact `docker run` line, with the privileges it needs and why, is in README.md.
FROM debian:bookworm AS build
WORKDIR /src
COPY packaging packaging
RUN apt-get update && packaging/set-up packages build go | xargs apt-get install -y --no-install-recommends
COPY . .
# Builds the release preset and fetches a Go toolchain into /var/lib/sandbox-run, verified against the pinned hash.
RUN packaging/set-up product --yes \
 && cmake --install build/release --prefix /out/usr --strip

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libarchive13 libcurl4 libdeflate0 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr /usr
COPY --from=build /var/lib/sandbox-run/toolchains /var/lib/sandbox-run/toolchains
VOLUME /var/lib/sandbox-run
ENTRYPOINT ["sandbox-run"]
CMD ["--help"]
