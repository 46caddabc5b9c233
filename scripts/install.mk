# make install, uninstall, man: everything under DESTDIR+PREFIX; the command finds its parts relative to itself, so a
# staged or moved tree works from where it lies.
MAN_MD := $(sort $(wildcard docs/man/*.md))
MAN := $(MAN_MD:docs/man/%.md=$(O)/man/%)

DOCS := $(sort $(wildcard docs/*.md))

INSTALL ?= install
TO := $(DESTDIR)$(PREFIX)
BINDIR := $(TO)/bin
LIBDIR := $(TO)/lib/tidemark
INCLUDEDIR := $(TO)/include
SHAREDIR := $(TO)/share/tidemark
MANDIR := $(TO)/share/man/man1
BASH_DIR := $(TO)/share/bash-completion/completions
ZSH_DIR := $(TO)/share/zsh/site-functions
FISH_DIR := $(TO)/share/fish/vendor_completions.d

$(O)/man/%: docs/man/%.md
	$(call say,MAN,$<)
	@mkdir -p $(@D)
	$(Q)go-md2man -in $< -out $@

man: install-deps $(MAN) ## make the manual pages

install-deps:
	$(Q)scripts/deps --check install

install: all man ## put everything under PREFIX (and DESTDIR)
	$(Q)$(INSTALL) -d "$(BINDIR)" "$(LIBDIR)" "$(INCLUDEDIR)" "$(SHAREDIR)/python" "$(SHAREDIR)/rust/src" "$(SHAREDIR)/docs" "$(MANDIR)" "$(BASH_DIR)" "$(ZSH_DIR)" "$(FISH_DIR)"
	$(Q)$(INSTALL) -m 755 $(O)/tidemark "$(BINDIR)"
	$(Q)$(INSTALL) -m 755 $(O)/libtidemark.so $(O)/tidemark-collector "$(LIBDIR)"
	$(Q)$(INSTALL) -m 644 include/tidemark.h "$(INCLUDEDIR)"
	$(Q)$(INSTALL) -m 644 include/python/tidemark.py include/python/pytest_tidemark.py "$(SHAREDIR)/python"
	$(Q)$(INSTALL) -m 644 include/rust/Cargo.toml "$(SHAREDIR)/rust"
	$(Q)$(INSTALL) -m 644 include/rust/src/lib.rs "$(SHAREDIR)/rust/src"
	$(Q)$(INSTALL) -m 644 $(DOCS) "$(SHAREDIR)/docs"
	$(Q)$(INSTALL) -m 644 $(MAN) "$(MANDIR)"
	$(Q)$(INSTALL) -m 644 scripts/completion/tidemark.bash "$(BASH_DIR)/tidemark"
	$(Q)$(INSTALL) -m 644 scripts/completion/_tidemark "$(ZSH_DIR)/_tidemark"
	$(Q)$(INSTALL) -m 644 scripts/completion/tidemark.fish "$(FISH_DIR)/tidemark.fish"

# Folders stay where others may have files in them; only our own goes, when it is empty.
uninstall: ## take away what install put there
	$(Q)rm -f "$(BINDIR)/tidemark" "$(LIBDIR)/libtidemark.so" "$(LIBDIR)/tidemark-collector" "$(INCLUDEDIR)/tidemark.h" \
		"$(SHAREDIR)/python/tidemark.py" "$(SHAREDIR)/python/pytest_tidemark.py" "$(SHAREDIR)/rust/Cargo.toml" "$(SHAREDIR)/rust/src/lib.rs" \
		$(foreach page,$(notdir $(DOCS)),"$(SHAREDIR)/docs/$(page)") \
		$(foreach page,$(notdir $(MAN)),"$(MANDIR)/$(page)") \
		"$(BASH_DIR)/tidemark" "$(ZSH_DIR)/_tidemark" "$(FISH_DIR)/tidemark.fish"
	$(Q)for folder in "$(LIBDIR)" "$(SHAREDIR)/python" "$(SHAREDIR)/rust/src" "$(SHAREDIR)/rust" "$(SHAREDIR)/docs" "$(SHAREDIR)"; do \
		if [ -d "$$folder" ]; then rmdir --ignore-fail-on-non-empty "$$folder"; fi; done

.PHONY: man install-deps install uninstall
