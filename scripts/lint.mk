# make lint, fmt: the style that .clang-format and .editorconfig tell, and what compilers and shellcheck find.
# Left as they are: programs under test, whose lines are expected, and the tables of include/, which are aligned by hand.
FMT_FILES = $(sort $(shell find analyzer preload tests/bench tests/faults tests/fuzz tests/reader tests/unit tests/unwind -name '*.[ch]' -o -name '*.cc'))
SH_FILES = $(sort .ci/run $(shell grep -lrE '^\#!(/usr/bin/env |/bin/)(ba)?sh' scripts tests --include='*' --exclude='*.bats'))

fmt: ## format the sources
	$(Q)scripts/deps --check lint
	$(Q)clang-format -i $(FMT_FILES)

# Both compilers, warnings as errors, in folders of their own; the links too.
lint: lint-format lint-shell lint-text lint-layers lint-gcc lint-clang ## check style, layers, scripts, warnings of gcc and clang

lint-deps:
	$(Q)scripts/deps --check lint

lint-format: lint-deps
	$(call say,FMT,sources)
	$(Q)clang-format --dry-run -Werror $(FMT_FILES)

lint-shell: lint-deps
	$(call say,SH,scripts)
	$(Q)shellcheck -x $(SH_FILES)

lint-text:
	$(call say,TEXT,sources)
	$(Q)scripts/lint-text

lint-layers:
	$(call say,INC,sources)
	$(Q)BUILD='$(abspath $(O))' ONLY='static/layers static/unique-names static/no-private-paths' tests/static/run

lint-gcc lint-clang: lint-%: lint-deps
	$(Q)$(MAKE) --no-print-directory O=$(O)/lint-$* CC=$* WERROR=1 all

.PHONY: fmt lint lint-deps lint-format lint-shell lint-text lint-layers lint-gcc lint-clang
