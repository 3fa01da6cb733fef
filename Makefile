.PHONY: demo build release test race bench check

demo: ## the main job in a browser
	go run . demo

build: ## a static binary
	CGO_ENABLED=0 go build -trimpath -o cocoom-gateway .

release: ## tarballs for linux/amd64 and linux/arm64, the same bytes on every machine
	.ci/release dist

test:
	go test ./...

race:
	go test -race -shuffle=on ./...

bench:
	go test -run='^$$' -bench=. -benchmem ./...

check: ## everything CI does, on a clean clone of what is committed
	.ci/run
