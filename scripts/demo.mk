# make demo: from a fresh clone to a report on a real program.
demo: ## install what is missing, build, record a real program, show what it did
	$(Q)scripts/deps --install build demo
	$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) all
	$(Q)scripts/demo $(O)

.PHONY: demo
