# Programs for the tests of the reader, and sanitized readers for damaged files. Included by the Makefile.
READER_CORE_O := $(addprefix $(O)/analyzer/,base/array.o base/err.o base/size.o \
	$(addprefix core/,block.o column.o define.o live.o mapping.o profile.o reader.o replay.o series.o source.o window.o))

$(O)/tests/profile_print $(O)/tests/profile_stream: $(O)/tests/%: tests/reader/%.c $(READER_CORE_O)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) -o $@ $< $(READER_CORE_O) -lzstd -lz -lm $(LDFLAGS)

$(O)/tests/big_trace: tests/reader/big_trace.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -O2 -o $@ $< -lzstd -lz

reader-programs: $(O)/tests/profile_print $(O)/tests/profile_stream $(O)/tests/big_trace
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=address,undefined CFLAGS='-O1 -g' $(O)/san/tests/profile_stream

check-programs: reader-programs

.PHONY: reader-programs
