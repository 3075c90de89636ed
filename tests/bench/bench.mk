# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: measurements. Nothing here passes or fails.

build/bench/bench_io: tests/bench/bench_io.c $(SRCS) $(HDRS)
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< io.c tail.c target.c \
	    logger.c child.c loop.c log.c err.c fmt.c $(LDFLAGS)

# Stdout: without a container beside splice's own limit, then for real beside
# other shims (PEER=/path for a Go containerd-shim-runsc-v1).
bench-io: build/bench/bench_io $(REAL)
	build/bench/bench_io
	SHIM=$(REAL) bash tests/bench/bench-io.sh

build/bench/bench_calls: tests/bench/bench_calls.c tests/it/client.c \
		tests/it/client.h $(SRCS) $(HDRS)
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< tests/it/client.c \
	    pb.c ttrpc.c loop.c log.c err.c fmt.c $(LDFLAGS)

# Kill, Pids and State, memory and processes of a pod, with the sandbox asked
# over its control socket and by runsc.
bench-calls: build/bench/bench_calls $(REAL)
	SHIM=$(REAL) bash tests/bench/bench-calls.sh

build/bench/reaper: tests/bench/reaper.c
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS)

# Beside PEER=/path, another shim for runsc: memory, calls, life cycles.
bench-shims: build/bench/bench_calls build/bench/reaper $(REAL)
	SHIM=$(REAL) bash tests/bench/bench-shims.sh

# What docs/bench/shims.json says, as pictures beside it.
bench-plots:
	bash tests/bench/plot.sh docs/bench/shims.json docs/bench

bench: bench-shims bench-calls bench-io

.PHONY: bench bench-io bench-calls bench-shims bench-plots
