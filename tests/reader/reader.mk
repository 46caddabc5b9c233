# Programs for the tests of the reader, and sanitized readers for damaged files. Included by the Makefile.
# They take what they need out of an archive of the analyzer's core.
READER_CORE_O := $(filter $(O)/analyzer/base/% $(O)/analyzer/core/%,$(ANALYZER_O))

$(O)/tests/core.a: $(READER_CORE_O) $(O)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $(READER_CORE_O)

$(O)/tests/profile_print $(O)/tests/profile_stream: $(O)/tests/%: tests/reader/%.c $(O)/tests/core.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) -o $@ $< $(O)/tests/core.a -lzstd -lz -lm $(LDFLAGS)

$(O)/tests/big_trace: tests/reader/big_trace.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -O2 -o $@ $< -lzstd -lz

reader-programs: $(O)/tests/profile_print $(O)/tests/profile_stream $(O)/tests/big_trace
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=address,undefined CFLAGS='-O1 -g' $(O)/san/tests/profile_stream

check-programs: reader-programs

.PHONY: reader-programs
