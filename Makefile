# The front door.  Every target calls a script that does the work and has a
# --help of its own; `make help` lists them.

SETUP := tools/vm/setup

# KERNEL=7.3 is a series, KERNEL=upstream a kernel, KERNEL=upstream-7.3 both.
series := $(lastword $(foreach word,$(subst -, ,$(KERNEL)),$(if $(findstring .,$(word)),$(word))))
variant := $(patsubst %-$(series),%,$(filter-out $(series),$(KERNEL)))
ifneq ($(series),)
export SERIES := $(series)
endif

# make run KERNEL=upstream MEM=4G FILL=3000M SYSCTL=vm.page_reporting_delay_ms=5000
RUN_OPTIONS = $(if $(variant),--kernel '$(variant)') $(if $(MEM),--mem '$(MEM)') \
	$(if $(FILL),--fill '$(FILL)') $(if $(SYSCTL),--sysctl '$(SYSCTL)')

# $(call script,PATH,ARGUMENTS): for what not every checkout has
script = @if [ -x $(1) ]; then $(1) $(2); \
	else echo "make $@: there is no $(1)" >&2; exit 1; fi

.PHONY: help
help:
	@echo 'make run             show it: a guest frees memory, the host gets it back (root)'
	@echo '                     KERNEL=upstream|overlay|debug MEM=2G FILL=1200M SYSCTL=name=value'
	@echo '                     KERNEL=6.1|6.12|7.3 (6.12 if not given) is the kernel series, here'
	@echo '                     and for test, bench, kernel and patch; both: KERNEL=upstream-7.3'
	@echo '                     QEMU=10|11 is a newer QEMU of Debian (fetched), or a path; here and'
	@echo '                     for test and bench'
	@echo 'make compare         the same beside upstream and upstream 7.3 with a delay of 250 ms,'
	@echo '                     freed at once and in pieces, in one page to hand on (root)'
	@echo 'make test            all tests but the long ones, a short set on other series (root)'
	@echo 'make test-long       the long ones, the short set under QEMU 10 and 11 (root)'
	@echo 'make test-full       the same, and the whole matrix of machines; its summary at the end (root)'
	@echo 'make soak HOURS=8    what lives stays as it is, again and again for so long (root)'
	@echo 'make test-series     only that short set (root)'
	@echo 'make coverage        which lines of ours no test runs (root)'
	@echo 'make check           style and static checks'
	@echo 'make check-long      compile what is ours in many configurations (KERNEL=7.3, too)'
	@echo 'make bench           upstream, upstream 7.3 at its best, this project (root)'
	@echo 'make bench-quick     the same, fewer and shorter runs (root)'
	@echo 'make kernel          the guest kernel: build/kernel/SERIES/overlay/bzImage'
	@echo 'make kernel-upstream the untouched kernel with the same configuration'
	@echo 'make kernel-debug    the kernel with KASAN, lockdep and KUnit'
	@echo 'make patch           the whole change as one patch for linux-source-SERIES'
	@echo 'make series          the same as patches for the lists, for the newest kernel'
	@echo 'make install         install the tools and manual pages (DESTDIR, PREFIX)'
	@echo 'make deb             Debian packages: of a guest kernel, of the tools, and of the balloon'
	@echo '                     driver alone for stock kernels (DKMS): build/deb/*.deb'
	@echo '                     CONFIG=FILE has options that the kernel gets besides'
	@echo 'make deb-tools       the same without the guest kernel, which takes the time'
	@echo 'make setup           install the Debian packages all this needs'
	@echo 'make clean           remove build/'

.PHONY: setup
setup:
	@$(SETUP)

.PHONY: run compare
run:
	@$(SETUP) build run
	@tools/vm/run $(RUN_OPTIONS)

compare:
	@$(SETUP) build run
	@tools/vm/run --compare $(RUN_OPTIONS)

.PHONY: test test-long test-full soak test-series
test:
	@$(SETUP) build run test
	@tests/run

test-long:
	@$(SETUP) build run test arch check-long deb
	@tests/run --long

test-full:
	@$(SETUP) build run test arch check-long deb
	@tests/run --full

soak:
	@$(SETUP) build run test
	@tests/soak $(if $(HOURS),--hours '$(HOURS)')

test-series:
	@$(SETUP) build run test
	@tests/run $(patsubst patches/%,--kernel overlay-%,$(filter-out patches/6.12,$(wildcard patches/*))) \
		tests/vm -m series

.PHONY: coverage
coverage:
	@$(SETUP) build run test
	@tests/coverage

.PHONY: check
check:
	@$(SETUP) build check
	$(call script,tests/check)

.PHONY: check-long
check-long:
	@$(SETUP) build check-long
	$(call script,tests/check-long)

.PHONY: bench bench-quick
bench:
	@$(SETUP) build run bench tools
	$(call script,tools/bench/bench)

bench-quick:
	@$(SETUP) build run bench
	$(call script,tools/bench/bench,--quick)

.PHONY: kernel kernel-upstream kernel-debug
kernel kernel-upstream kernel-debug:
	@$(SETUP) build
	@tools/vm/build-kernel $(or $(patsubst kernel-%,%,$(filter kernel-%,$@)),$(variant),overlay)

.PHONY: patch
patch:
	@$(SETUP) build patch
	$(call script,tools/vm/make-patch)

.PHONY: series
series:
	@$(SETUP) build patch
	$(call script,tools/vm/make-series)

.PHONY: install
install:
	@$(SETUP) tools
	@for tool in autoballoon page-reporting perf-scripts; do \
		$(MAKE) --no-print-directory -C tools/$$tool install \
			$(if $(DESTDIR),DESTDIR='$(DESTDIR)') $(if $(PREFIX),PREFIX='$(PREFIX)') || exit; \
	done

# Built from a copy, for debhelper works in the tree.
DEB = build/deb
.PHONY: deb deb-tools
deb-tools:
	@$(SETUP) deb
	rm -rf $(DEB)
	mkdir -p $(DEB)/page-reporting-tools
	tar -c --exclude='__pycache__' debian tools/autoballoon tools/page-reporting tools/perf-scripts \
		dkms drivers/virtio include/trace compat patches/6.12 | \
		tar -x -C $(DEB)/page-reporting-tools
	cd $(DEB)/page-reporting-tools && dpkg-buildpackage -b -us -uc
	rm -rf $(DEB)/page-reporting-tools
	@ls $(DEB)/*.deb

# Its packages, and beside them the kernel as Firecracker takes it.
deb: deb-tools
	@$(SETUP) build
	@$(if $(CONFIG),EXTRA_CONFIG='$(CONFIG)') tools/vm/build-kernel package
	cp $(addprefix build/kernel/$(or $(series),6.12)/package/,linux-*.deb vmlinux-*) $(DEB)
	@ls $(DEB)/linux-* $(DEB)/vmlinux-*

.PHONY: clean
clean:
	rm -rf build
