# Tidemark. Knobs:
#   make V=1                      show commands          make DEBUG=1        -O0 -g3
#   make SAN=address,undefined    sanitizers (command and collector; never the shim)
#   make O=DIR                    build folder (build)   make CC=clang       compiler
#   make WERROR=1                 warnings are errors    make CFLAGS=...     instead of -O2 -g
#   make install PREFIX=/usr/local DESTDIR=              make help           all targets
# A changed knob rebuilds what it touches. Rules that are not about building lie in scripts/*.mk and tests/*.mk.
O ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
CXX ?= c++
VERSION := 0.1.0

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' '$(1)' '$(2)')

WARN := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes $(if $(WERROR),-Werror)
OPT := $(if $(DEBUG),-O0 -g3,-O2 -g)
CFLAGS ?= $(OPT)
BASE := -std=c11 -D_GNU_SOURCE -DTIDEMARK_VERSION='"$(VERSION)"' $(WARN) -Iinclude
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# What pkg-config knows; scripts/deps names the Debian package of each.
COLLECTOR_PKGS := libzstd zlib
ANALYZER_PKGS := libdw libelf libzstd zlib jansson sqlite3
pkg_flags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs = $(shell pkg-config --libs $(1) 2>/dev/null)

SHIM_C := $(sort $(wildcard preload/shim/*.c))
COLLECTOR_C := $(sort $(wildcard preload/collector/*.c))
ANALYZER_C := $(sort $(wildcard analyzer/*.c analyzer/*/*.c))
UNIT_C := $(sort $(wildcard tests/unit/test_*.c))

SHIM_O := $(SHIM_C:%.c=$(O)/%.o)
COLLECTOR_O := $(COLLECTOR_C:%.c=$(O)/%.o)
ANALYZER_O := $(ANALYZER_C:%.c=$(O)/%.o)

all: deps $(O)/tidemark $(O)/libtidemark.so $(O)/tidemark-collector ## build everything

deps: ## check that what the build needs is there
	$(Q)scripts/deps --check build

# Files that change when the compiler or a flag does, and when the set of sources does.
$(O)/knobs: export KNOBS = $(CC) $(BASE) $(CFLAGS) $(SANFLAGS) $(LDFLAGS)
$(O)/sources: export KNOBS = $(SHIM_C) $(COLLECTOR_C) $(ANALYZER_C)
$(O)/knobs $(O)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$KNOBS" | cmp -s - $@ || printf '%s\n' "$$KNOBS" >$@
FORCE:

# The shim: position independent, initial-exec TLS, no stack protector or sanitizer runtime, libc alone.
SHIM_FLAGS := -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector -U_FORTIFY_SOURCE \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fasynchronous-unwind-tables -DTIDEMARK_SHIM
SHIM_CPU := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
# A caller may have its stack aligned to 8 bytes only: no vector instruction must touch it.
SHIM_FLAGS += $(if $(filter x86_64,$(SHIM_CPU)),-mgeneral-regs-only)
# Atomic operations of aarch64 would otherwise be calls into libgcc.
SHIM_FLAGS += $(if $(filter aarch64,$(SHIM_CPU)),-mno-outline-atomics)
$(O)/libtidemark.so: $(SHIM_O) preload/shim/libtidemark.map $(O)/sources
	$(call say,LD,$@)
	$(Q)$(CC) -shared -o $@ $(SHIM_O) -Wl,--version-script=preload/shim/libtidemark.map -Wl,--no-undefined \
		-Wl,-z,initfirst -Wl,-z,now -Wl,-z,relro -Wl,-soname,libtidemark.so -nostartfiles -nodefaultlibs -lc $(LDFLAGS)

$(O)/tidemark-collector: $(COLLECTOR_O) $(O)/sources
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) -o $@ $(COLLECTOR_O) $(call pkg_libs,$(COLLECTOR_PKGS)) -pthread $(LDFLAGS)

$(O)/tidemark: $(ANALYZER_O) $(O)/sources
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) -o $@ $(ANALYZER_O) $(call pkg_libs,$(ANALYZER_PKGS)) -liberty -lm -ldl -pthread $(LDFLAGS)

$(O)/preload/shim/%.o: preload/shim/%.c $(O)/knobs | deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ipreload/shim $(CFLAGS) $(SHIM_FLAGS) -MMD -MP -c -o $@ $<

# Loops over whole columns: gcc makes vectors of them at -O3 only.
$(O)/preload/collector/encode.o: OPT := $(if $(DEBUG),$(OPT),-O3 -g)

$(O)/preload/collector/%.o: preload/collector/%.c $(O)/knobs | deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ipreload/collector $(CFLAGS) $(SANFLAGS) $(call pkg_flags,$(COLLECTOR_PKGS)) -pthread -MMD -MP -c -o $@ $<

$(O)/analyzer/%.o: analyzer/%.c $(O)/knobs | deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) $(call pkg_flags,$(ANALYZER_PKGS)) -pthread -MMD -MP -c -o $@ $<

-include $(SHIM_O:.o=.d) $(COLLECTOR_O:.o=.d) $(ANALYZER_O:.o=.d)
include $(sort $(wildcard scripts/*.mk tests/*.mk tests/*/*.mk))

clean: ## remove the build folder
	$(Q)rm -rf $(O)

help: ## list the targets
	@sed -n '2,/^[^#]/s/^# \{0,1\}//p' Makefile
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sort | expand -t 14

.PHONY: all deps clean help FORCE
