# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: the tests that need neither root nor network nor
# containerd.  VARIANT is the build they use: plain, or asan.

VARIANT = plain
B = build/$(VARIANT)
CFLAGS_plain = -O1 -g
CFLAGS_cov = -O0 -g --coverage -include tests/gcov.h
CFLAGS_asan = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
TEST_CFLAGS = $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS_$(VARIANT))
CHECK_CFLAGS = $$(pkg-config --cflags check)
CHECK_LIBS = $$(pkg-config --libs check)
CLANG = clang
FUZZ_SECONDS = 600

# The product once more, with this variant's flags; the tests link what they
# need of it, and a test may bring its own of what lies below.
$(B)/obj/%.o: %.c $(HDRS) Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(B)/libshim.a: $(SRCS:%.c=$(B)/obj/%.o)
	rm -f $@
	ar rcs $@ $(filter-out $(B)/obj/shim.o,$^)

$(B)/$(NAME): $(SRCS:%.c=$(B)/obj/%.o)
	$(CC) $(TEST_CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/shimctl: $(CTL_SRCS:%.c=$(B)/obj/%.o) $(B)/libshim.a
	$(CC) $(TEST_CFLAGS) $(LDFLAGS) -o $@ $^

# Unit tests: tests/unit/NAME_test.c, one program a module, on Check.
UNIT = $(patsubst tests/unit/%_test.c,%,$(wildcard tests/unit/*_test.c))
UNIT_BINS = $(UNIT:%=$(B)/unit/%_test)

# What several of them share, and who takes it.
UNIT_SHARED = tests/suite.c tests/files.c tests/suite.h tests/files.h \
	$(filter-out %_test.c,$(wildcard tests/unit/*.[ch]))
TURNS = tests/unit/turns.c
$(foreach t,child console events runsc standin ttrpc urpc,\
	$(eval UNIT_WITH_$t = $(TURNS)))
$(foreach t,io io_end io_gather io_logger io_terminal tail,\
	$(eval UNIT_WITH_$t = tests/unit/ends.c $(TURNS)))
UNIT_WITH_state = tests/unit/stage.c tests/unit/played.c
UNIT_WITH_state_exec = $(UNIT_WITH_state)
UNIT_WITH_model = tests/unit/model_stage.c tests/unit/played.c

$(B)/unit/%_test: tests/unit/%_test.c $(UNIT_SHARED) $(B)/libshim.a
	@mkdir -p $(B)/unit
	$(CC) $(TEST_CFLAGS) $(CHECK_CFLAGS) -o $@ $< tests/suite.c tests/files.c \
	    $(UNIT_WITH_$*) $(B)/libshim.a $(CHECK_LIBS) $(LDFLAGS)

# The real binary against the fake runsc: what it does, what it does when
# something goes wrong, and what it may cost: the release binary, the static one
# where musl is installed.  (REAL is known only later, so no prerequisite can
# have it.)
# Each tests/it/NAME_test.c is a program on host.c, the client's on ctl.c.
IT_CTL = $(patsubst tests/it/%.c,$(B)/it/%,$(wildcard tests/it/shimctl*_test.c))
IT = $(filter-out $(IT_CTL),\
	$(patsubst tests/it/%.c,$(B)/it/%,$(wildcard tests/it/*_test.c)))
BUDGET_SHIM = $(if $(shell command -v $(MUSL_CC) 2>/dev/null),$(REAL),$(NAME))
IT_HOST = tests/it/client.c tests/it/host.c tests/it/dir.c tests/suite.c tests/files.c

FAKE_SRCS = $(wildcard tests/it/fake_*.c)

$(B)/it/bin/runsc: $(FAKE_SRCS) $(wildcard tests/it/fake*.h)
	@mkdir -p $(B)/it/bin
	$(CC) $(TEST_CFLAGS) -o $@ $(FAKE_SRCS) $(LDFLAGS)

# A later release, for upgrade_test.
$(B)/it/bin/next: tests/it/next.c $(SRCS:%.c=$(B)/obj/%.o)
	@mkdir -p $(B)/it/bin
	$(CC) $(TEST_CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--wrap=save_get

$(B)/it/upgrade_test: | $(B)/it/bin/next

$(IT): $(B)/it/%: tests/it/%.c $(IT_HOST) \
		$(wildcard tests/it/*.h) tests/suite.h tests/fault/fault.h \
		$(B)/libshim.a
	@mkdir -p $(B)/it
	$(CC) $(TEST_CFLAGS) $(CHECK_CFLAGS) -o $@ $< $(IT_HOST) \
	    $(B)/libshim.a $(CHECK_LIBS) $(LDFLAGS)

# The client and the shim, against the fake runsc and a fake shim.
CTL_HOST = tests/it/ctl.c tests/it/dir.c tests/suite.c tests/files.c

$(IT_CTL): $(B)/it/%: tests/it/%.c $(CTL_HOST) $(wildcard tests/it/*.h) \
		tests/suite.h $(B)/libshim.a
	@mkdir -p $(B)/it
	$(CC) $(TEST_CFLAGS) $(CHECK_CFLAGS) -o $@ $< $(CTL_HOST) $(B)/libshim.a \
	    $(CHECK_LIBS) $(LDFLAGS)

# The fault loop: a shim whose allocations and system calls can fail.
FAULT = $(B)/fault/fault_test
FAULT_SHIM = $(B)/fault/$(NAME)
FAULT_WRAP = malloc calloc realloc free strdup strndup socket bind listen \
	connect accept4 epoll_create1 epoll_ctl signalfd eventfd \
	inotify_init1 inotify_add_watch pipe2 _Fork execv execvpe memfd_create \
	ftruncate mkdir mkdtemp rename chmod fchown lstat statfs access \
	readlink getcwd chdir opendir mount read write pread recv send recvmsg \
	sendmsg splice dup2 open openat fcntl syscall
comma = ,

$(FAULT_SHIM): $(SRCS:%.c=$(B)/obj/%.o) tests/fault/wrap.c tests/fault/fault.h
	@mkdir -p $(B)/fault
	$(CC) $(TEST_CFLAGS) $(LDFLAGS) -o $@ tests/fault/wrap.c \
	    $(SRCS:%.c=$(B)/obj/%.o) $(foreach f,$(FAULT_WRAP),\
	    -Wl$(comma)--wrap=$(f),--wrap=$(f)64)

FAULT_SRCS = tests/fault/fault_test.c tests/fault/world.c tests/it/client.c \
	tests/it/dir.c tests/suite.c tests/files.c

$(FAULT): $(FAULT_SRCS) $(wildcard tests/*.h tests/fault/*.h tests/it/*.h) \
		$(B)/libshim.a
	@mkdir -p $(B)/fault
	$(CC) $(TEST_CFLAGS) $(CHECK_CFLAGS) -o $@ $(FAULT_SRCS) $(B)/libshim.a \
	    $(CHECK_LIBS) $(LDFLAGS)

# Fuzz targets with a main that runs the files of their corpus.
FUZZ = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS = $(FUZZ:%=$(B)/fuzz/%)

$(B)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(B)/libshim.a
	@mkdir -p $(B)/fuzz
	$(CC) $(TEST_CFLAGS) -o $@ $< tests/fuzz/replay.c $(B)/libshim.a \
	    $(LDFLAGS)

CHECK_BINS = $(UNIT_BINS) $(IT) $(IT_CTL) $(FUZZ_BINS) \
	$(B)/it/bin/runsc $(B)/$(NAME) $(B)/shimctl $(FAULT_SHIM)

# One line at the end: what passed and failed, of all programs together.
check: $(CHECK_BINS) $(NAME) shimctl
	$(MAKE) $(BUDGET_SHIM)
	SHIM=$(B)/$(NAME) SHIMCTL=$(B)/shimctl FAKE_BIN=$(B)/it/bin \
	    BUDGET_SHIM=$(BUDGET_SHIM) BUDGET_COUNTED=$(FAULT_SHIM) \
	    sh tests/run.sh $(IT) $(IT_CTL) $(UNIT_BINS) $(FUZZ_BINS)

check-asan:
	$(MAKE) VARIANT=asan check

# Every allocation and every system call fails once: minutes.
check-fault: $(FAULT) $(FAULT_SHIM) $(B)/it/bin/runsc
	FAULT_SHIM=$(FAULT_SHIM) FAKE_BIN=$(B)/it/bin sh tests/run.sh $(FAULT)

# Each target under libFuzzer, FUZZ_SECONDS each, or those that FUZZ names;
# what it finds is left in the working directory.
FUZZ_CC = $(CLANG) $(NEED) -g -O1 -fno-sanitize-recover=undefined

build/fuzzer/obj/%.o: %.c $(HDRS) Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

build/fuzzer/libshim.a: $(SRCS:%.c=build/fuzzer/obj/%.o)
	rm -f $@
	ar rcs $@ $(filter-out build/fuzzer/obj/shim.o,$^)

build/fuzzer/%: tests/fuzz/fuzz_%.c build/fuzzer/libshim.a
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $< \
	    build/fuzzer/libshim.a

fuzz: $(FUZZ:%=build/fuzzer/%)
	@for t in $(FUZZ); do \
	    echo "fuzz $$t, $(FUZZ_SECONDS) s"; \
	    mkdir -p build/fuzzer/found/$$t; \
	    build/fuzzer/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	        -rss_limit_mb=1024 -print_final_stats=1 \
	        build/fuzzer/found/$$t tests/fuzz/corpus/$$t || exit 1; \
	done
	@echo "$(words $(FUZZ)) passed, 0 failed"

# The life cycle as a model, all states of it; needs spin, two minutes.
check-model:
	CC="$(CC)" sh tests/model/check.sh

# Every compiler without a warning, the manual pages, the scripts.
lint:
	sh tests/lint.sh

# For lint: each file with CC, and with WARN_OWN or LINT_WARN; LINT is where.
LINT = build/lint
LINT_WARN = $(WARN_OWN)
TEST_SRCS = $(wildcard tests/*.c tests/*/*.c)
LINT_OWN = $(SRCS:%.c=$(LINT)/%.o) $(CTL_SRCS:%.c=$(LINT)/%.o)
LINT_TESTS = $(TEST_SRCS:%.c=$(LINT)/%.o)

$(LINT_OWN): $(LINT)/%.o: %.c $(HDRS) $(CTL_HDRS) Makefile
	@mkdir -p $(@D)
	$(CC) $(NEED) $(LINT_WARN) -Werror -O2 -c -o $@ $<

$(LINT_TESTS): $(LINT)/%.o: %.c $(HDRS) $(wildcard tests/*/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(NEED) $(WARN) -Werror $(CHECK_CFLAGS) -O2 -c -o $@ $<

lint-own: $(LINT_OWN)

lint-tests: $(LINT_TESTS)

# clang-tidy, cppcheck and gcc's -fanalyzer find nothing.
analyze:
	sh tests/analyze.sh

# Unit tests and fuzz corpora under valgrind.
check-valgrind: $(UNIT_BINS) $(FUZZ_BINS)
	sh tests/valgrind.sh $(UNIT_BINS) $(FUZZ_BINS)

# Lines of the product that `make check` runs; one program after the other,
# since one that is killed while it writes what it ran takes others' with it.
coverage:
	rm -rf build/cov
	JOBS=1 $(MAKE) VARIANT=cov check
	sh tests/coverage.sh build/cov/obj

check-all:
	sh tests/check-all.sh $(ALSO)

clean-tests:
	rm -rf build

.PHONY: check check-asan check-fault check-valgrind check-model fuzz lint lint-own \
	lint-tests analyze coverage check-all clean-tests
