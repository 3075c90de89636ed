# SPDX-License-Identifier: Apache-2.0
# Build: make. Options: CC, CFLAGS, CPPFLAGS, LDFLAGS, HARDEN, HARDEN_LINK,
# PREFIX, SYSCONFDIR, DESTDIR; all but the last three also from the environment.
# Building needs no network, no git and no bash; `make deps` and the tests
# with real containerd do.

VERSION = 0.1.0
NAME = containerd-shim-runsc-v1
PREFIX = /usr/local
# Where the program looks for its settings, below containerd/, too.
SYSCONFDIR = /etc
DESTDIR =
MUSL_CC = musl-gcc

CFLAGS ?= -O2
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wpointer-arith -Wswitch-enum -Wvla -Wimplicit-fallthrough
# The product's own files; tests need not tell of each conversion.
WARN_OWN = $(WARN) -Wconversion
# musl's ioctl() takes an int, which half of the requests do not fit.
WARN_MUSL = $(WARN_OWN) -Wno-sign-conversion
# A distribution that has flags of its own for this gives these two empty.
HARDEN ?= -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
HARDEN_LINK ?= -pie -Wl,-z,relro,-z,now
# What the code needs, whatever CFLAGS says: with 32 bits too, files beyond
# 2 GiB and times beyond 2038.
NEED = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
	-DVERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -I. -ffunction-sections -fdata-sections
LINK = -Wl,--gc-sections $(HARDEN_LINK)

