# Headroom: one Makefile, no recursion into folders. Sources are found by wildcard, objects go to build/.
# `make demo` and `make check` each work as the very first command on a fresh Debian 12.

BUILD   ?= build
PREFIX  ?= /usr/local
# Not every shell expands the ~ of PREFIX=~/.local.
override PREFIX := $(patsubst ~/%,$(HOME)/%,$(PREFIX))
DESTDIR ?=
# The name that git gives this tree; 0.1.0 where there is no git.
VERSION := $(if $(wildcard .git),$(or $(shell git describe --tags --dirty 2>/dev/null),0.1.0$(addprefix +g,$(shell git rev-parse --short HEAD 2>/dev/null))),0.1.0)
ifeq ($(origin CC),default)
CC := gcc
endif

WARNINGS  := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wmissing-prototypes -Werror
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
OPTIMIZE  ?= -O2 -g
CPPFLAGS  += -I. -D_GNU_SOURCE
CFLAGS    += -std=gnu17 -ffp-contract=off -fPIE $(OPTIMIZE) $(WARNINGS) $(if $(SANITIZE),$(SANITIZE),$(HARDENING))
LDFLAGS   += -pie -Wl,-z,relro,-z,now $(SANITIZE)
# Instruction sets are chosen at run time, so each lives in a file of its own: CFLAGS_<file> are that file's alone.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
HARDENING += -fcf-protection
CFLAGS_avx2 := -mavx2 -mfma -mf16c
CFLAGS_avx2_block32 := $(CFLAGS_avx2)
CFLAGS_avx2_block256 := $(CFLAGS_avx2)
CFLAGS_avx2_k := $(CFLAGS_avx2)
CFLAGS_avx2_kv := $(CFLAGS_avx2)
CFLAGS_avx2_vector := $(CFLAGS_avx2)
CFLAGS_avx_vnni := $(CFLAGS_avx2) -mavxvnni
CFLAGS_avx_vnni_block32 := $(CFLAGS_avx_vnni)
CFLAGS_avx512 := $(CFLAGS_avx2)
CFLAGS_avx512_k := $(CFLAGS_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
CFLAGS_avx512_block32 := $(CFLAGS_avx512_k)
CFLAGS_avx512_float := $(CFLAGS_avx512_k)
CFLAGS_avx512_kv := $(CFLAGS_avx512_k)
endif
ifneq ($(findstring aarch64,$(shell $(CC) -dumpmachine)),)
CFLAGS_dotprod := -march=armv8.2-a+dotprod
CFLAGS_i8mm := -march=armv8.2-a+dotprod+i8mm
endif

# llhttp: the library where the distribution has it, else the sources that Debian 12 ships in node-llhttp.
LLHTTP_SOURCES := $(if $(wildcard /usr/include/llhttp.h),,$(wildcard /usr/share/llhttp/*.c))
LLHTTP         := $(LLHTTP_SOURCES:/usr/share/llhttp/%.c=$(BUILD)/llhttp/%.o)
LLHTTP_LIBS    := $(if $(LLHTTP_SOURCES),,-lllhttp)
CPPFLAGS       += $(if $(LLHTTP_SOURCES),-isystem /usr/share/include/llhttp)

objects_in = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c)))
objects    = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))

POLICY := $(call objects_in,policy)
ENGINE := $(call objects_in,engine)
DAEMON := $(call objects_in,daemon)
CTL    := $(call objects_in,ctl)
# An archive for each program: who links one takes of it just what it calls.
POLICY_A := $(BUILD)/policy.a
ENGINE_A := $(BUILD)/engine.a $(POLICY_A)
DAEMON_A := $(BUILD)/daemon.a $(ENGINE_A)
CTL_A    := $(BUILD)/ctl.a $(DAEMON_A)

ENGINE_LIBS := -lcjson -lseccomp -lpthread -lm
DAEMON_LIBS := -lnettle -luv -lcjson -linih -lsystemd -lcgroup $(LLHTTP_LIBS) -lm
CTL_LIBS    := -lcurl -lcjson -lcairo -lfontconfig -lpthread -lm

PROGRAMS   := $(BUILD)/headroom-engine $(BUILD)/headroomd $(BUILD)/headroomctl
# A unit test lies in the room that it tests, which says what it is linked with.
UNIT_SOURCES := $(sort $(wildcard tests/unit/*/test_*.c) $(wildcard tests/unit/*/*/test_*.c))
UNIT_TESTS   := $(addprefix $(BUILD)/tests/,$(basename $(notdir $(UNIT_SOURCES))))
TOOLS      := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))
# Compiled with the rest, so that they follow what they call; only `make fuzz` can link them.
FUZZ_TARGETS := $(call objects,tests/fuzz/fuzz_*.c)
# Executable files in these folders are tests; the others are modules of theirs.
LIVE_TESTS := $(shell find tests/conformance tests/end_to_end -maxdepth 1 -type f -perm -u+x 2>/dev/null | sort)

