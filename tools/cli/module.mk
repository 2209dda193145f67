# SPDX-License-Identifier: MIT
# The `hugespan` command. It finds libhugespan.so beside itself (the build
# tree) or in ../lib (an installation), so one binary serves for both.

CLI_SRC := $(wildcard tools/cli/*.c)
CLI_OBJ := $(CLI_SRC:%.c=$(O)/%.o)

all: $(O)/hugespan

$(CLI_OBJ): $(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HS_CFLAGS) -D_GNU_SOURCE $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/hugespan: $(CLI_OBJ) $(LIB_SO)
	$(CC) $(HS_LDFLAGS) $(LDFLAGS) '-Wl,-rpath,$$ORIGIN:$$ORIGIN/../lib' \
		-o $@ $(CLI_OBJ) $(LIB_SO) -lm

COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions

define INSTALL_CLI
install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(COMPLETIONDIR)
install -m 755 $(O)/hugespan $(DESTDIR)$(BINDIR)/
install -m 644 tools/cli/dist/hugespan.bash $(DESTDIR)$(COMPLETIONDIR)/hugespan
endef

-include $(CLI_OBJ:.o=.d)