# The top level is what the shim does; the folders hold its tools.
FOLDERS = base wire gvisor conf host stdio
SRCS = $(sort $(wildcard *.c $(FOLDERS:%=%/*.c)))
HDRS = $(sort $(wildcard *.h $(FOLDERS:%=%/*.h)))
OBJS = $(SRCS:.c=.o)

# The client: its own files on top of the shim's, of which the linker keeps
# what it uses.
CTL_SRCS = $(sort $(wildcard ctl/*.c))
CTL_HDRS = $(sort $(wildcard ctl/*.h))
CTL_OBJS = $(CTL_SRCS:.c=.o)

BINS = $(NAME) shimctl

all: $(BINS)

$(NAME): $(OBJS)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(OBJS)

shimctl: $(CTL_OBJS) $(OBJS)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(CTL_OBJS) \
	    $(filter-out shim.o,$(OBJS))

.c.o:
	$(CC) $(NEED) $(WARN_OWN) $(HARDEN) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(OBJS): $(HDRS) Makefile
$(CTL_OBJS): $(CTL_HDRS) $(HDRS) Makefile

# One file, no libraries: for initramfs and for a host whose libc is another.
# No PIE: the program is linked to a fixed address, and tables of addresses can
# then be constants.
SMALL = -Oz -flto=auto -fipa-pta -fno-tree-dominator-opts -fno-jump-tables \
	-fno-pie -fno-ident -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fno-caller-saves -fno-expensive-optimizations -fno-shrink-wrap \
	-fno-move-loop-invariants -fno-partial-inlining \
	-fno-inline-small-functions -fno-ipa-sra -fno-tree-tail-merge
# Copies of structures by string instructions rather than by vectors.
SMALL_x86_64 = -mno-sse -malign-data=abi
SMALL_HOST = $(SMALL_$(firstword $(subst -, ,$(shell $(MUSL_CC) -dumpmachine \
	2>/dev/null))))
# Guards in functions with arrays; in all that -strong takes they cost 8 KiB.
SMALL_GUARD = -fstack-protector
# Nobody would apply RELRO: musl leaves that to its dynamic linker, which is not
# here, and the section costs a page of padding.
SMALL_LINK = -static -s -Wl,--gc-sections -Wl,-z,norelro \
	-Wl,-z,noseparate-code -Wl,-z,common-page-size=64 \
	-Wl,--build-id=none

static: $(NAME).static shimctl.static

$(NAME).static: $(SRCS) $(HDRS) Makefile
	$(MUSL_CC) $(NEED) $(WARN_MUSL) $(SMALL_GUARD) $(CPPFLAGS) $(SMALL) \
	    $(SMALL_HOST) $(SMALL_LINK) $(LDFLAGS) -o $@ $(SRCS)

shimctl.static: $(CTL_SRCS) $(CTL_HDRS) $(SRCS) $(HDRS) Makefile
	$(MUSL_CC) $(NEED) $(WARN_MUSL) $(SMALL_GUARD) $(CPPFLAGS) $(SMALL) \
	    $(SMALL_HOST) $(SMALL_LINK) $(LDFLAGS) -o $@ $(CTL_SRCS) \
	    $(filter-out shim.c,$(SRCS))

# The same at an address that the kernel chooses, with RELRO, for distributions:
# what docs/packaging.md says of its memory.  musl-gcc knows no -static-pie.
MUSL_ARCH = $(firstword $(subst -, ,$(shell $(MUSL_CC) -dumpmachine)))
PIE_START = /usr/lib/$(MUSL_ARCH)-linux-musl/rcrt1.o
PIE_LINK = -static -nostartfiles -Wl,--gc-sections -Wl,-z,relro,-z,now \
	-Wl,-pie,--no-dynamic-linker,-z,text $(PIE_START)

$(NAME).static-pie: $(SRCS) $(HDRS) Makefile
	$(MUSL_CC) $(NEED) $(WARN_MUSL) $(CPPFLAGS) $(CFLAGS) -Os -flto=auto \
	    -fstack-protector-strong -fPIE $(PIE_LINK) $(LDFLAGS) -o $@ $(SRCS)

# Everything that is installed: programs, manual pages, documents.
MAN = $(sort $(wildcard man/*.[1-9]))
DOCS = LICENSE README.md CHANGES.md CONTRIBUTING.md SECURITY.md \
	$(sort $(wildcard docs/*.md docs/initramfs/*))
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
# CRI-O takes a shim only by a name that ends in -v2; not on anybody's PATH.
CRIODIR = $(DESTDIR)$(PREFIX)/lib/$(NAME)
CRIO_NAME = containerd-shim-runsc-v2
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/$(NAME)
# Settings are a host's own: a file that is there already stays.
ETCDIR = $(DESTDIR)$(SYSCONFDIR)/containerd

install: $(BINS)
	mkdir -p $(BINDIR) $(CRIODIR) $(DOCDIR)/docs/initramfs $(ETCDIR)
	test -e $(ETCDIR)/runsc.toml || { cp etc/runsc.toml $(ETCDIR)/ && \
	    chmod 0644 $(ETCDIR)/runsc.toml; }
	# By another name first: one that runs cannot be written to.
	for f in $(BINS); do \
	    cp $$f $(BINDIR)/.$$f.new && chmod 0755 $(BINDIR)/.$$f.new && \
	        mv -f $(BINDIR)/.$$f.new $(BINDIR)/$$f || exit 1; \
	done
	ln -sf ../../bin/$(NAME) $(CRIODIR)/$(CRIO_NAME)
	for f in $(MAN); do \
	    d=$(MANDIR)/man$${f##*.}; \
	    mkdir -p $$d && cp $$f $$d/ && chmod 0644 $$d/$${f##*/} || \
	        exit 1; \
	done
	for f in $(DOCS); do \
	    cp $$f $(DOCDIR)/$$f && chmod 0644 $(DOCDIR)/$$f || exit 1; \
	done

# What install made; directories that are empty then.  Settings only if they
# are still the sample.
uninstall:
	for f in $(BINS); do rm -f $(BINDIR)/$$f; done
	rm -f $(CRIODIR)/$(CRIO_NAME)
	rmdir $(CRIODIR) 2>/dev/null || true
	for f in $(MAN); do \
	    rm -f $(MANDIR)/man$${f##*.}/$${f##*/}; \
	done
	for f in $(DOCS); do rm -f $(DOCDIR)/$$f; done
	rmdir $(DOCDIR)/docs/initramfs $(DOCDIR)/docs $(DOCDIR) 2>/dev/null || true
	! cmp -s etc/runsc.toml $(ETCDIR)/runsc.toml || \
	    rm -f $(ETCDIR)/runsc.toml
	rmdir $(ETCDIR) 2>/dev/null || true

include tests/tests.mk
include tests/real/real.mk
include tests/matrix/matrix.mk
include tests/bench/bench.mk
include tests/soak/soak.mk
include tests/vm/vm.mk
include dist.mk

clean: clean-tests clean-dist
	rm -f $(OBJS) $(CTL_OBJS) $(BINS) $(BINS:=.static) $(NAME).static-pie

.PHONY: all static install uninstall clean
