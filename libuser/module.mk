# SPDX-License-Identifier: MIT
# The library (shared and static) and the malloc shim.

LIB_SRC := $(wildcard libuser/src/*.c libuser/src/arch/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(O)/%.o)
LIB_GEN := $(O)/gen/sizeclass_table.h
SHIM_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard libuser/shim/*.c))
LIB_CFLAGS := $(HS_CFLAGS) -fPIC -fvisibility=hidden -fno-semantic-interposition \
	-ftls-model=initial-exec -Ilibuser/src -I$(O)/gen
# rseq keeps addresses of our code in the kernel: never unload.
LIB_LDFLAGS := $(HS_LDFLAGS) -shared -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-Bsymbolic-functions

LIB_SO := $(O)/libhugespan.so.$(VERSION)

all: $(LIB_SO) $(O)/libhugespan.a $(O)/libhugespan-malloc.so

$(O)/gen/sizeclass_gen: libuser/gen/sizeclass_gen.c libuser/src/sizeclass_params.h
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 $(WARNINGS) -O1 -g -Ilibuser/src -o $@ $<

$(LIB_GEN): $(O)/gen/sizeclass_gen
	$< > $@.tmp && mv $@.tmp $@

$(LIB_OBJ) $(SHIM_OBJ): $(O)/%.o: %.c | $(LIB_GEN)
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_SO): $(LIB_OBJ) libuser/libhugespan.map
	$(CC) $(LIB_LDFLAGS) $(LDFLAGS) -Wl,-soname,libhugespan.so.$(SOVERSION) \
		-Wl,--version-script=libuser/libhugespan.map -o $@ $(LIB_OBJ)
	ln -sf libhugespan.so.$(VERSION) $(O)/libhugespan.so.$(SOVERSION)
	ln -sf libhugespan.so.$(SOVERSION) $(O)/libhugespan.so

$(O)/libhugespan.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

# The shim holds the whole library, so that malloc is one call deep; its hs_
# functions carry the library's versions and serve programs linked with it.
$(O)/libhugespan-malloc.so: $(LIB_OBJ) $(SHIM_OBJ) libuser/shim/libhugespan-malloc.map
	$(CC) $(LIB_LDFLAGS) $(LDFLAGS) -Wl,-soname,libhugespan-malloc.so \
		-Wl,--version-script=libuser/shim/libhugespan-malloc.map -o $@ $(LIB_OBJ) $(SHIM_OBJ)

-include $(LIB_OBJ:.o=.d) $(SHIM_OBJ:.o=.d)
