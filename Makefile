# ehlod: `make help` explains every target.

BUILD   ?= build
CC      ?= gcc
PKGS     = libmicrohttpd jansson libfyaml libcares libuv openssl libgsasl libidn2 libcurl sqlite3 gnutls libcrypt zlib
VERSION  = 0.1.0

WARN     = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDEN   = -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS  ?= -O2 -g $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
LDHARD   = -pie -Wl,-z,relro,-z,now
SANFLAGS = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALLFLAGS = -std=c11 -D_GNU_SOURCE -DEHLOD_VERSION='"$(VERSION)"' -I. $(WARN) $(if $(CI),-Werror) $(HARDEN) \
           $(SANFLAGS) $(PKGFLAGS) $(CFLAGS)
PKGFLAGS := $(shell pkg-config --silence-errors --cflags $(PKGS))
LIBS     := $(shell pkg-config --silence-errors --libs $(PKGS))

SRC      = $(sort $(wildcard probe/*.c probe/*/*.c config/*.c server/*.c server/*/*.c))
OBJ      = $(SRC:%.c=$(BUILD)/obj/%.o)
LIBOBJ   = $(filter-out $(BUILD)/obj/server/main.o,$(OBJ))

# Of the C files in tests/, test_NAME.c is a program, and every other one helps them.
TESTSRC  = $(sort $(filter-out tests/bench/%,$(shell find tests -name '*.c')))
TESTMAIN = $(foreach f,$(TESTSRC),$(if $(filter test_%,$(notdir $f)),$f))
TESTBIN  = $(TESTMAIN:tests/%.c=$(BUILD)/%)
TESTOBJ  = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(TESTMAIN),$(TESTSRC)))

# What `make bench` measures ehlod beside, and with: programs of their own, without any part of ehlod.
BENCH    = answer floor load lone peer
BENCHBIN = $(BENCH:%=$(BUILD)/bench/%)
BENCHLIB = common http_client peer_dialogue
BENCHOBJ = $(BENCHLIB:%=$(BUILD)/obj/tests/bench/%.o)

# What tests/fuzz/ plays; each is build/fuzz/fuzz_NAME once clang has built it.
FUZZ     = reply client sink config url message dialogue template dns pop3 imap evidence report
FUZZBIN  = $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)

FORMATTED = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')

# make V=1 shows the commands.
Q        = $(if $(V),,@)
SAY      = $(if $(V),:,@printf '  %-4s %s\n')

.DEFAULT_GOAL := all

all: $(BUILD)/ehlod ## build the program: build/ehlod

run: ## install what is missing, build, and serve config/demo.yaml
	@tests/setup run
	@$(MAKE) --no-print-directory all
	@exec $(BUILD)/ehlod serve --config config/demo.yaml

test: ## install what is missing, build, and run every test
	@tests/setup test
	@$(MAKE) --no-print-directory all tests
	@BUILD='$(BUILD)' tests/run

check: all tests ## run every test, installing nothing
	@BUILD='$(BUILD)' tests/run

asan: ## run every test with AddressSanitizer and UndefinedBehaviorSanitizer, built in build/asan
	@tests/setup test
	@ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 EHLOD_TEST_SCALE=$${EHLOD_TEST_SCALE:-3} \
	    $(MAKE) --no-print-directory check BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS='-O1 -g'

fuzz: ## install clang if it is missing, and run every fuzz target for FUZZ_SECONDS (60), built in build/fuzz
	@tests/setup fuzz
	@$(MAKE) --no-print-directory fuzzers BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined \
	    CFLAGS='-O1 -g -Wno-string-conversion'
	@BUILD='$(BUILD)/fuzz' tests/fuzz/run $(FUZZ)

valgrind: ## run the end-to-end tests with ehlod under valgrind, which is installed if it is missing
	@tests/setup valgrind
	@$(MAKE) --no-print-directory all
	@BUILD='$(BUILD)' tests/valgrind

bench: ## measure ehlod beside others, and write build/bench.json (BENCH_ONLY='plain memory', BENCH_SCALE=0.1)
	@tests/setup bench
	@$(MAKE) --no-print-directory all $(BENCHBIN)
	@BUILD='$(BUILD)' tests/bench/run

tsan: ## run what has threads in it with ThreadSanitizer, built in build/tsan
	@tests/setup test
	@$(MAKE) --no-print-directory all tests BUILD=$(BUILD)/tsan SANITIZE=thread CFLAGS='-O1 -g'
	@BUILD='$(BUILD)/tsan' tests/tsan

fuzzers: $(FUZZBIN) $(BUILD)/fuzz/test_replay

tests: $(TESTBIN) $(BENCHBIN) ## build the test programs

fmt: ## format the C sources as .clang-format says
	clang-format -i $(FORMATTED)

lint: ## find what is not formatted, and what cppcheck minds
	clang-format --dry-run --Werror $(FORMATTED)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem --suppress=varFuncNullUB $(SRC)

clean: ## remove what was built
	rm -rf build

help: ## this text
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 10

$(BUILD)/ehlod: $(BUILD)/obj/server/main.o $(BUILD)/libehlod.a
	$(SAY) LD $@
	$(Q)$(CC) $(ALLFLAGS) $(LDHARD) -o $@ $^ $(LIBS)

# Everything but main, so that test programs link just what they use.
$(BUILD)/libehlod.a: $(LIBOBJ)
	$(SAY) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/libtests.a: $(TESTOBJ)
	$(SAY) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(ALLFLAGS) -MMD -MP -c -o $@ $<

$(TESTBIN): $(BUILD)/%: tests/%.c $(BUILD)/libtests.a $(BUILD)/libehlod.a Makefile
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(ALLFLAGS) -MMD -MP $(LDHARD) -o $@ $< $(BUILD)/libtests.a $(BUILD)/libehlod.a $(LIBS) -lcmocka

$(BENCHBIN): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BENCHOBJ)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(ALLFLAGS) $(LDHARD) -o $@ $^ $(LIBS)

# libFuzzer calls one function by one name; the linker makes it the target's.
$(FUZZBIN): $(BUILD)/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/libtests.a $(BUILD)/libehlod.a Makefile
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(ALLFLAGS) -fsanitize=fuzzer -Wl,--defsym=LLVMFuzzerTestOneInput=fuzz_$* $(LDHARD) -o $@ $< \
	    $(BUILD)/libtests.a $(BUILD)/libehlod.a $(LIBS)

-include $(OBJ:.o=.d) $(TESTOBJ:.o=.d) $(TESTBIN:=.d) $(BENCHOBJ:.o=.d) $(BENCH:%=$(BUILD)/obj/tests/bench/%.d)
.PHONY: all run test check asan bench fuzz fuzzers valgrind tsan tests fmt lint clean help
