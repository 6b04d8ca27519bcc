# Everything runs offline from the Go module proxy alone; nothing needs root.
GO      ?= go
BIN     := bin/rosey
TOOLS   := $(CURDIR)/.tools/bin

.PHONY: build run test crash lint fuzz bench clean

# What is built, and what is read to be checked, is compiled the same way: once.
STATIC := CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) -trimpath"

# Go knows what has changed, also of the pages and the data that are in the program.
build:
	$(STATIC) $(GO) build -o $(BIN) ./cmd/rosey

# run opens a local room in the terminal: type as a user, see the bot answer.
run: build
	@$(BIN) run

# test runs every test with the race detector. The plugin in JavaScript and the SDK for
# Node are tried where there is a Node to run them, the console where there is a chromium. Tests wait
# nearly as much as they work, so one more than there are processors runs at a time.
#
# The programs that the tests of cmd start are the one that build makes, as
# hundreds with the race detector would take twice the time; those of TestCrash
# have it, and with plain go test -race ./cmd all have. Commands that start no bot
# are run by a few processes of COMMANDS, the tests of cmd compiled like build.
# Without -trimpath each clone would compile for itself; symbols for a debugger
# would take a third of the time to link; the detector would wait a second at each
# end; and what go vet says is the business of lint.
COMMANDS := bin/commands.test
PARALLEL ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
test: build examples/plugin-node/node_modules sdk/node/node_modules console/browsertest/node_modules
	@python3 -c 'import nats, nkeys' 2>/dev/null || echo "sdk/python is not tested: there is no python3 with nats-py[nkeys]"
	$(STATIC) $(GO) test -c -ldflags='-s -w' -vet=off -o $(COMMANDS) ./cmd
	ROSEY_TEST_PROGRAM=$(CURDIR)/$(BIN) ROSEY_TEST_COMMANDS=$(CURDIR)/$(COMMANDS) GORACE=atexit_sleep_ms=0 \
	$(GO) test -race -trimpath -ldflags='-s -w' -vet=off -p $(PARALLEL) -parallel $(PARALLEL) -timeout 30m ./...

# check is for before a commit: build, vet, lint and, compiled as build compiles, the tests that
# are fast. To link the tests of every package takes longer than to run these, so it leaves those of
# single plugins, of the packages below streams and of the examples to test.
CHECKED := ./event/... ./internal/... ./streams ./consumers ./consumers/router ./kvstore/... ./replay/... \
	./cytube/... ./plugins ./plugins/host ./plugins/shipped ./telemetry/... ./console ./bot ./cmd
.PHONY: check
check: build lint
	ROSEY_TEST_PROGRAM=$(CURDIR)/$(BIN) $(STATIC) \
	$(GO) test -short -ldflags='-s -w' -vet=off -p $(PARALLEL) -parallel $(PARALLEL) -timeout 5m $(CHECKED)

%/node_modules: %/package-lock.json
	@if command -v npm >/dev/null; then cd $(@D) && npm ci --no-fund --no-audit && touch node_modules; \
	else echo "there is no npm: $(@D) does without its packages"; fi

# test-shell tests the example in shell, which needs the NATS CLI: that takes longer
# to build than everything here does, so make test runs it only where it is there.
NATS_CLI ?= v0.5.0
.PHONY: test-shell
test-shell: $(TOOLS)/nats
	PATH="$(TOOLS):$$PATH" $(GO) test -run '^TestShellPlugin$$' -count=1 -v ./examples

$(TOOLS)/nats: Makefile
	GOBIN=$(TOOLS) $(GO) install github.com/nats-io/natscli/nats@$(NATS_CLI)

# screenshots takes the pictures of docs/console.md with a real bot and chromium.
.PHONY: screenshots
screenshots:
	ROSEY_SCREENSHOTS=$(CURDIR)/docs/console $(GO) test -run '^TestScreenshots$$' -count=1 ./cmd

# crash kills whatever can be killed, at moments that SEED decides, while people
# type commands, and counts what is lost and what is doubled.
SEED     ?= 1
DURATION ?= 60s
crash: build
	$(STATIC) $(GO) build -o $(BIN)-crash ./cmd/rosey-crash
	@$(BIN)-crash -rosey $(BIN) -seed $(SEED) -duration $(DURATION)

