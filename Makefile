# SPDX-License-Identifier: Apache-2.0
# Build: make. Options: CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX, DESTDIR.
# Building needs no network, no git and no bash; `make deps` and the tests
# with real containerd do.

VERSION = 0.1.0
NAME = containerd-shim-runsc-v1
PREFIX = /usr/local
DESTDIR =
CC = cc
MUSL_CC = musl-gcc

CFLAGS = -O2
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wpointer-arith -Wvla -Wimplicit-fallthrough \
	-Wno-missing-field-initializers
HARDEN = -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
# What the code needs, whatever CFLAGS says.
NEED = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
	-ffunction-sections -fdata-sections
LINK = -pie -Wl,--gc-sections -Wl,-z,relro,-z,now

SRCS = fmt.c err.c log.c loop.c child.c sha256.c pb.c json.c json_edit.c ttrpc.c \
	ttrpc_client.c events.c io.c tail.c target.c logger.c console.c \
	mount.c config.c spec.c urpc.c runsc.c runsc_text.c publish.c \
	container.c ops.c state.c task.c start.c delete.c shim.c
HDRS = fmt.h err.h log.h loop.h child.h sha256.h pb.h json.h ttrpc.h events.h io.h \
	tail.h target.h logger.h console.h mount.h config.h spec.h urpc.h \
	runsc.h publish.h container.h ops.h state.h task.h shim.h
OBJS = $(SRCS:.c=.o)
MAN8 = man/$(NAME).8

all: $(NAME)

$(NAME): $(OBJS)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(OBJS)

.c.o:
	$(CC) $(NEED) $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(OBJS): $(HDRS) Makefile

# One file, no libraries: for initramfs and for a host whose libc is another.
SMALL = -Oz -flto=auto -fno-asynchronous-unwind-tables -fno-unwind-tables
SMALL_LINK = -static -s -Wl,--gc-sections -Wl,-z,relro,-z,now \
	-Wl,-z,noseparate-code -Wl,--build-id=none

static: $(NAME).static

$(NAME).static: $(SRCS) $(HDRS) Makefile
	$(MUSL_CC) $(NEED) $(WARN) -fstack-protector-strong $(CPPFLAGS) $(SMALL) \
	    $(SMALL_LINK) $(LDFLAGS) -o $@ $(SRCS)

install: $(NAME)
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8
	cp $(NAME) $(DESTDIR)$(PREFIX)/bin/$(NAME)
	chmod 0755 $(DESTDIR)$(PREFIX)/bin/$(NAME)
	cp $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8/
	chmod 0644 $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/$(NAME)
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8

include tests/tests.mk
include tests/real/real.mk
include tests/matrix/matrix.mk
include tests/bench/bench.mk

clean: clean-tests
	rm -f $(OBJS) $(NAME) $(NAME).static

.PHONY: all static install uninstall clean
