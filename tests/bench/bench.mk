# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: measurements. Nothing here passes or fails.

build/bench/bench_io: tests/bench/bench_io.c $(SRCS) $(HDRS)
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< io.c stdio/stream.c stdio/tail.c stdio/target.c \
	    stdio/logger.c base/child.c base/loop.c base/log.c base/err.c base/fmt.c base/fd.c base/file.c $(LDFLAGS)

# Stdout without a container, beside splice's own limit on the machine.
bench-io: build/bench/bench_io
	build/bench/bench_io

build/bench/bench_calls: tests/bench/bench_calls.c tests/it/client.c \
		tests/it/client.h $(B)/libshim.a
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< tests/it/client.c \
	    $(B)/libshim.a $(LDFLAGS)

# Kill, Pids and State, memory and processes of a pod, with the sandbox asked
# over its control socket and by runsc.
bench-calls: build/bench/bench_calls $(REAL)
	SHIM=$(REAL) bash tests/bench/bench-calls.sh

build/bench/reaper: tests/bench/reaper.c
	@mkdir -p build/bench
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS)

# Everything beside other shims, in one run: PEER=/path for a Go
# containerd-shim-runsc-v1, OUT=FILE for JSON, QUICK=1 for two minutes.
bench: build/bench/bench_calls build/bench/reaper $(REAL) $(B)/it/bin/runsc
	SHIM=$(REAL) bash tests/bench/bench.sh

# A node full of pods and a containerd that comes back, as root: PEER and OUT as
# above; tests/bench/density.sh says more.
bench-density: $(REAL) $(B)/it/bin/runsc
	SHIM=$(REAL) bash tests/bench/density.sh

# Execs and statistics of one container, as root: RUNSC, PEER and OUT;
# tests/bench/execs.sh says more.
bench-execs: build/bench/bench_calls $(REAL)
	SHIM=$(REAL) bash tests/bench/execs.sh

# The pause of an upgrade in place; tests/bench/upgrade.sh says more.
bench-upgrade: $(REAL)
	SHIM=$(REAL) bash tests/bench/upgrade.sh

# What docs/bench's JSON says, as pictures beside it.
bench-plots:
	bash tests/bench/plot.sh docs/bench/shims.json docs/bench
	bash tests/bench/plot.sh docs/bench/density.json docs/bench density
	bash tests/bench/plot.sh docs/bench/execs.json docs/bench execs

.PHONY: bench bench-io bench-calls bench-density bench-execs \
	bench-upgrade bench-plots
