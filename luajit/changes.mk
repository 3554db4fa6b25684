# Read by make before LuaJIT's own Makefile (MAKEFILES, see src/lib.rs): applies the changes to the copy of the sources that is about to be
# built. A change that does not fit exactly ends the build.

ifneq ($(wildcard lj_tab.c),)
ifeq ($(wildcard .changed),)
LUAJIT_CHANGED := $(shell for change in $(LUAJIT_CHANGES)/*.patch; do \
	patch --directory=.. --strip=1 --fuzz=0 --forward --silent --input="$$change" >&2 || exit; done; touch .changed; echo yes)
ifneq ($(LUAJIT_CHANGED),yes)
$(error cannot apply the changes in $(LUAJIT_CHANGES); is the program 'patch' installed?)
endif
endif
endif
