# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: what needs root, containerd and runsc.  What runs
# is the static binary, under the name that containerd looks for.

REAL = build/real/$(NAME)

$(REAL): $(NAME).static
	mkdir -p build/real
	cp --remove-destination $(NAME).static $@

# Packages for building, demo and tests, on Debian 12.
deps:
	sh tests/deps.sh

deps-ci:
	sh tests/deps.sh ci

# What is installed this year (tests/modern/versions), into a cache outside the
# checkout; PARTS names another.  Without Go 1.26 it says what is missing, and
# so do the tests that need it.
# MODERN_ALL takes half an hour of CPU, and is what the matrix's cells of critest,
# Docker, CRI-O and the kubelet need: where it is not there they say so.
MODERN = gvisor containerd
MODERN_ALL = $(MODERN) critools crio dockerd docker kubelet

deps-modern:
	bash tests/modern/parts.sh $(MODERN)

# A container in gVisor, from nothing to nothing.
demo: $(REAL)
	SHIM=$(REAL) bash tests/real/demo.sh

# The runsc of 2026, and what is run with that too: what a runsc leaves, how it
# is asked and what it prints.  The rest is the shim's own and the same.
RUNSC26 = $(or $(PARTS),$(HOME)/.cache/shim-parts)/bin/runsc
REAL26 = basic tasks rootfs limits checkpoint crash left status says others \
	sidecar inside upgrade

# All cases against a real containerd and a real runsc; LOOPS=1000 for the
# long loop, ONLY="case case" for some.
check-real: $(REAL) shimctl.static
	SHIM=$(REAL) SHIMCTL=shimctl.static bash tests/real/run.sh

check-real-modern: $(REAL) shimctl.static
	bash tests/modern/parts.sh --wait gvisor
	@if [ -x "$(RUNSC26)" ]; then \
		SHIM=$(REAL) SHIMCTL=shimctl.static RUNSC="$(RUNSC26)" \
		    SCRIPTS="$(REAL26)" bash tests/real/run.sh; \
	else \
		for s in $(REAL26); do echo "# skipped: $$s, since the" \
		    "runsc of 2026 is not there (make deps-modern)"; done; \
		echo "0 passed, 0 failed"; \
	fi

# A container on a root of busybox, runsc, the static shim and shimctl alone.
check-initramfs: static
	bash tests/real/initramfs.sh

.PHONY: deps deps-ci deps-modern demo check-real check-real-modern \
	check-initramfs