# A line per file; V=1 shows the commands.
Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(2)

# Two jobs or more, unless the caller has said how many.
PARALLEL = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(shell nproc))

##@ build and use
all: $(PROGRAMS) $(UNIT_TESTS) $(TOOLS) $(BUILD)/simulator $(FUZZ_TARGETS)   ## build the three programs, the tests and their tools

deps:   ## install the Debian packages that the build and the tests need
	@.ci/deps

demo: deps   ## two models, one budget, streamed answers: the whole thing in a minute
	@$(MAKE) --no-print-directory $(PARALLEL) $(PROGRAMS)
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/demo

##@ test
check: deps   ## run all tests; TEST=name runs one, and builds what that one needs
	@.ci/deps check
	@$(MAKE) --no-print-directory $(PARALLEL) $(if $(TEST),$(NEEDED),all)
	$(if $(TEST),,@$(MAKE) --no-print-directory check-layers)
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/run $(TESTS)
ALL_TESTS := $(UNIT_TESTS) $(LIVE_TESTS)
named      = $(foreach t,$(ALL_TESTS),$(if $(filter $(1) test_$(1),$(basename $(notdir $(t)))),$(t)))
TESTS      = $(if $(TEST),$(or $(foreach n,$(TEST),$(call named,$(n))),$(error no test is called '$(TEST)')),$(ALL_TESTS))

NEEDED     = $(sort $(filter $(BUILD)/%,$(TESTS)) $(if $(filter-out $(UNIT_TESTS),$(TESTS))$(filter $(STARTS_PROGRAMS),$(TESTS)),$(PROGRAMS) $(TOOLS) $(BUILD)/simulator))

ADDRESS_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
sanitize: deps   ## run all tests under ASan and UBSan, and those of threads under TSan
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPTIMIZE='-O1 -g' SANITIZE='$(ADDRESS_SANITIZERS)' check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan OPTIMIZE='-O1 -g' SANITIZE='-fsanitize=thread' TEST='threads transformer transformer_bits bg_thread thermal thermal_lost' check

# Not part of check: it takes a virtual machine, and ten minutes. Where that cannot be had it says SKIP and why.
check-vm: deps   ## the daemon under its unit in a Debian machine (QEMU), driven up to the cliff; VM=name runs one, SUITE=trixie
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@.ci/deps vm || :
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/vm/run $(if $(SUITE),--suite $(SUITE)) $(if $(VM),--only $(VM)) || [ $$? = 77 ]

