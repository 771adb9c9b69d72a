# gostack: "make" says what there is.
export CGO_ENABLED = 0
GO ?= go
TOOL = $(GO) tool -modfile=tools/go.mod
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
GUEST = build/guest.qcow2

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: ## from a bare Debian machine to a running cloud with a first server
	@scripts/install-engines
	@$(MAKE) --no-print-directory build $(GUEST)
	@$(SUDO) bin/gostack up

.PHONY: build
build: ## the binary, bin/gostack
	$(GO) build -trimpath -o bin/gostack ./cmd/gostack

.PHONY: image
image: ## the small guest image, build/guest.qcow2, anew
	scripts/build-image $(GUEST)

$(GUEST): scripts/build-image $(shell find image -type f)
	scripts/build-image $@

.PHONY: test
test: $(GUEST) ## every test; engines that are not installed are skipped loudly
	$(GO) vet ./...
	$(GO) test -timeout 40m ./...

.PHONY: bench
bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -timeout 40m ./...

.PHONY: lint
lint: ## layer rules, formatting, known vulnerabilities, shell scripts
	$(TOOL) golangci-lint run ./...
	$(TOOL) govulncheck ./...
	shellcheck scripts/* .ci/run $$(grep -rlE '^#!/bin/(ba)?sh' image)