# soak does the same for long, killing seldom, with more load of more kinds, and
# watches that goroutines, memory and the store do not grow.
SOAK ?= 20m
.PHONY: soak
soak: build
	$(STATIC) $(GO) build -o $(BIN)-crash ./cmd/rosey-crash
	@$(BIN)-crash -rosey $(BIN) -seed $(SEED) -duration $(SOAK) -mode embedded -soak

# cluster-test kills servers of a cluster of three and the two bots that share
# it, one at a time at moments that SEED decides, and counts as crash does.
.PHONY: cluster-test
cluster-test: build
	$(STATIC) $(GO) build -o $(BIN)-crash ./cmd/rosey-crash
	@$(BIN)-crash -mode cluster -rosey $(BIN) -seed $(SEED) -duration $(CLUSTER_DURATION)

CLUSTER_DURATION ?= 3m

# old-stores makes the stores of earlier releases in cmd/testdata/stores anew, each with
# the program of its commit. TestOldStores opens them.
OLD_STORES ?= 31cf68e 757282f fc475e6 10c4cd1 c1bc645
.PHONY: old-stores
old-stores:
	@set -e; for commit in $(OLD_STORES); do \
	  dir=$(TOOLS)/../old/$$commit; rm -rf $$dir; mkdir -p $$dir cmd/testdata/stores; \
	  git archive $$commit | tar -x -C $$dir; (cd $$dir && $(STATIC) $(GO) build -o rosey ./cmd/rosey); \
	  ROSEY_MAKE_STORE=$$commit ROSEY_TEST_PROGRAM=$$dir/rosey $(GO) test -run '^TestMakeOldStore$$' -count=1 ./cmd; \
	done

# clock-test has the machine's clock jump, for bots that the test starts: they are
# built with another time.Now, which takes a minute or two. The rest of the machine
# keeps its time.
.PHONY: clock-test
clock-test:
	@mkdir -p $(TOOLS)/../clock
	@cd $(TOOLS)/../clock && root=$$($(GO) env GOROOT)/src/time && \
	sed 's/^\tsec, nsec, mono := runtimeNow()$$/&; sec, nsec = step(sec, nsec)/' $$root/time.go > time.go && grep -q 'step(sec' time.go && \
	printf '{"Replace":{"%s/time.go":"%s/time.go","%s/step.go":"%s"}}' $$root $$PWD $$root $(CURDIR)/cmd/testdata/clock/step.go > overlay.json
	CGO_ENABLED=0 $(GO) test -trimpath -overlay .tools/clock/overlay.json -tags clock -run '^TestOwnClock' -count=1 -v ./cmd

# forget-test forgets a person in a store of FORGET_EVENTS events, of a stopped bot and of one
# that runs, and looks into all of its files for what is left.
.PHONY: forget-test
forget-test:
	ROSEY_FORGET_EVENTS=$(FORGET_EVENTS) $(GO) test -run '^TestForget(LeavesNothingOnDisk|BesideARunningBot)$$' -count=1 -timeout 20m -v ./cmd

FORGET_EVENTS ?= 100000

# jaeger-test asks a real Jaeger for the traces of a real bot.
.PHONY: jaeger-test
jaeger-test: $(TOOLS)/all-in-one
	ROSEY_JAEGER=$(TOOLS)/all-in-one $(GO) test -tags jaeger -run '^TestJaeger' -count=1 -v ./cmd

$(TOOLS)/all-in-one:
	GOBIN=$(TOOLS) $(GO) install github.com/jaegertracing/jaeger/cmd/all-in-one@v1.45.0

# bench compares Rosey's layers with bare NATS, in one process and one table. BENCH takes flags, such as --quick.
bench: build
	$(STATIC) $(GO) build -o $(BIN)-bench ./cmd/rosey-bench
	@$(BIN)-bench $(BENCH)

# bench-tracing measures what tracing costs, also with a collector that is away.
.PHONY: bench-tracing
bench-tracing:
	$(GO) test -run '^$$' -bench '^BenchmarkTracing$$' -benchtime 1x ./cmd/rosey-bench

# bench-replay measures what reading the past of a million events costs.
.PHONY: bench-replay
bench-replay:
	$(GO) test -run '^$$' -bench '^BenchmarkMillion$$' -benchtime 3x -timeout 30m ./replay/audit

