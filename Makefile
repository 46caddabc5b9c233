# Tidemark. Knobs:
#   make V=1                      show commands          make DEBUG=1        -O0 -g3
#   make SAN=address,undefined    sanitizers (command and collector; never the shim)
#   make O=DIR                    build folder (build)   make CC=clang       compiler
#   make WERROR=1                 warnings are errors
#   make install PREFIX=/usr/local DESTDIR=              make help           all targets
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

# name:Debian package of everything that pkg-config knows
COLLECTOR_PKGS := libzstd zlib
ANALYZER_PKGS := libdw libelf libzstd zlib jansson
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

deps: ## check that every needed package is there
	$(Q)scripts/deps --check

# The shim: position independent, initial-exec TLS, no stack protector or sanitizer runtime, libc alone.
SHIM_FLAGS := -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector -U_FORTIFY_SOURCE \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fasynchronous-unwind-tables -DTIDEMARK_SHIM
$(O)/libtidemark.so: $(SHIM_O) preload/shim/libtidemark.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -o $@ $(SHIM_O) -Wl,--version-script=preload/shim/libtidemark.map -Wl,--no-undefined \
		-Wl,-z,initfirst -Wl,-z,now -Wl,-z,relro -Wl,-soname,libtidemark.so -nostartfiles -nodefaultlibs -lc $(LDFLAGS)

$(O)/tidemark-collector: $(COLLECTOR_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(call pkg_libs,$(COLLECTOR_PKGS)) -pthread $(LDFLAGS)

$(O)/tidemark: $(ANALYZER_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(call pkg_libs,$(ANALYZER_PKGS)) -liberty -lm -pthread $(LDFLAGS)

$(O)/preload/shim/%.o: preload/shim/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ipreload/shim $(CFLAGS) $(SHIM_FLAGS) -MMD -MP -c -o $@ $<

$(O)/preload/collector/%.o: preload/collector/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ipreload/collector $(CFLAGS) $(SANFLAGS) $(call pkg_flags,$(COLLECTOR_PKGS)) -pthread -MMD -MP -c -o $@ $<

$(O)/analyzer/%.o: analyzer/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) $(call pkg_flags,$(ANALYZER_PKGS)) -pthread -MMD -MP -c -o $@ $<

-include $(SHIM_O:.o=.d) $(COLLECTOR_O:.o=.d) $(ANALYZER_O:.o=.d)
-include tests/tests.mk scripts/install.mk

clean: ## remove the build folder
	$(Q)rm -rf $(O)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all deps clean help
