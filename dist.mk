# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: what is handed on: the source as a tarball, a
# Debian package, a static build for another architecture.

DIST = $(NAME)-$(VERSION)
DEB_DIR = build/deb
# Who builds a package names himself, as Debian's own tools have it, and says
# where the sources are from; without a home page there is no such field.
MAINTAINER ?= $(or $(and $(DEBEMAIL),$(DEBFULLNAME) <$(DEBEMAIL)>),\
	$(shell git -c safe.directory='*' log -1 --format='%an <%ae>'))
HOMEPAGE ?=
A64 = build/aarch64
A64_CC = aarch64-linux-gnu-gcc
A64_RUN = qemu-aarch64-static
A64_ROOT = $(A64)/root
A64_CHECK = $(A64_ROOT)/usr/lib/aarch64-linux-gnu/libcheck.a

# The same bytes from the same commit, whoever makes it and when: files by
# name, one owner, the time of the last commit (or SOURCE_DATE_EPOCH; in an
# unpacked tarball, that of its files).
dist: build/$(DIST).tar.gz

build/$(DIST).tar.gz: FORCE
	sh tests/dist.sh $(DIST) $@

# A package from that tarball, built as a distribution would: with debhelper,
# and with `make check`; DEB_BUILD_OPTIONS=nocheck leaves that out.
deb: build/$(DIST).tar.gz
	rm -rf $(DEB_DIR)
	mkdir -p $(DEB_DIR)
	tar -xzf build/$(DIST).tar.gz -C $(DEB_DIR)
	$(MAKE) -C $(DEB_DIR)/$(DIST) debian/control \
	    MAINTAINER='$(MAINTAINER)' HOMEPAGE='$(HOMEPAGE)'
	sh tests/deb.sh $(DEB_DIR)/$(DIST)

# In an unpacked tarball; `dpkg-buildpackage` then does the rest.
debian/control: debian/control.in FORCE
	@case '$(MAINTAINER)' in *@*) ;; *) \
	    echo 'debian/control: MAINTAINER="Name <address>" is needed' >&2; \
	    exit 1 ;; esac
	sed -e 's|@MAINTAINER@|$(MAINTAINER)|' \
	    -e 's|@HOMEPAGE@|$(HOMEPAGE)|' -e '/^Homepage: $$/d' \
	    debian/control.in >$@
	sed -i 's|@MAINTAINER@|$(MAINTAINER)|' debian/changelog

# One file each for arm64, with Debian's cross compiler and musl, which is
# unpacked below build/ and not installed; A64_LIBC=glibc takes the compiler's
# own libc, needs no network and is five times as large.
A64_LIBC = musl
A64_SPECS_musl = -specs=$(A64_ROOT)/musl.specs
A64_NEEDS_musl = $(A64_ROOT)/musl.specs
A64_STATIC = $(A64_CC) $(A64_SPECS_$(A64_LIBC)) $(NEED) $(WARN_MUSL) \
	$(SMALL_GUARD) $(CPPFLAGS) $(SMALL) $(SMALL_LINK) $(LDFLAGS)

static-aarch64: $(A64)/$(NAME).static $(A64)/shimctl.static

$(A64_ROOT)/musl.specs: tests/deps-aarch64.sh
	sh tests/deps-aarch64.sh $(A64_ROOT)

$(A64)/$(NAME).static: $(SRCS) $(HDRS) Makefile dist.mk \
	$(A64_NEEDS_$(A64_LIBC))
	@mkdir -p $(A64)
	$(A64_STATIC) -o $@ $(SRCS)

$(A64)/shimctl.static: $(CTL_SRCS) $(CTL_HDRS) $(SRCS) $(HDRS) Makefile \
	dist.mk $(A64_NEEDS_$(A64_LIBC))
	@mkdir -p $(A64)
	$(A64_STATIC) -o $@ $(CTL_SRCS) $(filter-out shim.c,$(SRCS))

$(A64_CHECK): $(A64_ROOT)/musl.specs

# The unit tests for it, run by qemu.  Check for that architecture is unpacked
# below build/, not installed.
A64_FLAGS = $(NEED) $(WARN) $(CPPFLAGS) -O1 -g
A64_UNIT = $(UNIT:%=$(A64)/unit/%_test)

$(A64)/obj/%.o: %.c $(HDRS) Makefile dist.mk
	@mkdir -p $(@D)
	$(A64_CC) $(A64_FLAGS) -c -o $@ $<

$(A64)/libshim.a: $(SRCS:%.c=$(A64)/obj/%.o)
	rm -f $@
	ar rcs $@ $(filter-out $(A64)/obj/shim.o,$^)

$(A64)/unit/%_test: tests/unit/%_test.c $(UNIT_SHARED) tests/qemu.c \
	$(A64)/libshim.a $(A64_CHECK)
	@mkdir -p $(A64)/unit
	$(A64_CC) $(A64_FLAGS) -I$(A64_ROOT)/usr/include -static -o $@ $< \
	    tests/suite.c tests/files.c $(UNIT_WITH_$*) tests/qemu.c \
	    -Wl,--wrap=prctl $(A64)/libshim.a $(A64_CHECK) \
	    -L$(dir $(A64_CHECK)) -lsubunit -lm -lrt -pthread

check-aarch64: $(A64_UNIT) static-aarch64
	$(A64_RUN) $(A64)/$(NAME).static -v
	$(A64_RUN) $(A64)/shimctl.static -v
	EMULATOR=$(A64_RUN) sh tests/run.sh $(A64_UNIT)

clean-dist:
	rm -rf $(DEB_DIR) $(A64)

FORCE:

.PHONY: dist deb static-aarch64 check-aarch64 clean-dist FORCE
