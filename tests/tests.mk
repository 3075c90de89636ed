# SPDX-License-Identifier: Apache-2.0
# Included by the Makefile: everything that is a test.

# Unit tests: tests/unit/NAME_test.c, one program a module, on Check. Each
# links against the product's objects without shim.o; the linker takes what it
# needs.
UNIT = json pb ttrpc events io console mount config spec log loop child runsc state
UNIT_BINS = $(UNIT:%=build/unit/%_test)
CHECK_LIBS = $$(pkg-config --libs check)
CHECK_CFLAGS = $$(pkg-config --cflags check)

build/libshim.a: $(OBJS)
	mkdir -p build/unit
	rm -f $@
	ar rcs $@ $(OBJS:shim.o=)

build/unit/%_test: tests/unit/%_test.c build/libshim.a
	$(CC) $(NEED) $(WARN) $(CPPFLAGS) $(CFLAGS) $(CHECK_CFLAGS) -I. -o $@ $< build/libshim.a $(CHECK_LIBS) $(LDFLAGS)

unit: $(UNIT_BINS)
	@for t in $(UNIT_BINS); do ./$$t || exit 1; done

clean-tests:
	rm -rf build

.PHONY: unit clean-tests
