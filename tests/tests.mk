# Tests. Every piece can be run alone, and so can every test:
#   make check                                   everything; installs what is missing first
#   make check-targets                           one piece (all of them: check-<tab>)
#   make check-targets ONLY=fork-child           tests whose name holds this word; several words: any of them
#   make check-targets ONLY="fork-child preload" KEEP=1     keep the folder with the traces of what failed, and say where
#   make check-unit ONLY=test_varint
#   make check-planted SEEDS=20 FULL=1           leaks of known rate, in all lengths: about two minutes
# A test program runs by hand too, with a debugger or valgrind around it:
#   build/tidemark record -o /tmp/x.tmk -- build/tests/targets/fork-child; build/tidemark summary /tmp/x.tmk
#   LD_PRELOAD=build/libtidemark.so TIDEMARK_OUTPUT=/tmp/x.tmk gdb --args build/tests/targets/fork-child
#   gdb --args build/tests/unit/test_varint
# JOBS=N  tests at the same time (number of processors)      HANG_SECONDS=N  when a test counts as hanging (120)

PIECES := static unit cli reader symbols reports unwind targets oracle faults real api planted drive history gate leakrate

TARGET_LIB_C := $(sort $(wildcard tests/targets/lib-*.c))
TARGET_LIB_CXX := $(sort $(wildcard tests/targets/lib-*.cc))
TARGET_C := $(filter-out $(TARGET_LIB_C),$(sort $(wildcard tests/targets/*.c)))
TARGET_CXX := $(filter-out $(TARGET_LIB_CXX),$(sort $(wildcard tests/targets/*.cc)))
TARGET_LIBS := $(TARGET_LIB_C:tests/targets/lib-%.c=$(O)/tests/targets/lib%.so) \
	$(TARGET_LIB_CXX:tests/targets/lib-%.cc=$(O)/tests/targets/lib%.so)
TARGET_BINS := $(TARGET_C:%.c=$(O)/%) $(TARGET_CXX:%.cc=$(O)/%)
ORACLE_BINS := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/oracle/*.c)))
PLANTED_BINS := $(O)/tests/planted/planted
FAULT_BINS := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/faults/*.c)))
UNIT_BINS := $(UNIT_C:%.c=$(O)/%)

# Optimised, so that frames are what real programs have; but no allocation is optimised away and no frame is dropped.
TARGET_FLAGS := -O1 -g -fno-builtin -fno-optimize-sibling-calls -D_GNU_SOURCE -Wall -Wextra $(if $(WERROR),-Werror) -Iinclude -Itests/targets
TARGET_CXXFLAGS := -std=gnu++17 -fsized-deallocation $(TARGET_FLAGS)
TARGET_LINK := -pthread -L$(O)/tests/targets -Wl,-rpath,'$$ORIGIN'

$(O)/tests/targets/constructors: TARGET_LINK += -lconstructor
$(O)/tests/targets/wrapped-malloc: TARGET_LINK += -lwrapping
$(O)/tests/targets/suppressed: TARGET_LINK += -rdynamic
$(O)/tests/targets/operations-no-pie: TARGET_LINK += -no-pie
$(O)/tests/targets/replaced-program: TARGET_LINK += -Wl,--build-id=none
$(O)/tests/targets/signal-storm $(O)/tests/targets/siglongjmp-out: TARGET_LINK += -lsafe-malloc

$(O)/tests/targets/lib%.so: tests/targets/lib-%.c tests/targets/testing.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(TARGET_FLAGS) -fPIC -shared -Wl,-soname,$(@F) -o $@ $< -pthread

$(O)/tests/targets/lib%.so: tests/targets/lib-%.cc tests/targets/testing.h
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -fPIC -shared -Wl,-soname,$(@F) -o $@ $< -pthread

$(PLANTED_BINS): tests/planted/blocks.h
$(PLANTED_BINS): TARGET_LINK += -lm
$(TARGET_C:%.c=$(O)/%) $(ORACLE_BINS) $(FAULT_BINS) $(PLANTED_BINS): $(O)/%: %.c tests/targets/testing.h include/tidemark.h $(TARGET_LIBS)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(TARGET_FLAGS) -o $@ $< $(TARGET_LINK)

$(TARGET_CXX:%.cc=$(O)/%): $(O)/%: %.cc tests/targets/testing.h include/tidemark.h $(TARGET_LIBS)
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -o $@ $< $(TARGET_LINK)

# A unit test links everything of the analyzer but its main.
UNIT_O := $(filter-out $(O)/analyzer/main.o,$(ANALYZER_O))
$(UNIT_BINS): $(O)/%: %.c $(UNIT_O)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ianalyzer $(CFLAGS) $(SANFLAGS) $(call pkg_flags,$(ANALYZER_PKGS)) -pthread -MMD -MP -MF $@.d -o $@ $< $(UNIT_O) \
		$(call pkg_libs,$(ANALYZER_PKGS)) -lcmocka -liberty -lm -ldl $(LDFLAGS)
-include $(UNIT_BINS:%=%.d)

check-programs: all $(TARGET_LIBS) $(TARGET_BINS) $(ORACLE_BINS) $(FAULT_BINS) $(PLANTED_BINS) $(UNIT_BINS)

CHECK = BUILD='$(abspath $(O))' CC='$(CC)' CXX='$(CXX)' ONLY='$(ONLY)' KEEP='$(KEEP)' tests/all

check: ## install what is missing, build, run every test
	$(Q)scripts/deps --install check
	$(Q)$(MAKE) --no-print-directory -j$(or $(JOBS),$(shell nproc)) check-programs
	$(Q)$(CHECK) $(PIECES)

$(PIECES:%=check-%): check-%: check-programs
	$(Q)$(CHECK) $*

.PHONY: check check-programs $(PIECES:%=check-%)
