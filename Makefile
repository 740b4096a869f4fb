# make run    set up, then see it work: cat under "stdio rpath", a violation killed, and explained by the command
# make test   set up, then all tests, with libseccomp and without cgo
# make lint   gofmt, vet and staticcheck
# make bench  what it costs
# make prove  the long form of the proof (about two minutes)
# make fuzz   three minutes of fuzzing
#
# make matrix-quick  the tests on three other kernels, arm64 among them, in emulated machines (a quarter of an hour;
#                    with LIMIT=12m, those that have not begun by then, or cannot be fetched, are left out, and told)
# make matrix        on all kernels and builds there are (two hours; it can be interrupted, and goes on where it
#                    ended); writes docs/matrix.md
#                    These need Debian, and root to install QEMU and cross compilers if they are missing.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: run test lint bench prove fuzz generate setup setup-tests matrix matrix-quick

setup:
	@sh scripts/setup

setup-tests:
	@sh scripts/setup tests

run: setup
	@echo '$$ cat README.md      # it may read files, and does'
	$(GO) run ./examples/cat README.md
	@echo
	@echo '$$ cat -violate LICENSE      # and then it opens a socket, which it did not promise'
	@$(GO) build -o .build/cat ./examples/cat
	@.build/cat -violate LICENSE; status=$$?; \
	echo "exit status $$status"; \
	if [ $$status -eq 159 ]; then echo 'killed by SIGSYS: that is what should happen'; \
	else echo 'a violation must end with status 159 (SIGSYS): is seccomp refused here?'; exit 1; fi
	@echo
	@echo '$$ pledge run -p "stdio" -- cat LICENSE      # and a program that knows nothing of promises'
	@CGO_ENABLED=0 $(GO) build -o .build/pledge ./cmd/pledge
	@.build/pledge run -p "stdio" -- cat LICENSE; status=$$?; \
	echo "exit status $$status"; [ $$status -eq 159 ] || [ $$status -eq 125 ] # 125: tracing is forbidden here, as it says

test: setup-tests
	$(GO) test ./...
	CGO_ENABLED=0 $(GO) test ./...

lint: setup
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=0 GOARCH=arm64 $(GO) vet ./...
	for system in openbsd/amd64 darwin/arm64 windows/amd64 linux/riscv64; do \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) vet ./... || exit 1; done
	$(GO) run $(STATICCHECK) ./...
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) ./...

bench: setup
	$(GO) test -run '^$$' -bench . ./...

prove: setup
	$(GO) test -run TestProof -timeout 2h -v . -args -prove

fuzz: setup
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 1m .
	$(GO) test -run '^$$' -fuzz FuzzCompile -fuzztime 1m ./internal/bpf
	$(GO) test -run '^$$' -fuzz FuzzMachine -fuzztime 1m ./internal/bpf

# Not go run, which hides the exit status.
.build/matrix: FORCE
	CGO_ENABLED=0 $(GO) build -o $@ ./internal/vmtest/cmd/matrix

FORCE:

matrix-quick: setup .build/matrix
	.build/matrix -quick $(if $(LIMIT),-time $(LIMIT) || [ $$? -eq 3 ])

matrix: setup .build/matrix
	.build/matrix -write docs/matrix.md

generate: setup
	$(GO) generate ./...
