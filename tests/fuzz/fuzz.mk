# Fuzzing with libFuzzer (clang): `make fuzz` runs each target for FUZZ_SECONDS=60; `make fuzz-trace` one of them. A target
# is tests/fuzz/fuzz_NAME.c. FUZZ_NAME_C are the sources it tests, FUZZ_NAME_FLAGS its flags, and FUZZ_NAME_SEEDS the commands
# that fill the folder $$S with files to begin with. What it finds stays in $(O)/fuzz/NAME: run $(O)/fuzz/fuzz_NAME FILE
# to see it again.
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_FLAGS := -std=c11 -D_GNU_SOURCE -DTIDEMARK_FUZZING -Iinclude -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

FUZZ_trace_C := $(filter analyzer/base/% analyzer/core/%,$(ANALYZER_C))
FUZZ_trace_FLAGS := -Ianalyzer $(call pkg_libs,$(ANALYZER_PKGS)) -lm
FUZZ_trace_SEEDS := cp tests/golden/*.tmk $$S; python3 tests/reader/damage.py $(O) corpus $$S; \
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do python3 tests/reader/tmk_write.py $$i 60 > $$S/random-$$i; done

FUZZ_ops_C := $(FUZZ_trace_C)
FUZZ_ops_FLAGS := $(FUZZ_trace_FLAGS)
FUZZ_ops_SEEDS := $(FUZZ_trace_SEEDS)

FUZZ_cfi_C := $(addprefix preload/shim/,cfi.c cfi_expression.c)
FUZZ_cfi_FLAGS := -Ipreload/shim
FUZZ_cfi_SEEDS := python3 tests/fuzz/cfi_seeds.py $$S $(wildcard /bin/true /bin/echo /usr/bin/jq /lib/x86_64-linux-gnu/libdl.so.2)

FUZZ_lines_C := $(addprefix analyzer/,base/array.c symbols/elf_image.c symbols/line_table.c symbols/strpool.c)
FUZZ_lines_FLAGS := -Ianalyzer -ldw -lelf
FUZZ_lines_SEEDS := for v in 2 3 4 5; do c++ -std=c++17 -g -gdwarf-$$v -O2 -o $$S/../program tests/symbols/programs/names.cc && \
	objcopy -O binary --only-section=.debug_line --set-section-flags .debug_line=alloc $$S/../program $$S/lines-$$v; rm -f $$S/../program; done

define FUZZ_RULES
$(O)/fuzz/fuzz_$(1): tests/fuzz/fuzz_$(1).c $$(FUZZ_$(1)_C) tests/fuzz/fuzz.mk
	$$(call say,FUZZ,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^) $$(FUZZ_$(1)_FLAGS)

fuzz-$(1): $(O)/fuzz/fuzz_$(1)
	$$(Q)mkdir -p $(O)/fuzz/$(1)/corpus $(O)/fuzz/$(1)/seeds; S=$(O)/fuzz/$(1)/seeds; $$(FUZZ_$(1)_SEEDS)
	$$(Q)cd $(O)/fuzz/$(1) && ../fuzz_$(1) -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -max_len=20000 \
		-print_final_stats=1 -verbosity=$(if $(V),1,0) corpus seeds && echo 'ok fuzz/$(1): $(FUZZ_SECONDS) s without a finding'
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call FUZZ_RULES,$(name))))

fuzz: $(FUZZ_NAMES:%=fuzz-%) ## fuzz everything, a minute each

.PHONY: fuzz $(FUZZ_NAMES:%=fuzz-%)
