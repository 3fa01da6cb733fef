# syntax=docker/dockerfile:1
# A static binary in an empty image: no shell, no package manager, no root.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Which build this is: docker build --build-arg VERSION=$(git describe --tags --always --dirty) --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION="" REVISION="" TIME=""
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.releaseVersion=$VERSION -X main.releaseRevision=$REVISION -X main.releaseTime=$TIME" -o /out/cocoom-gateway . && mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/cocoom-gateway /cocoom-gateway
# The state: a directory with mode 0700 that only this user can read.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8080
# The operators' listener stays on loopback inside the container, where health asks it.
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/cocoom-gateway", "health", "-c", "/etc/cocoom/gateway.yaml"]
ENTRYPOINT ["/cocoom-gateway"]
CMD ["serve", "-c", "/etc/cocoom/gateway.yaml"]
