# `make help` lists the targets. Needed beforehand: node (18 or newer) with npm, make, a POSIX shell.

SHELL = /bin/sh
.DEFAULT_GOAL = build
.DELETE_ON_ERROR:
# The steps inside a target are parallel where it pays; the targets themselves depend on their order.
.NOTPARALLEL:

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
JOBS ?= 2

HOST_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x64)
# make build ARCH=arm64 builds dist/ucrun-arm64 on another processor.
ARCH ?= $(HOST_ARCH)
EXECUTABLE := dist/ucrun$(if $(filter-out $(HOST_ARCH),$(ARCH)),-$(ARCH))

# The Node that is built into the executable also runs the scripts and tests: the one on PATH may be too old.
NODE := node_modules/node-linux-$(HOST_ARCH)/bin/node
BIOME := $(NODE) node_modules/@biomejs/biome/bin/biome
MODULES := node_modules/.installed
TEST_ENV := hack/in-test-env.sh

SOURCES := $(shell find src -name '*.ts' 2>/dev/null) \
  $(addprefix scripts/,build.ts bundle.ts chunk-loader.ts licenses.ts without-symbols.ts)

.PHONY: build
build: $(EXECUTABLE) ## Build dist/ucrun (ARCH=arm64: for the other processor)

$(EXECUTABLE): $(MODULES) $(SOURCES) build/commit
	$(NODE) scripts/build.ts --arch $(ARCH) --commit "$$(cat build/commit)"

$(MODULES): package.json package-lock.json .npmrc
	npm ci --ignore-scripts --loglevel=error
	@$(NODE) --version >/dev/null || { echo 'make: the Node of npm does not run here: "make setup" installs what it needs' >&2; exit 1; }
	@touch $@

# Rewritten only when the commit has changed, so that a build with nothing to do does nothing.
build/commit: FORCE
	@mkdir -p build
	@{ git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown; } >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

.PHONY: setup
setup: ## Install the system packages that demo and tests need
	hack/setup.sh

.PHONY: samples
samples: build ## Build the sample unikernels into build/registry
	hack/build-samples.sh build/registry

.PHONY: compose-samples
compose-samples: samples ## Build the unikernels of the compose examples, too
	hack/publish-subscribe/build.sh build/registry

.PHONY: demo
demo: setup build samples ## Run unikernels and a plain container through podman and ucrun
	$(TEST_ENV) hack/demo.sh

.PHONY: demo-compose
demo-compose: setup build compose-samples ## Run three unikernels out of a compose file: redis, publisher, subscriber
	$(TEST_ENV) hack/demo-compose.sh

.PHONY: test
test: setup build compose-samples check ## Run every check and every test
	hack/virtiofsd.sh build/virtiofsd
	hack/systemd-tree.sh build/systemd-tree
	$(TEST_ENV) $(NODE) scripts/test.ts --jobs $(JOBS)

.PHONY: check
check: $(MODULES) ## Check format, lint, types, imports and words
	$(BIOME) ci --colors=off --error-on-warnings
	$(NODE) node_modules/typescript/bin/tsc
	$(NODE) scripts/check-imports.ts
	$(NODE) scripts/check-words.ts

.PHONY: format
format: $(MODULES) ## Format the sources, apply the linter's safe fixes
	$(BIOME) check --colors=off --write

.PHONY: test-unit
test-unit: $(MODULES) ## Run the tests that need no host (FILE=part of a path)
	$(NODE) scripts/test.ts --jobs $(JOBS) --only unit $(FILE)

.PHONY: test-e2e
test-e2e: build ## Run the end-to-end tests alone (FILE=part of a path)
	$(TEST_ENV) $(NODE) scripts/test.ts --jobs $(JOBS) --only end-to-end $(FILE)

.PHONY: bench
bench: setup build samples ## Measure ucrun beside crun
	$(TEST_ENV) hack/bench.sh

MAN_PAGES := $(wildcard man/*.1 man/*.5 man/*.8)
DOCUMENTS := README.md LICENSE etc/config.toml
# What README.md links to, and the tracker image of the examples, at the same places beside it.
DOCUMENT_TREES := compose-examples containerfile deploy docs hack/loop-svc.c

.PHONY: install
install: build ## Install below $(DESTDIR)$(PREFIX)
	install -D -m 0755 $(EXECUTABLE) "$(DESTDIR)$(BINDIR)/ucrun"
	for page in $(MAN_PAGES); do \
	  install -D -m 0644 "$$page" "$(DESTDIR)$(DATADIR)/man/man$${page##*.}/$${page##*/}" || exit; done
	install -D -m 0644 completions/ucrun.bash "$(DESTDIR)$(DATADIR)/bash-completion/completions/ucrun"
	install -D -m 0644 completions/_ucrun "$(DESTDIR)$(DATADIR)/zsh/site-functions/_ucrun"
	install -D -m 0644 completions/ucrun.fish "$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/ucrun.fish"
	install -D -m 0644 $(EXECUTABLE).licenses "$(DESTDIR)$(DATADIR)/doc/ucrun/third-party-licenses"
	for file in $(DOCUMENTS); do install -D -m 0644 "$$file" "$(DESTDIR)$(DATADIR)/doc/ucrun/$${file##*/}" || exit; done
	find $(DOCUMENT_TREES) -type f -exec sh -c \
	  'for file; do install -D -m 0644 "$$file" "$$0/$$file" || exit; done' "$(DESTDIR)$(DATADIR)/doc/ucrun" {} +

.PHONY: uninstall
uninstall: ## Remove what install put there
	rm -f "$(DESTDIR)$(BINDIR)/ucrun"
	for page in $(MAN_PAGES); do rm -f "$(DESTDIR)$(DATADIR)/man/man$${page##*.}/$${page##*/}"; done
	rm -f "$(DESTDIR)$(DATADIR)/bash-completion/completions/ucrun" \
	  "$(DESTDIR)$(DATADIR)/zsh/site-functions/_ucrun" \
	  "$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/ucrun.fish"
	rm -rf "$(DESTDIR)$(DATADIR)/doc/ucrun"

.PHONY: deb
deb: build ## Make a package for Debian and Ubuntu in dist/
	hack/package.sh deb

.PHONY: rpm
rpm: build ## Make a package for Fedora and its kin in dist/
	hack/package.sh rpm

.PHONY: clean
clean: ## Remove everything that was built (node_modules stays)
	hack/systemd-tree.sh -r build/systemd-tree
	rm -rf build dist

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

FORCE:
