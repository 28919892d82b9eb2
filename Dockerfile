# Builds on Debian 12, too: --build-arg DEBIAN=bookworm-20250908-slim
ARG DEBIAN=trixie-20250908-slim
FROM debian:${DEBIAN} AS build
WORKDIR /src
# The packages by themselves: they change less often than the code.
COPY scripts/install-packages scripts/
RUN scripts/install-packages build
COPY . .
RUN scripts/build release amc && scripts/run-packages build/release/amc >build/run-packages

FROM debian:${DEBIAN}
WORKDIR /amc
COPY --from=build /src/build/run-packages /tmp/
RUN apt-get update -qq && \
  DEBIAN_FRONTEND=noninteractive xargs -a /tmp/run-packages apt-get install -y -qq --no-install-recommends && \
  rm -r /tmp/run-packages /var/lib/apt/lists/*
# var holds SQLite's file, where that is the store, and access the tokens that a first start makes; mount volumes there.
RUN useradd --system --home-dir /amc --shell /usr/sbin/nologin amc && \
  install -d config/autoload && install -d -o amc -g amc var && \
  install -d -m 0700 -o amc -g amc access
COPY --from=build /src/build/release/amc /usr/local/bin/
COPY docker/entrypoint /usr/local/bin/amc-entrypoint
ENV AMC__BROKER__ACCESS__TOKENS_FILE=/amc/access/tokens.yaml \
  AMC__CONSUMER_SERVICES__BROKER_CLIENT__TOKEN_FILE=/amc/access/token
USER amc
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=10s --start-period=10s CMD ["amc", "health"]
ENTRYPOINT ["amc-entrypoint"]
# The container's loopback, the default, is reached by nobody outside. Whoever comes by another address needs a token.
CMD ["all", "--set", "broker.http.address=0.0.0.0"]
