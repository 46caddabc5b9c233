# Programs for the tests of the reader: profile_print and big_trace, and the sanitized readers. Included by tests/tests.mk.
READER_CORE_O := $(addprefix $(O)/analyzer/,base/array.o base/err.o base/size.o \
	$(addprefix core/,block.o column.o define.o live.o mapping.o profile.o reader.o replay.o series.o source.o window.o))

$(O)/tests/profile_print: tests/reader/profile_print.c $(READER_CORE_O)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) -o $@ $< $(READER_CORE_O) -lzstd -lz -lm $(LDFLAGS)

$(O)/tests/big_trace: tests/reader/big_trace.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -O2 -o $@ $< -lzstd -lz

# The same and the command with sanitizers, for damaged files.
$(O)/san/tests/profile_print $(O)/san/tidemark: reader-sanitized
reader-sanitized:
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=address,undefined CFLAGS='-O1 -g' $(O)/san/tests/profile_print $(O)/san/tidemark

READER_BINS := $(O)/tests/profile_print $(O)/tests/big_trace $(if $(SAN),,$(O)/san/tests/profile_print $(O)/san/tidemark)
check-programs: $(READER_BINS)

.PHONY: reader-sanitized
