# Fuzzing with libFuzzer (clang): `make fuzz` runs each target for FUZZ_SECONDS=60; `make fuzz-trace` one of them. A target
# is tests/fuzz/fuzz_NAME.c with the sources it tests in FUZZ_NAME; its seeds come from the rule of $(O)/fuzz/NAME/seeds.
# What it finds stays in the build folder: run $(O)/fuzz/fuzz_NAME FILE to see it again.
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_FLAGS := -std=c11 -D_GNU_SOURCE -DTIDEMARK_FUZZING -Iinclude -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

FUZZ_trace := $(addprefix analyzer/,base/array.c base/err.c base/size.c \
	$(addprefix core/,block.c column.c define.c live.c mapping.c profile.c reader.c replay.c series.c source.c window.c))
FUZZ_trace_FLAGS := -Ianalyzer -lzstd -lz -lm

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.SECONDEXPANSION:
$(FUZZ_NAMES:%=$(O)/fuzz/fuzz_%): $(O)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $$(FUZZ_$$*) tests/fuzz/fuzz.mk
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $(filter %.c,$^) $(FUZZ_$*_FLAGS)

$(O)/fuzz/trace/seeds: tests/reader/tmk_write.py tests/reader/damage.py tests/golden
	$(Q)mkdir -p $@
	$(Q)cp tests/golden/*.tmk $@
	$(Q)python3 tests/reader/damage.py $(O) corpus $@
	$(Q)for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do python3 tests/reader/tmk_write.py $$seed 60 > $@/random-$$seed; done

$(FUZZ_NAMES:%=$(O)/fuzz/%/seeds): $(O)/fuzz/%/seeds:
	$(Q)mkdir -p $@

fuzz: $(FUZZ_NAMES:%=fuzz-%) ## fuzz everything, a minute each

$(FUZZ_NAMES:%=fuzz-%): fuzz-%: $(O)/fuzz/fuzz_% $(O)/fuzz/%/seeds
	$(Q)mkdir -p $(O)/fuzz/$*/corpus
	$(Q)cd $(O)/fuzz/$* && ../fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -max_len=20000 \
		-print_final_stats=1 -verbosity=$(if $(V),1,0) corpus seeds && echo "ok fuzz/$*: $(FUZZ_SECONDS) s without a finding"

.PHONY: fuzz $(FUZZ_NAMES:%=fuzz-%)
