# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: measurements. Nothing here passes or fails.

build/bench/bench_io: tests/bench/bench_io.c $(SRCS) $(HDRS)
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< io.c tail.c target.c \
	    logger.c \
	    child.c loop.c log.c err.c $(LDFLAGS)

# Stdout: without a container beside splice's own limit, then for real beside
# other shims (PEER=/path for a Go containerd-shim-runsc-v1).
bench-io: build/bench/bench_io $(REAL)
	build/bench/bench_io
	SHIM=$(REAL) bash tests/bench/bench-io.sh

.PHONY: bench-io