FUZZERS      := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
fuzz: deps need-clang   ## run each fuzz target for FUZZ_SECONDS (60) under ASan and UBSan; needs clang
	@$(MAKE) --no-print-directory $(PARALLEL) BUILD=$(BUILD)/fuzz CC=clang OPTIMIZE='-O1 -g' \
	  SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' fuzzers
	@HEADROOM_BUILD=$(BUILD)/fuzz tests/fuzz/seeds $(BUILD)/fuzz/corpus
	@for f in $(notdir $(FUZZERS)); do echo "== $$f"; \
	  $(BUILD)/fuzz/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=70000 -len_control=0 -rss_limit_mb=2048 -timeout=20 \
	    -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$$f >$(BUILD)/fuzz/$$f.log 2>&1 \
	  || { tail -n 40 $(BUILD)/fuzz/$$f.log; exit 1; }; grep -E 'executed_units|average_exec' $(BUILD)/fuzz/$$f.log; done
fuzzers: $(FUZZERS) $(BUILD)/tools/make-gguf $(BUILD)/tools/make-session

# policy/ may call nothing: an object that needs a clock, a file or a log fails here. The arrows between the rooms are tests/rooms.
POLICY_MAY_CALL := memcpy|memset|memmove|memcmp|strcmp|strlen|__assert_fail|__stack_chk_fail|__popcountdi2|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|gcov)_.*
check-layers: $(POLICY) $(POLICY_A) $(BUILD)/engine.a $(BUILD)/daemon.a $(BUILD)/ctl.a   ## prove that the arrows between the rooms go one way
	@! nm -u $(POLICY) | awk '$$1 == "U" { print $$2 }' | sort -u \
	  | grep -vxF "$$(nm --defined-only -g $(POLICY) | awk 'NF == 3 { print $$3 }')" | grep -Evx '$(POLICY_MAY_CALL)' \
	  || { echo 'policy/ reaches outside itself (above)'; false; }
	@tests/layers $(BUILD)

