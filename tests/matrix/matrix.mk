# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: the shim under other clients, as root on Debian 12.

# FULL=1 for all pairs of a client and a runsc; CLIENTS="cri docker" HOSTS="sid"
# RUNSCS="20240729" for parts.  tests/matrix/matrix.sh says more.
check-matrix: $(REAL) shimctl.static
	SHIM=$(REAL) bash tests/matrix/matrix.sh

.PHONY: check-matrix
