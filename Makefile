# gostack: "make" says what there is.
export CGO_ENABLED = 0
GO ?= go
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

# The same short walk of the crash suite each time; make crash takes others, and longer ones.
.PHONY: test
test: export CRASH_SEED ?= 7
test: $(GUEST) ## every test; engines that are not installed are skipped loudly
	$(GO) vet ./...
	$(GO) test -timeout 40m ./...

# The long suites that choose one database; all others run on both anyway.
.PHONY: test-postgres
test-postgres: ## the suites that make test runs on SQLite alone, on PostgreSQL; takes half an hour
	GOSTACK_REQUIRE=all GOSTACK_TEST_DATABASE=postgres $(GO) test -count=1 -timeout 3h $$(grep -rl 'storetest\.Either(' --include=*_test.go internal | xargs -n1 dirname | sort -u | sed 's,^,./,')

HOSTS ?= 3
.PHONY: lab
lab: build $(GUEST) ## a cloud of HOSTS=3 hosts on this machine, in namespaces
	$(SUDO) env PATH="$$PATH" $(GO) run ./test/lab/cmd up --hosts $(HOSTS)

.PHONY: lab-down
lab-down: ## the end of the lab
	$(SUDO) env PATH="$$PATH" $(GO) run ./test/lab/cmd down

OPERATIONS ?= 10000
.PHONY: crash
crash: $(GUEST) ## OPERATIONS=10000 random operations while everything dies; SEED=n repeats a walk
	CRASH_SEED=$(SEED) CRASH_OPERATIONS=$(OPERATIONS) $(GO) test -count=1 -v -timeout 12h ./test/crash
	GOSTACK_LONG=1 $(GO) test -count=1 -v -timeout 1h ./internal/bus/amqp

SUITES ?= tempest,gophercloud
.PHONY: conformance
conformance: $(GUEST) ## SUITES=tempest,gophercloud whole, on real engines; MATCH=regexp narrows them; takes an hour
	CONFORMANCE=$(SUITES) CONFORMANCE_MATCH='$(MATCH)' $(GO) test -count=1 -v -timeout 12h -run 'TestOnRealEngines|TestOnSeveralHosts|TestTerraform' ./test/conformance

.PHONY: bench
bench: build $(GUEST) ## how fast it is, each figure beside its baseline
	$(GO) test -run '^$$' -bench . -benchtime 200ms $(addprefix ./internal/,bus/amqp engine/qemuimg imageformat keystone nova/scheduler placement saga store)
	$(GO) run ./test/bench

.PHONY: coverage-api
coverage-api: ## which of upstream's operations are answered
	$(GO) run ./test/coverage -missing

.PHONY: docs-compat
docs-compat: ## docs/compatibility.md anew
	$(GO) run ./test/coverage -write

.PHONY: lint
lint: build/tools/golangci-lint build/tools/govulncheck ## layer rules, formatting, shell scripts, known vulnerabilities
	shellcheck scripts/* .ci/run $$(grep -rlE '^#!/bin/(busybox )?(ba)?sh' image)
	build/tools/golangci-lint run ./...
	@build/tools/govulncheck ./... || { [ $$? != 3 ] && echo "govulncheck could not run, so nothing is known about vulnerabilities"; }

.PHONY: format
format: build/tools/gofumpt ## every Go file as gofumpt writes it
	build/tools/gofumpt -w cmd internal test

# The tools have a module of their own, so that the binary's stays clean.
build/tools/golangci-lint: tools/go.mod
	$(GO) build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
build/tools/govulncheck: tools/go.mod
	$(GO) build -modfile=tools/go.mod -o $@ golang.org/x/vuln/cmd/govulncheck
build/tools/gofumpt: tools/go.mod
	$(GO) build -modfile=tools/go.mod -o $@ mvdan.cc/gofumpt