# bench-show measures how long a channel takes to be shown as it was in ten million events.
.PHONY: bench-show
bench-show:
	$(GO) test -run '^$$' -bench '^BenchmarkShow$$' -benchtime 10x -timeout 60m ./cytube/past

# bench-channels has one bot in CHANNELS channels that speak the real protocol.
CHANNELS ?= 200
.PHONY: bench-channels
bench-channels:
	CHANNELS=$(CHANNELS) DURATION=$(DURATION) $(GO) test -run '^$$' -bench '^BenchmarkChannels$$' -benchtime 1x -timeout 20m -v ./cmd

# bench-db measures the database beside raw NATS KV and SQLite. SQLite is the
# business of a module of its own, which takes a minute to build and follows the
# versions of the bot's (-mod=mod).
.PHONY: bench-db
bench-db:
	$(GO) -C kvstore/benchdb test -mod=mod -run '^$$' -bench . -timeout 60m $(BENCH_DB)

lint: $(TOOLS)/golangci-lint
	$(STATIC) $(TOOLS)/golangci-lint run
	$(STATIC) $(GO) -C kvstore/benchdb vet -mod=mod -tags nosqlite .

# The pinned tools. Each is built once from the module proxy, apart from this module's
# requirements; another version in its rule builds it anew.
tool = GOBIN=$(TOOLS) $(STATIC) $(GO) install

$(TOOLS)/golangci-lint: Makefile
	$(tool) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@touch $@

$(TOOLS)/goreleaser: Makefile
	$(tool) github.com/goreleaser/goreleaser/v2@v2.17.0
	@touch $@

$(TOOLS)/cyclonedx-gomod: Makefile
	$(tool) github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
	@touch $@

$(TOOLS)/go-licenses: Makefile
	$(tool) github.com/google/go-licenses@v1.6.0
	@touch $@

# fuzz runs each fuzz test for FUZZTIME, of which making what takes new paths smaller takes little.
FUZZTIME ?= 10s
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$pkg; \
	  done; done

# release builds archives for every platform into dist, each with a list of the
# modules in it, and their checksums. The same commit and Go give the same ones.
.PHONY: release man completions vulncheck licences
VERSION ?= $(shell git describe --tags --always --dirty)
release: licences man completions $(TOOLS)/goreleaser $(TOOLS)/cyclonedx-gomod
	PATH="$(TOOLS):$$PATH" VERSION="$(VERSION)" COMMIT=$$(git rev-parse HEAD) MODIFIED=$$([ -z "$$(git status --porcelain)" ] && echo false || echo true) \
	COMMIT_TIMESTAMP=$$(git log -1 --format=%ct) COMMIT_TIME=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) \
	$(TOOLS)/goreleaser release $(RELEASE_FLAGS) --snapshot --clean

# man writes the manual page, which must not name the builder's own folders.
man: build
	@mkdir -p bin/release
	HOME='~' XDG_STATE_HOME= XDG_CONFIG_HOME= $(BIN) man > bin/release/rosey.1

completions: build
	@mkdir -p bin/release/completions
	$(BIN) completion bash > bin/release/completions/rosey.bash
	$(BIN) completion zsh > bin/release/completions/_rosey
	$(BIN) completion fish > bin/release/completions/rosey.fish

# vulncheck looks for known vulnerabilities in what the program calls, and in Go
# itself. It reads the Go team's reports as their module has them, or the database
# that GOVULNDB names, such as https://vuln.go.dev.
vulncheck:
	@db=$(GOVULNDB); [ -n "$$db" ] || db=file://$$($(GO) mod download -json golang.org/x/vulndb@latest | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')/data/osv; \
	echo "known vulnerabilities of $$db"; $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 -db "$$db" ./cmd/rosey

# licences lists those of the modules that are linked in, and fails for one that a
# program under the Apache License may not contain.
LICENCES := Apache-2.0,BSD-2-Clause,BSD-3-Clause,MIT,ISC,MPL-2.0,Unlicense
licences: $(TOOLS)/go-licenses
	@GOROOT=$$($(GO) env GOROOT) $(TOOLS)/go-licenses report ./cmd/rosey 2>/dev/null
	@GOROOT=$$($(GO) env GOROOT) $(TOOLS)/go-licenses check --allowed_licenses=$(LICENCES) ./cmd/rosey 2>/dev/null || \
	{ echo "a licence is unknown or does not fit"; exit 1; }

clean:
	rm -rf bin dist .tools
