# The estimator as a program of its own, for the tests of the leak rate. Included by the Makefile.
LEAKRATE_O := $(addprefix $(O)/analyzer/core/,batches.o estimate.o)

$(O)/tests/estimate_stream: tests/leakrate/estimate_stream.c $(LEAKRATE_O)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) -o $@ $< $(LEAKRATE_O) -lm $(LDFLAGS)

check-programs: $(O)/tests/estimate_stream
