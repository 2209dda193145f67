# SPDX-License-Identifier: MIT
# Every selftests/{core,lib,shim,device}/*.c is one test program, every
# selftests/fuzz/*.c one libFuzzer target; nothing is listed here.
#
# core/ tests the pure C of kmod/core, lib/ the library through its static
# archive (so that inner layers can be tested too), shim/ the preloaded shim from
# programs that are linked with nothing of ours (some in C++), device/ the
# kernel module through its uAPI header alone.

KSELFTEST ?= $(HUGESPAN_CACHE)/kselftest
TEST_CFLAGS := $(HS_CFLAGS) -Iselftests/include -I$(KSELFTEST) -Ilibuser/src -I$(O)/gen \
	-Ikmod/core -Wno-unused-parameter -Wno-missing-prototypes -Wno-sign-compare
CORE_SRC := $(wildcard kmod/core/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(O)/%.o)

CORE_TESTS := $(patsubst %.c,$(O)/%,$(wildcard selftests/core/*.c))
LIB_TESTS := $(patsubst %.c,$(O)/%,$(wildcard selftests/lib/*.c))
DEVICE_TESTS := $(patsubst %.c,$(O)/%,$(wildcard selftests/device/*.c))
SHIM_TESTS := $(patsubst %.c,$(O)/%,$(wildcard selftests/shim/*.c)) \
	$(patsubst %.cc,$(O)/%,$(wildcard selftests/shim/*.cc))
SHIM_PLUGINS := $(patsubst selftests/shim/plugins/%.c,$(O)/selftests/shim/%.so, \
	$(filter-out %/apart.c,$(wildcard selftests/shim/plugins/*.c))) \
	$(O)/selftests/shim/apart/apart.so
FUZZERS := $(patsubst %.c,$(O)/%,$(wildcard selftests/fuzz/*.c))

selftests: $(CORE_TESTS) $(LIB_TESTS) $(SHIM_TESTS) $(SHIM_PLUGINS) $(DEVICE_TESTS) $(if $(SAN),,$(FUZZERS) bench-programs)

$(CORE_OBJ): $(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HS_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(CORE_TESTS): $(O)/%: %.c $(CORE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(CORE_OBJ) $(HS_LDFLAGS)

$(LIB_TESTS): $(O)/%: %.c $(O)/libhugespan.a
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(O)/libhugespan.a $(HS_LDFLAGS) $(LDFLAGS) -lpthread -ldl

SHIM_TEST_CFLAGS := $(SANFLAGS) -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -fno-builtin \
	-Iselftests/include -I$(KSELFTEST) -Ilibuser/include

$(filter $(patsubst %.c,$(O)/%,$(wildcard selftests/shim/*.c)),$(SHIM_TESTS)): $(O)/%: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(SHIM_TEST_CFLAGS) $(CFLAGS) -MMD -MP -o $@ $< -lpthread -ldl

$(filter $(patsubst %.cc,$(O)/%,$(wildcard selftests/shim/*.cc)),$(SHIM_TESTS)): $(O)/%: %.cc
	@mkdir -p $(@D)
	$(CXX) -std=gnu++17 $(SHIM_TEST_CFLAGS) $(CFLAGS) -MMD -MP -o $@ $< -lpthread

# caller.so alone knows the way to apart.so.
$(SHIM_PLUGINS): PLUGIN_FLAGS = -shared -fPIC -Wl,--enable-new-dtags,-rpath,'$$ORIGIN/apart'
$(O)/selftests/shim/%.so: selftests/shim/plugins/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PLUGIN_FLAGS) -o $@ $<

$(O)/selftests/shim/apart/%.so: selftests/shim/plugins/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PLUGIN_FLAGS) -o $@ $<

$(DEVICE_TESTS): $(O)/%: %.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(HS_LDFLAGS) -lpthread

$(FUZZERS): $(O)/%: %.c $(CORE_SRC)
	@mkdir -p $(@D)
	clang -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-Ikmod/include/uapi -Ikmod/core -Iselftests/include -MMD -MP -MF $@.d -o $@ $< $(CORE_SRC)

# ---- the bench (selftests/bench): its workloads are linked with nothing of ours,
# and what they call is called, whatever the compiler knows of malloc.

BENCH_SRC := $(wildcard selftests/bench/workload/*.c)
BENCH_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O2 -g -fno-builtin

$(O)/bench/workload: $(BENCH_SRC) selftests/bench/workload/workload.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(BENCH_SRC) -lpthread

# The copy that is counted is not position-independent: see counted/.
BENCH_ARCH = $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
COUNTED_SRC = $(wildcard selftests/bench/counted/rseq_$(BENCH_ARCH).c)

$(O)/bench/counted: $(BENCH_SRC) $(COUNTED_SRC) selftests/bench/workload/workload.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -no-pie -Wl,--export-dynamic -o $@ $(filter %.c,$^) -lpthread

bench-programs: $(O)/bench/workload $(O)/bench/counted

# make bench BENCH="--group pairs --json FILE"
bench: all bench-programs
	selftests/bench/run $(BENCH)

.PHONY: bench bench-programs

-include $(CORE_OBJ:.o=.d) $(wildcard $(O)/selftests/*/*.d)
