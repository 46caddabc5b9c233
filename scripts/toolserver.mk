# The workload generator: a server that leaks as it is told to, for tests and docs/tutorial.md.
toolserver: $(O)/toolserver ## build the workload generator of the tutorial

$(O)/toolserver: scripts/toolserver.c include/tidemark.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -fno-optimize-sibling-calls $(WARN) -Iinclude -o $@ $< -pthread

check-programs: $(O)/toolserver

.PHONY: toolserver
