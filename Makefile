# Headroom: one Makefile, no recursion. Sources are found by wildcard, objects go to build/.
# `make demo` and `make check` work as the first command on a fresh Debian 12.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
VERSION := 0.1.0

WARNINGS  := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wmissing-prototypes -Werror
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
OPTIMIZE  ?= -O2 -g
CPPFLAGS  += -I. -D_GNU_SOURCE -DHEADROOM_VERSION='"$(VERSION)"' -DHEADROOM_PREFIX='"$(PREFIX)"'
CFLAGS    += -std=gnu17 $(OPTIMIZE) $(WARNINGS) $(if $(SANITIZE),$(SANITIZE),$(HARDENING))
LDFLAGS   += -pie -Wl,-z,relro,-z,now $(SANITIZE)

# llhttp: the library where the distribution has it, else the sources that Debian 12 ships in node-llhttp.
LLHTTP_SOURCES := $(if $(wildcard /usr/include/llhttp.h),,$(wildcard /usr/share/llhttp/*.c))
LLHTTP_OBJECTS := $(LLHTTP_SOURCES:/usr/share/llhttp/%.c=$(BUILD)/llhttp/%.o)
CPPFLAGS       += $(if $(LLHTTP_SOURCES),-isystem /usr/share/include/llhttp)
LLHTTP_LIBS    := $(if $(LLHTTP_SOURCES),,-lllhttp)

sources = $(sort $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

POLICY := $(call objects,$(call sources,policy))
ENGINE := $(call objects,$(call sources,engine))
DAEMON := $(call objects,$(call sources,daemon))
CTL    := $(call objects,$(call sources,ctl))
# What the other sides may take from the engine: the frame codec, and the GGUF reader for `fit`.
WIRE   := $(call objects,engine/wire.c)
FIT    := $(call objects,engine/gguf.c engine/tensor_type.c engine/kv_type.c engine/shape.c engine/printable.c)

ENGINE_LIBS := -lcjson -lseccomp -lpthread -lm
DAEMON_LIBS := -luv -lcjson -linih -lsystemd -lcgroup $(LLHTTP_LIBS) -lm
CTL_LIBS    := -lcurl -lcjson -lpthread -lm

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
TOOLS      := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))
PROGRAMS   := $(BUILD)/headroom-engine $(BUILD)/headroomd $(BUILD)/headroomctl

all: $(PROGRAMS) $(UNIT_TESTS) $(TOOLS)   ## build everything

$(BUILD)/headroom-engine: $(ENGINE)
	$(CC) $(LDFLAGS) -o $@ $^ $(ENGINE_LIBS)
$(BUILD)/headroomd: $(DAEMON) $(POLICY) $(WIRE) $(LLHTTP_OBJECTS)
	$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(BUILD)/headroomctl: $(CTL) $(POLICY) $(FIT)
	$(CC) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)

# A unit test may reach every object but the programs' own main.o.
$(BUILD)/all.a: $(filter-out %/main.o,$(POLICY) $(ENGINE) $(DAEMON) $(CTL)) $(LLHTTP_OBJECTS)
	rm -f $@ && ar rcs $@ $^
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(BUILD)/all.a
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(ENGINE_LIBS) $(DAEMON_LIBS) $(CTL_LIBS)
$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(BUILD)/all.a
	$(CC) $(LDFLAGS) -o $@ $^ $(ENGINE_LIBS) $(DAEMON_LIBS) $(CTL_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(notdir $*)) -MMD -MP -c -o $@ $<
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(CC) -isystem /usr/share/include/llhttp -std=gnu17 -O2 -g $(SANITIZE) $(if $(SANITIZE),,$(HARDENING)) -w -c -o $@ $<
$(BUILD)/tests/unit/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Instruction sets are chosen at run time, so each lives in a file of its own.
CFLAGS_avx2 := -mavx2 -mfma -mf16c

check: all   ## run the tests; TEST=name runs one
	@for t in $(if $(TEST),$(BUILD)/tests/test_$(TEST),$(UNIT_TESTS)); do echo "== $$t"; $$t || exit 1; done

clean:   ## remove what was built
	rm -rf $(BUILD) compile_commands.json

.PHONY: all check clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
