# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: the shim under other clients, as root on Debian 12.

# All of it took 10 minutes on two busy CPUs; CLIENTS="cri docker" HOSTS="sid" RUNSCS="20240729"
# for parts.  tests/matrix/matrix.sh says more.
check-matrix: $(REAL)
	SHIM=$(REAL) bash tests/matrix/matrix.sh

.PHONY: check-matrix