# The findings of each tool in a source are a file of their own: only changed sources are looked at again. The kernels of AVX2 are
# not for -fanalyzer: it takes minutes for loops over numbers, which hold no pointer and allocate nothing.
TOOL         ?= cppcheck gcc clang-tidy
LINT_SOURCES := $(patsubst $(BUILD)/%.o,%.c,$(POLICY) $(ENGINE) $(DAEMON) $(CTL))
LINT_SKIPS   := $(patsubst %.c,$(BUILD)/lint/%.gcc,$(wildcard engine/kernels_x86/*.c))
lint_headers  = $(Q)$(CC) $(LINT_FLAGS) -MM -MP -MT $@ -MF $@.d $<
LINT_FLAGS    = $(CPPFLAGS) $(DEFINE_VERSION) -std=gnu17 $(CFLAGS_$(basename $(@F)))
lint: deps   ## cppcheck, gcc -fanalyzer and clang-tidy over the three programs; TOOL=gcc runs one of them
	@.ci/deps lint
	@$(MAKE) --no-print-directory $(PARALLEL) lint-findings
	@tests/lint/report $(BUILD)/lint $(TOOL)
lint-findings: $(filter-out $(LINT_SKIPS),$(foreach t,$(TOOL),$(LINT_SOURCES:%.c=$(BUILD)/lint/%.$(t))))
$(BUILD)/lint/%.gcc: %.c
	@mkdir -p $(@D)
	$(call say,gcc,$<)
	$(lint_headers)
	$(Q)$(CC) $(LINT_FLAGS) -O1 -fanalyzer -fdiagnostics-path-format=none -fno-diagnostics-show-caret \
	  -c -o /dev/null $< 2> $@ || { cat $@; false; }
$(BUILD)/lint/%.clang-tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	$(call say,tidy,$<)
	$(lint_headers)
	$(Q)clang-tidy --quiet $< -- $(LINT_FLAGS) > $@ 2> $@.log || grep -q ': error: ' $@ || { cat $@.log; false; }
$(BUILD)/lint/%.cppcheck: %.c tests/lint/cppcheck.cfg
	@mkdir -p $(@D)
	$(call say,check,$<)
	$(lint_headers)
	$(Q)cppcheck --quiet --enable=warning,performance,portability --std=c11 --library=posix,gnu,tests/lint/cppcheck.cfg \
	  --inline-suppr --template='{file}:{line}:{column}: {severity}: {message} [{id}]' --template-location='' \
	  $(filter -I% -D%,$(CPPFLAGS)) $(DEFINE_VERSION) $< 2> $@

# A process writes its counts when it ends, so what is killed counts for nothing. The engine is not locked in: it could not.
# With coverage counters, gcc cannot see that all is initialised.
COVERAGE := --coverage -DCOUNTING_COVERAGE=1 -Wno-maybe-uninitialized
coverage: deps   ## lines and branches that the tests reach, by room; TEST=name counts those of one test
	@.ci/deps coverage
	@rm -rf $(BUILD)/coverage/report
	@! [ -d $(BUILD)/coverage ] || find $(BUILD)/coverage -name '*.gcda' -delete
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage OPTIMIZE='-O1 -g' SANITIZE='$(COVERAGE)' check; \
	  status=$$?; tests/coverage $(BUILD)/coverage && exit $$status

# What of the engine needs no library, for another processor than this machine's: tests/conformance/aarch64 compiles it and has QEMU
# run the tests of its kernels.
CROSSED       := $(POLICY) $(foreach room,compute dispatch gguf kernels kernels_arm kernels_x86 kv unpack,$(call objects_in,engine/$(room)))
CROSSED_TESTS := $(addprefix $(BUILD)/crossed/,test_kernels test_elementwise)
crossed: $(CROSSED_TESTS) $(BUILD)/tests/tools/bench-kernels.o
$(BUILD)/crossed.a: $(CROSSED)
	$(archive)
$(BUILD)/tests/unit/engine/kernels/%.o: CPPFLAGS += $(if $(filter crossed,$(MAKECMDGOALS)),-Itests/aarch64)
$(BUILD)/crossed/%: $(BUILD)/tests/unit/engine/kernels/%.o $(BUILD)/crossed.a
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) -static -o $@ $^ -lm

bench: deps   ## tokens/s beside Debian's llama-bench on the same file, and what the daemon costs beside HAProxy; minutes
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/peer decode-160m prefill-160m || [ $$? = 77 ]
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/overhead
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/proxy

bench-peer: deps   ## the engine beside Debian's llama.cpp, by turns; PEER='--list', PEER='decode prefill', PEER='--csv FILE --plot FILE.svg'
	@$(MAKE) --no-print-directory $(PARALLEL) $(PROGRAMS) $(addprefix $(BUILD)/tools/,make-gguf bench-memory)
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/peer $(PEER)

bench-kernels: $(BUILD)/tools/bench-kernels   ## the product kernels beside what bounds them: memory's bytes, the unit's products; SET=avx2 [TYPE=q4_k] shows one
	@$< $(SET) $(TYPE)

bench-instructions: deps   ## instructions a token and a product cost, by type and function (valgrind); COUNT='q4_k --csv FILE', COUNT='--before FILE'
	@.ci/deps instructions
	@$(MAKE) --no-print-directory $(PARALLEL) $(PROGRAMS) $(BUILD)/tools/make-gguf
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/instructions $(COUNT)

bench-cliff: deps   ## decode speed against a memory limit around the whole daemon, beside llama-server; CLIFF='--plot FILE.svg'
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@HEADROOM_BUILD=$(abspath $(BUILD)) tests/bench/cliff $(CLIFF)

# SEED=1 RUNS=1000 TICKS=1000 is the whole of it; a failing seed prints what repeats it.
SIMULATOR := $(call objects,tests/simulator/*.c)
SEED      ?= 1
RUNS      ?= $(if $(filter command line,$(origin SEED)),1,1000)
TICKS     ?= 1000
simulate: $(BUILD)/simulator   ## run the policy in random worlds: SEED=n [RUNS=k] [TICKS=m] [GROWTH=mib_s] [RECORD=FILE] [MUTATION=name]
	@$(BUILD)/simulator --seed $(SEED) --runs $(RUNS) --ticks $(TICKS) $(if $(GROWTH),--growth $(GROWTH)) $(if $(RECORD),--record $(RECORD)) $(if $(MUTATION),--mutation $(MUTATION))
$(BUILD)/simulator: $(SIMULATOR) $(POLICY_A)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lm

##@ the demo model
# Not part of `all` and seldom needed: the two models are committed. The result depends on text, trainer, settings and
# compiler, not on the number of threads. The trainer alone is built for wide vectors (its test asks for them first).
DEMO_MODEL         := $(call objects,tests/demo_model/*.c)
DEMO_MODEL_TEXT    := $(sort $(wildcard tests/demo_model/text/*.txt))
DEMO_MODEL_TRAIN    = $(BUILD)/demo_model/trainer --evaluate --unseen tests/demo_model/unseen.txt
$(BUILD)/tests/demo_model/%.o: CFLAGS += -O3 -ffp-contract=fast $(if $(filter x86_64,$(shell uname -m)),-march=x86-64-v3)
$(BUILD)/demo_model/trainer: $(DEMO_MODEL)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread -lm
$(BUILD)/tests/test_demo_trainer: $(filter-out %/main.o,$(DEMO_MODEL))

demo-model: deps   ## train the two demo models again (minutes), count their exact answers, compare with the committed ones
	@$(MAKE) --no-print-directory $(PARALLEL) $(BUILD)/demo_model/trainer
	$(DEMO_MODEL_TRAIN) --out $(BUILD)/demo_model/headroom-demo.gguf --name 'Headroom demo' \
	  --checkpoint $(BUILD)/demo_model/headroom-demo.checkpoint $(DEMO_MODEL_TEXT)
	$(DEMO_MODEL_TRAIN) --out $(BUILD)/demo_model/headroom-demo-small.gguf --name 'Headroom demo small' \
	  --checkpoint $(BUILD)/demo_model/headroom-demo-small.checkpoint --steps 1600 --width 96 --heads 3 --kv-heads 1 --layers 4 --ff 256 $(DEMO_MODEL_TEXT)
	@for m in headroom-demo headroom-demo-small; do \
	  cmp -s $(BUILD)/demo_model/$$m.gguf tests/demo_model/$$m.gguf && echo "$$m.gguf: as committed" \
	    || echo "$$m.gguf: differs from the committed one; to replace it: cp $(BUILD)/demo_model/$$m.gguf tests/demo_model/"; done

# --- install ---
# Everything below PREFIX but the configuration, which is the administrator's: an existing one is never touched.
SYSCONFDIR ?= /etc
UNITS      := headroomd.service headroomd.socket headroomd-control.socket headroom.slice
MAN_PAGES  := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))
to          = $(DESTDIR)$(PREFIX)/$(1)
FOR_USER    = $(if $(DESTDIR),,$(filter $(HOME)/%,$(PREFIX)))

##@ install
install: deps   ## to PREFIX (/usr/local) below DESTDIR, configuration to SYSCONFDIR; PREFIX=~/.local is for this user alone
	@mkdir -p $(call to,bin) 2>/dev/null && [ -w $(call to,bin) ] || { echo 'make install: $(call to,bin) cannot be written;' \
	  'say sudo make install, or make install PREFIX=~/.local for this user alone' >&2; false; }
	@$(MAKE) --no-print-directory $(PARALLEL) $(PROGRAMS) man $(BUILD)/units/headroomd.service $(BUILD)/units/headroomd-user.service
	@$(MAKE) --no-print-directory $(if $(FOR_USER),install-for-user,install-for-all)

install-programs:
	install -D -m 755 -t $(call to,bin) $(PROGRAMS)
	$(foreach p,$(MAN_PAGES),install -D -m 644 $(p) $(call to,share/man/man$(subst .,,$(suffix $(p)))/$(notdir $(p))) &&) :
	install -D -m 644 ctl/completion/headroomctl.bash $(call to,share/bash-completion/completions/headroomctl)
	ln -sf headroomctl $(call to,share/bash-completion/completions/headroomd)
	ln -sf headroomctl $(call to,share/bash-completion/completions/headroom-engine)
	install -D -m 644 -t $(call to,share/headroom/models) tests/demo_model/headroom-demo.gguf

install-for-all: install-programs
	install -D -m 644 -t $(call to,lib/systemd/system) $(BUILD)/units/headroomd.service $(addprefix units/,$(filter-out headroomd.service,$(UNITS)))
	install -D -m 644 units/headroom.sysusers $(call to,lib/sysusers.d/headroom.conf)
	install -D -m 644 units/headroom.tmpfiles $(call to,lib/tmpfiles.d/headroom.conf)
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/headroom/headroom.conf.d $(DESTDIR)$(SYSCONFDIR)/headroom/models.d
	@if [ -f units/headroom.conf ] && [ ! -e $(DESTDIR)$(SYSCONFDIR)/headroom/headroom.conf ]; then \
	  echo install -m 644 units/headroom.conf $(DESTDIR)$(SYSCONFDIR)/headroom/headroom.conf; \
	  install -m 644 units/headroom.conf $(DESTDIR)$(SYSCONFDIR)/headroom/headroom.conf; fi

# The user's systemd looks below ~/.local/share, and the daemon for models in ~/.local/share/headroom/models.
install-for-user: install-programs
	install -D -m 644 $(BUILD)/units/headroomd-user.service $(call to,share/systemd/user/headroomd.service)
	@echo 'Next: systemctl --user daemon-reload && systemctl --user enable --now headroomd; models go to $(call to,share/headroom/models)'

uninstall:   ## remove what install put below PREFIX; configuration and models stay
	rm -f $(addprefix $(call to,bin/),headroomd headroomctl headroom-engine) \
	  $(foreach p,$(MAN_PAGES),$(call to,share/man/man$(subst .,,$(suffix $(p)))/$(notdir $(p)))) \
	  $(addprefix $(call to,share/bash-completion/completions/),headroomctl headroomd headroom-engine) \
	  $(addprefix $(call to,lib/systemd/system/),$(UNITS)) \
	  $(call to,share/systemd/user/headroomd.service) $(call to,lib/sysusers.d/headroom.conf) $(call to,lib/tmpfiles.d/headroom.conf) $(call to,share/headroom/models/headroom-demo.gguf)

man: $(MAN_PAGES)   ## the man pages, in BUILD/man
$(BUILD)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

# Made anew every time: PREFIX may be another than at the last build.
$(BUILD)/units/%.service: units/%.service.in FORCE
	@mkdir -p $(@D)
	sed 's,@PREFIX@,$(PREFIX),g' $< > $@
FORCE:
.PHONY: install install-programs install-for-all install-for-user uninstall man FORCE
# --- end of install ---

##@ tidy
format: need-clang-format   ## lay out the C sources with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h' | grep -v unicode_table)

need-%:
	@command -v $* >/dev/null || { echo '$* is needed for this: apt-get install $*'; false; }

clean:   ## remove what was built
	rm -rf $(BUILD) compile_commands.json

help:   ## this list
	@awk -F '##' '/^##@/ { print "\n" substr($$2, 3) } \
	  /^[a-z_.-]+:.*##/ { split($$1, t, ":"); printf "  %-14s %s\n", t[1], $$2 }' Makefile

# --- how things are made ---

$(BUILD)/headroom-engine: $(BUILD)/engine/main.o $(ENGINE_A)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(ENGINE_LIBS)
$(BUILD)/headroomd: $(BUILD)/daemon/main.o $(DAEMON_A)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(BUILD)/headroomctl: $(BUILD)/ctl/main.o $(CTL_A)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)

# Thin archives: they name their objects, so that making one anew costs nothing.
archive = $(Q)rm -f $@ && ar rcsT $@ $^
$(BUILD)/policy.a: $(POLICY)
	$(archive)
$(BUILD)/engine.a: $(filter-out %/main.o,$(ENGINE))
	$(archive)
$(BUILD)/daemon.a: $(filter-out %/main.o,$(DAEMON)) $(LLHTTP)
	$(archive)
$(BUILD)/ctl.a: $(filter-out %/main.o,$(CTL))
	$(archive)

# The archives that a unit test is linked with: that of the program whose folder it lies in, and of those below it.
LINKS_policy     := $(POLICY_A) -lm
LINKS_engine     := $(ENGINE_A) $(ENGINE_LIBS)
LINKS_demo_model := $(LINKS_engine)
LINKS_daemon     := $(DAEMON_A) $(DAEMON_LIBS) $(ENGINE_LIBS)
LINKS_ctl        := $(CTL_A) $(CTL_LIBS) $(DAEMON_LIBS) $(ENGINE_LIBS)
# These read what they recorded as `simulate` does.
PROGRAM_test_governor := ctl
PROGRAM_test_recorder := ctl
program_of = $(or $(PROGRAM_$(basename $(notdir $(1)))),$(word 3,$(subst /, ,$(1))))
define unit_test
$(BUILD)/tests/$(basename $(notdir $(1))): $(1:%.c=$(BUILD)/%.o) $(filter %.a,$(LINKS_$(call program_of,$(1))))
	$$(call say,link,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ -lcmocka $(filter-out %.a,$(LINKS_$(call program_of,$(1))))
endef
$(foreach t,$(UNIT_SOURCES),$(eval $(call unit_test,$(t))))
# These start engines, which are programs.
STARTS_PROGRAMS := $(addprefix $(BUILD)/tests/test_,engine_process engine_kinds models models_failing inspection gate governor governor_actions governor_emergency ctl_machine)

$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(CTL_A)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(ENGINE_LIBS) $(DAEMON_LIBS) $(CTL_LIBS)

# What a target plays itself comes before what the archive has of the same name.
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(CTL_A)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,-z,muldefs -fsanitize=fuzzer -o $@ $^ $(ENGINE_LIBS) $(DAEMON_LIBS) $(CTL_LIBS)

# The version changes with every commit: the files that tell it alone are made anew for it, when it has changed.
DEFINE_VERSION := -DHEADROOM_VERSION='"$(VERSION)"'
TELL_VERSION   := $(addprefix $(BUILD)/,$(addsuffix .o,daemon/main daemon/daemon daemon/governor/recorder daemon/control/control \
                    daemon/api/health daemon/api/completion daemon/api/models_route daemon/trace/trace engine/main ctl/main ctl/daemon/client))
$(TELL_VERSION): CPPFLAGS += $(DEFINE_VERSION)
$(TELL_VERSION): $(BUILD)/version
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(notdir $*)) -MMD -MP -c -o $@ $<
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(call say,cc,$<)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 -fPIE -O2 -g $(or $(SANITIZE),$(HARDENING)) -w -c -o $@ $<

compile_commands.json: Makefile $(sort $(wildcard */*.c */*/*.c */*/*/*.c))   ## what clangd and clang-tidy read
	@{ echo '['; sep=; for f in $(filter %.c,$^); do \
	  printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$f" \
	    "$$(printf '%s' '$(subst ','\'',$(CC) $(CPPFLAGS) $(DEFINE_VERSION) $(CFLAGS)) -c '"$$f" | sed 's/["\\]/\\&/g')"; sep=,; done; echo ']'; } > $@

.PHONY: all deps demo demo-model check check-vm sanitize lint lint-findings coverage check-layers simulate bench bench-peer bench-kernels bench-instructions bench-cliff format clean help
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(wildcard $(addprefix $(BUILD)/,policy engine daemon ctl tests lint)) /dev/null -type f -name '*.d')
