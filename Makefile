# SPDX-License-Identifier: MIT
# hugespan: the library, the shim, the command and, by `make modules`, the kernel module.
#
#   make                    library, shim and command into build/
#   make modules [KDIR=...] the module, into build/kmod/<kernel release>/; with KROOT=... too where
#                           KDIR's programs and compiler need a root of their own, above KDIR
#   make modules_install    and from there to /lib/modules, for modprobe
#   make selftests          every test program
#   make bench              compare with other allocators: Documentation/bench.md
#   make install [DESTDIR= PREFIX=/usr/local]
#   make clean
#   SAN=1                   all of it with ASan and UBSan, into build-san/
#
# Each folder that has something to build says so in its module.mk.

comma := ,
SAN ?=
O ?= $(if $(SAN),build-san,build)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
HUGESPAN_CACHE ?= $(HOME)/.cache/hugespan

VERSION := $(shell sed -n 's/^\#define HS_VERSION "\(.*\)"/\1/p' libuser/include/hugespan.h)
SOVERSION := 0

CC ?= gcc
# Runs on the building machine, also when CC is a cross compiler.
HOSTCC ?= gcc
WARNINGS := -Wall -Wextra -Wundef -Wmissing-prototypes -Wstrict-prototypes
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
OPTFLAGS := $(if $(SAN),-O1,-O2)
CFLAGS ?= $(OPTFLAGS) -g
HS_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(SANFLAGS) -Ilibuser/include -Ikmod/include/uapi
HS_LDFLAGS := $(SANFLAGS)


all:

include libuser/module.mk
-include tools/cli/module.mk
include selftests/module.mk

# ---- the module -------------------------------------------------------------

KDIR ?= /lib/modules/$(shell uname -r)/build
KROOT ?=
KMAKE = $(if $(KROOT),tools/in-root $(KROOT) make,$(MAKE)) -C $(KDIR:$(KROOT)%=%) M=$(CURDIR)/$(KOUT)
KRELEASE = $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null)
KOUT = build/kmod/$(KRELEASE)
KSOURCES = $(shell find kmod -name '*.[ch]') Kbuild

# kbuild writes its objects beside the sources: so each kernel gets a tree of links.
modules:
	@test -n "$(KRELEASE)" || { \
		echo "no kernel headers at $(KDIR): install linux-headers-\$$(uname -r), or give KDIR=" >&2; exit 1; }
	@mkdir -p $(KOUT)
	@for f in $(KSOURCES); do mkdir -p $(KOUT)/$$(dirname $$f); ln -sfn $(CURDIR)/$$f $(KOUT)/$$f; done
	$(KMAKE) CONFIG_DEBUG_INFO_BTF_MODULES= $(KFLAGS) modules

modules_install: modules
	$(KMAKE) modules_install

# ---- install ----------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(BINDIR) $(DESTDIR)$(INCLUDEDIR)/linux
	install -m 755 $(O)/libhugespan.so.$(VERSION) $(O)/libhugespan-malloc.so $(DESTDIR)$(LIBDIR)/
	ln -sf libhugespan.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libhugespan.so.$(SOVERSION)
	ln -sf libhugespan.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libhugespan.so
	install -m 644 $(O)/libhugespan.a $(DESTDIR)$(LIBDIR)/
	install -m 644 libuser/include/hugespan.h $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 kmod/include/uapi/linux/hugespan.h $(DESTDIR)$(INCLUDEDIR)/linux/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' libuser/hugespan.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/hugespan.pc
	$(INSTALL_CLI)
	@for page in Documentation/man/*.[1-8]; do \
		section=$${page##*.}; install -d $(DESTDIR)$(MANDIR)/man$$section; \
		install -m 644 $$page $(DESTDIR)$(MANDIR)/man$$section/; done

clean:
	rm -rf build build-san

.PHONY: all modules modules_install install selftests clean
