# gpt2-filters. make demo: build, and classify some reviews. make check: build,
# and run all tests. Both install what they miss, as root, with apt-get.
CC      = gcc
PREFIX  = /usr/local
DESTDIR =
B       = build
VERSION = 0.1

# Debian packages: to build, and to test.
NEED    = gcc libc6-dev pkg-config libutf8proc-dev libarchive-dev zlib1g-dev \
          libjansson-dev libxxhash-dev libcsv-dev
TESTS   = libopenblas0 perl mandoc shellcheck clang clang-format strace parallel \
          xz-utils zstd zip curl
DEMO    = PATH=$(CURDIR)/$B/bin:$$PATH

WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes
CFLAGS  = -O2 -g
CPPFLAGS = -iquote lib -iquote cmd -D_GNU_SOURCE -DVERSION='"$(VERSION)"'
PKG     = libutf8proc jansson
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) -pthread -ffp-contract=off -MMD -MP \
          $(CPPFLAGS) $(shell pkg-config --cflags $(PKG) 2>/dev/null)
LDLIBS  = -Wl,--as-needed $(shell pkg-config --libs $(PKG) 2>/dev/null) -lcsv -lm

LIB     = $(patsubst %.c,$B/%.o,$(wildcard lib/*/*.c))
CLI     = $(patsubst %.c,$B/%.o,$(wildcard cmd/cli/*.c))
PROGS   = $(patsubst cmd/%.c,$B/bin/%,$(wildcard cmd/*.c)) \
          $(patsubst cmd/%.sh,$B/bin/%,$(wildcard cmd/*.sh))
UNITS   = $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/*.c))
FUZZ    = text vocabulary merges stream
BENCHES = $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/*.c))
REPLAY  = $(FUZZ:%=$B/replay/%)
SECONDS = 600
SOURCES = $(wildcard lib/*/*.[ch] lib/*/*/*.[ch] cmd/*.c cmd/cli/*.[ch] \
          tests/unit/*.[ch] tests/fuzz/*.[ch] tests/bench/*.c)
SCRIPTS = $(wildcard cmd/*.sh examples/*.sh tests/*.sh tests/*.t \
          tests/bench/run .ci/run)

# Kernels: two sources, compiled for each instruction set.
X86    := $(filter x86_64%,$(shell $(CC) -dumpmachine 2>/dev/null))
ISAS    = generic $(if $(X86),avx2 avx512)
DOTS    = generic $(if $(X86),avx2 avxvnni avx512vnni avx512bf16 amx)
generic = -DOPS_GENERIC
avx2    = -DOPS_AVX2 -mavx2 -mfma -mf16c
avxvnni = $(avx2) -mavxvnni
avx512  = -DOPS_AVX512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
avx512vnni = $(avx512) -mavx512vnni
avx512bf16 = $(avx512vnni) -mavx512bf16
amx     = $(avx512bf16) -DOPS_AMX -mamx-tile -mamx-int8 -mamx-bf16
KERNELS = $(ISAS:%=$B/lib/ops/kernels.%.o)
DOTOBJS = $(DOTS:%=$B/lib/ops/dots.%.o)
LIB    += $(KERNELS) $(DOTOBJS)

all: $(PROGS)

demo: setup
	@$(MAKE) -s -j2 all
	@$(DEMO); cat examples/reviews.txt | bpe-encode | gpt2-embed | \
	    head-predict | paste - examples/reviews.txt | cut -c 1-79

check: setup-tests
	@$(MAKE) -s -j2 all $(UNITS) $(REPLAY)
	@$(DEMO) UNITS=$(CURDIR)/$B/tests REPLAY=$(CURDIR)/$B/replay \
	    prove -j2 tests/*.t $(UNITS)

$(DOTOBJS): $B/lib/ops/dots.%.o: lib/ops/kernels/dots.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -O3 -fno-math-errno $($*) -c -o $@ $<

$(KERNELS): $B/lib/ops/kernels.%.o: lib/ops/kernels/kernels.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -O3 -fno-math-errno $($*) -c -o $@ $<

# Texts and records go through many small functions: these are put together
# when a program is linked.
$(filter $B/lib/bpe/% $B/lib/text/% $B/lib/stream/% $B/lib/sys/%,$(LIB)) \
    $(CLI) $B/cmd/bpe-encode.o: CFLAGS += -O3 -flto=auto

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$B/libgpt2.a: $(LIB)
	@rm -f $@
	ar rcs $@ $^

$B/bin/%: $B/cmd/%.o $(CLI) $B/libgpt2.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/bin/%: cmd/%.sh
	@mkdir -p $(@D)
	install -m 755 $< $@

$B/tests/%: $B/tests/unit/%.o $B/libgpt2.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/bench/%: $B/tests/bench/%.o $B/libgpt2.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Against the machine and the peers that are there; BENCH=--quick: two minutes.
bench: setup-tests
	@$(MAKE) -s -j2 all $(BENCHES)
	@tests/bench/run $(BENCH)

# Fuzz targets: for replay one by one with what libFuzzer has found before,
# and with libFuzzer itself. A forger's blocks have the right checksums.
FORGED  = -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

$B/forged/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(FORGED) -c -o $@ $<

$B/replay/%: $B/tests/fuzz/%.o $B/tests/fuzz/fuzz.o $B/tests/fuzz/replay.o \
    $B/forged/lib/stream/block.o $B/libgpt2.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/libfuzzer/%: $B/tests/fuzz/%.o $B/tests/fuzz/fuzz.o \
    $B/forged/lib/stream/block.o $B/libgpt2.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fsanitize=fuzzer -pthread -o $@ $^ $(LDLIBS)

# SECONDS for each target, two at once; what crashes is kept for make check.
fuzz: setup-tests
	@$(MAKE) -s -j2 B=$B/fuzz CC=clang CFLAGS='-O1 -g \
	    -fsanitize=address,undefined,fuzzer-no-link' \
	    $(FUZZ:%=$B/fuzz/libfuzzer/%)
	@mkdir -p $(FUZZ:%=$B/fuzz/corpus/%)
	@printf '%s\n' $(FUZZ) | xargs -P 2 -I% env $B/fuzz/libfuzzer/% \
	    -max_total_time=$(SECONDS) -timeout=2 -rss_limit_mb=512 \
	    -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=tests/fuzz/corpus/%/ \
	    $B/fuzz/corpus/% tests/fuzz/corpus/%

# $(call install_debian,PACKAGES): what is missing, if anything is.
install_debian = missing=; for p in $(1); do \
	dpkg-query -W -f '$${Status}\n' $$p 2>/dev/null | grep -q '^install ok' || \
	missing="$$missing $$p"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ]; then \
		echo "installing$$missing"; apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
		--no-install-recommends $$missing >/dev/null; \
	elif [ -n "$$missing" ]; then \
		echo "missing packages; please run" >&2; \
		echo "	sudo apt-get install$$missing" >&2; exit 1; fi

setup:
	@$(call install_debian,$(NEED))

setup-tests:
	@$(call install_debian,$(NEED) $(TESTS))

lint: setup-tests
	@clang-format --dry-run -Werror $(SOURCES)
	shellcheck -x -S warning $(SCRIPTS)
	! grep -rnE '#include "(head|gpt2|bpe)/' lib/checkpoint lib/ops \
	    lib/stream lib/text lib/sys
	! grep -rnE '#include "(checkpoint|ops|stream|text)/' lib/sys
	mandoc -T lint -W warning man/*
	@$(MAKE) -s -j2 B=$B/clang CC=clang CFLAGS='-O2 -g -Werror' all
	@$(MAKE) -s -j2 B=$B/gcc CC=gcc CFLAGS='-O2 -g -Werror' all

asan: setup-tests
	@ASAN_OPTIONS=handle_sigbus=0 $(MAKE) -s -j2 B=$B/asan CC=clang \
	    CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover' \
	    check

install: setup
	@$(MAKE) -s -j2 all
	install -d $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/share/gpt2-filters/mini
	install -m 755 $(PROGS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 examples/mini/* \
	    $(DESTDIR)$(PREFIX)/share/gpt2-filters/mini
	for s in 1 5 7; do d=$(DESTDIR)$(PREFIX)/share/man/man$$s; \
	    install -d $$d && install -m 644 man/*.$$s $$d; done

uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && rm -f $(notdir $(PROGS))
	rm -rf $(DESTDIR)$(PREFIX)/share/gpt2-filters
	for s in 1 5 7; do (cd man && ls *.$$s) | (cd \
	    $(DESTDIR)$(PREFIX)/share/man/man$$s && xargs rm -f); done

clean:
	rm -rf $B

-include $(shell find $B -name '*.d' 2>/dev/null)

.PHONY: all demo check setup setup-tests lint asan bench fuzz install \
        uninstall clean
.SECONDARY:
