# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: a long life with accidents; then all must be what it
# was.  `make soak` in full, as root, an hour; `make check-soak` in short, for
# CI.  SOAK_EXECS, SOAK_CONTAINERS, SOAK_REAL, SOAK_SEED.

SOAK = $(B)/it/soak

$(SOAK): tests/soak/soak.c $(IT_HOST) $(wildcard tests/*.h tests/it/*.h) \
		$(B)/libshim.a
	@mkdir -p $(B)/it
	$(CC) $(TEST_CFLAGS) $(CHECK_CFLAGS) -o $@ tests/soak/soak.c $(IT_HOST) \
	    $(B)/libshim.a $(CHECK_LIBS) $(LDFLAGS)

soak: $(SOAK) $(B)/it/bin/runsc $(REAL)
	SHIM=$(REAL) SOAK="$(SOAK)" FAKE_BIN=$(B)/it/bin sh tests/soak/soak.sh

check-soak:
	SOAK_EXECS=4000 SOAK_CONTAINERS=200 SOAK_REAL=40 $(MAKE) soak

.PHONY: soak check-soak
