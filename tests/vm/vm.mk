# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: machines of their own, in qemu; root is needed for
# the disk of the Debian host only.

UPDATE_SRCS = tests/vm/update.c $(filter-out ctl/shimctl.c,$(CTL_SRCS)) \
	$(filter-out shim.c,$(SRCS))

build/vm/update: $(UPDATE_SRCS) $(CTL_HDRS) $(HDRS)
	@mkdir -p $(@D)
	$(MUSL_CC) $(NEED) $(WARN_MUSL) -Os -static -s -Wl,--gc-sections -o $@ \
	    $(UPDATE_SRCS)

# The shim of a later version, for the package of one.
build/vm/next: $(SRCS) $(HDRS) Makefile
	@mkdir -p $(@D)
	$(MUSL_CC) $(NEED) -UVERSION -DVERSION='"$(VERSION)+1"' $(WARN_MUSL) -Os \
	    -static -s -Wl,--gc-sections -o $@ $(SRCS)

# The package, as it is made for Debian; its own tests are run elsewhere.
build/vm/package: $(SRCS) $(HDRS) $(CTL_SRCS) $(CTL_HDRS) Makefile \
		$(wildcard debian/*)
	@mkdir -p $(@D)
	! command -v dh >/dev/null || DEB_BUILD_OPTIONS=nocheck \
	    $(MAKE) deb DEB_DIR=build/vm/deb >build/vm/package.log 2>&1 || \
	    { tail -n 20 build/vm/package.log; exit 1; }
	touch $@

# What machines need beyond what they fetch themselves.
deps-vm: deps-ci deps-modern

# FULL=1 for all machines, MACHINES="initramfs-2026 debian ..." for some, DEB=FILE
# for a package that is there.
check-vm: static build/vm/update build/vm/next $(if $(DEB),,build/vm/package)
	-[ -n "$(MACHINES)" ] || \
	    $(MAKE) static-aarch64 >build/vm/aarch64.log 2>&1
	MACHINES="$(MACHINES)" FULL="$(FULL)" DEB="$(DEB)" bash tests/vm/run.sh

.PHONY: check-vm deps-vm
