# Two commands for a newcomer: `make demo` and `make test`. Each installs what it lacks, then calls cargo.

VENV := .venv
# libhdf5 needs CMake 3.26 or newer; where the system's is older, the one from the Python environment serves.
export CMAKE := $(shell v=$$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p'); \
	if [ -n "$$v" ] && printf '3.26\n%s\n' "$$v" | sort -CV; then command -v cmake; else echo $(CURDIR)/$(VENV)/bin/cmake; fi)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: demo test gpu-tools gpu-tools-if-had gpu-test build bench bench-once deb oracles tools clean check check-aarch64 crash-test fuzz

demo: build
	target/release/diapason demo

# What the package has: settings of NVIDIA's GPUs, and kernels for GPUs. One set of features for building, testing and checking, so
# that nothing is compiled twice for the sake of another set.
FEATURES := diapason-daemon/nvml,diapason/gpu

build: tools
	cargo build --release -p diapason -p diapason-daemon --features $(FEATURES)

# The knobs of NVIDIA's library are tested with one that the tests bring. Kernels of GPUs need none: WGSL runs on Mesa's
# lavapipe, CUDA C++ is compiled for every architecture by NVRTC and run on the host. Where these cannot be had, their tests
# say so and are skipped; `REQUIRE=wgpu,nvrtc,cxx` makes that a failure.
test: tools oracles gpu-tools-if-had
	$(USE_NVRTC) cargo test --workspace --features $(FEATURES)

# The part of that which is about GPUs, alone.
NVRTC = $(CURDIR)/$(VENV)/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
USE_NVRTC = found=$$(ls $(NVRTC) 2>/dev/null | head -n 1); [ -n "$$DIAPASON_NVRTC$$found" ] && \
	export DIAPASON_NVRTC="$${DIAPASON_NVRTC:-$$found}";
gpu-tools: $(VENV)/gpu

gpu-tools-if-had: tools
	@$(MAKE) --no-print-directory gpu-tools || echo "the tests of GPU kernels that need lavapipe or NVRTC are skipped, as these" \
		"cannot be installed here (see above)" >&2

gpu-test: $(VENV)/gpu
	$(USE_NVRTC) cargo test -p diapason-kernels --features wgpu,cuda --lib -- gpu:: wgpu:: cuda:: device::
	$(USE_NVRTC) cargo test -p diapason-kernels --features wgpu,cuda --test cuda

# 100,000 deaths of the tuning daemon out of tests/crash/seeds, then a strike at every system call it makes.
crash-test: tools
	cargo test -p diapason-daemon --test proof -- --ignored --nocapture every_seed
	CRASH_WHOLE=1 cargo test -p diapason-daemon --test every_syscall

# Every reader of the daemon under libFuzzer, on the stable compiler: coverage is a pass of LLVM. New inputs are kept in
# fuzz/corpus; an input that breaks a promise is left behind as a file.
FUZZ_SECONDS ?= 60
FUZZ_HOST := $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
fuzz: tools
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --release --manifest-path fuzz/Cargo.toml --target $(FUZZ_HOST)
	@set -e; for target in $$(ls fuzz/seeds); do echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		mkdir -p fuzz/corpus/$$target; \
		fuzz/target/$(FUZZ_HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
		-artifact_prefix=fuzz/corpus/broken-$$target- -print_final_stats=1 fuzz/corpus/$$target fuzz/seeds/$$target; done

# Miri runs what it can of the code around `unsafe`, in small sizes: blocks of memory, the areas and requests of a ring without
# the kernel, codecs in Rust. It needs a nightly compiler, which it does not install.
MIRI := buffer:: source::uring::arena source::uring::block source::uring::flight codec::shuffle codec::lzf
.PHONY: miri
miri:
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo "make miri lacks Miri" \
		"(rustup toolchain install nightly --component miri --component rust-src)" >&2; exit 1; }
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 \
		cargo +nightly miri test -p diapason-buffer -p diapason-loader --lib -- $(MIRI)

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features $(FEATURES) -- -D warnings
	cargo clippy -p diapason -- -D warnings
	cargo clippy -p diapason --no-default-features -- -D warnings

# The kernels on AArch64, where they are the scalar ones: compiled, then their exams and the tests of equal bits under
# emulation. Says what lacks and installs nothing: a cross compiler is a lot to bring along for one check.
AARCH64 := aarch64-unknown-linux-gnu
AARCH64_ENV := CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
check-aarch64:
	@lacking=""; \
	rustup target list --installed | grep -q '^$(AARCH64)$$' || lacking="$$lacking, the target (rustup target add $(AARCH64))"; \
	command -v aarch64-linux-gnu-gcc >/dev/null || lacking="$$lacking, a cross compiler (Debian: gcc-aarch64-linux-gnu)"; \
	[ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || lacking="$$lacking, its C library (Debian: libc6-dev-arm64-cross)"; \
	command -v qemu-aarch64 >/dev/null || lacking="$$lacking, emulation (Debian: qemu-user)"; \
	if [ -n "$$lacking" ]; then echo "check-aarch64 lacks$${lacking#,}" >&2; exit 1; fi
	$(AARCH64_ENV) cargo test --target $(AARCH64) -p diapason-kernels --lib --test train --test non_finite --test precision

bench: tools
	cargo bench -p diapason-benches

# PyTorch and onnxruntime beside the LSTM kernels. Their environment takes about 7 GB, since PyTorch's wheel brings CUDA.
RIVALS := .venv-rivals
.PHONY: rivals
rivals: tools $(RIVALS)/done
	RIVALS_PYTHON=$(CURDIR)/$(RIVALS)/bin/python cargo bench -p diapason-benches --bench rivals
$(RIVALS)/done: benches/rivals/requirements.txt
	/usr/bin/python3 -m venv $(RIVALS)
	$(RIVALS)/bin/pip install --quiet --disable-pip-version-check --no-cache-dir -r benches/rivals/requirements.txt
	touch $@

# h5py, pyarrow and Polars beside the loader.
RIVALS_LOADER := .venv-rivals-loader
.PHONY: rivals-loader
rivals-loader: tools $(RIVALS_LOADER)/done
	RIVALS_PYTHON=$(CURDIR)/$(RIVALS_LOADER)/bin/python cargo bench -p diapason-benches --bench loader_rivals --bench import
$(RIVALS_LOADER)/done: benches/rivals/loader-requirements.txt
	/usr/bin/python3 -m venv $(RIVALS_LOADER)
	$(RIVALS_LOADER)/bin/pip install --quiet --disable-pip-version-check --no-cache-dir -r benches/rivals/loader-requirements.txt
	touch $@

# polars-talib beside a panel of features.
RIVALS_FEATURES := .venv-rivals-features
.PHONY: rivals-features
rivals-features: tools $(RIVALS_FEATURES)/done
	RIVALS_PYTHON=$(CURDIR)/$(RIVALS_FEATURES)/bin/python cargo bench -p diapason-benches --bench feature_rivals
$(RIVALS_FEATURES)/done: benches/rivals/features-requirements.txt
	/usr/bin/python3 -m venv $(RIVALS_FEATURES)
	$(RIVALS_FEATURES)/bin/pip install --quiet --disable-pip-version-check --no-cache-dir -r benches/rivals/features-requirements.txt
	touch $@

bench-once: tools
	cargo bench -p diapason-benches -- --test

# What builds and tests need: a C compiler, strace and Python's venv from the distribution, CMake from pip where it is too old.
tools: $(VENV)/tools
$(VENV)/tools:
	@set -e; lacking=""; \
	command -v cc >/dev/null || lacking="$$lacking build-essential"; \
	/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || lacking="$$lacking python3-venv"; \
	command -v strace >/dev/null || lacking="$$lacking strace"; \
	if [ -n "$$lacking" ]; then $(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $$lacking; fi
	/usr/bin/python3 -m venv --system-site-packages $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $$(grep '^cmake' tests/oracles/requirements.txt)
	touch $@

# The outside judges of the tests: PyTorch from the distribution (CPU only, small), h5py and its filters from pip.
oracles: $(VENV)/oracles
$(VENV)/oracles: $(VENV)/tools tests/oracles/requirements.txt
	@/usr/bin/python3 -c 'import torch' 2>/dev/null || { $(SUDO) apt-get update && $(SUDO) env \
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-torch python3-numpy; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/oracles/requirements.txt
	touch $@

# Vulkan on the processor from the distribution, NVIDIA's run-time compiler from pip (100 MB, no GPU and no driver).
$(VENV)/gpu: $(VENV)/tools kernels/tests/cuda/requirements.txt
	@ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1 || { \
		$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-cache-dir -r kernels/tests/cuda/requirements.txt
	touch $@

clean:
	cargo clean
	rm -rf $(VENV)

# A Debian package: command, daemon, units, profiles, manual pages, completions.
deb: build
	cargo xtask assets
	command -v cargo-deb >/dev/null || cargo install --locked cargo-deb@3.8.0
	cargo deb --no-build -p diapason --output target/

# A booted guest under emulation, tuned for real: `make vm-test`, `make vm-test QUICK=1`, `make vm-test CASES="profiles"`.
# Needs root and a network for the first run; nothing is installed into this system but Debian's own tools, and no
# setting of it changes. The image is kept in target/vm and made anew when its recipe changes.
VM := $(CURDIR)/target/vm
VM_RECIPE := $(wildcard tests/vm/image/*)
.PHONY: vm-test vm-image
vm-test: deb vm-image
	DIAPASON_VM=$(VM) REQUIRE=$(REQUIRE),vm cargo test --release -p diapason-vm --test vm -- $(if $(QUICK),--quick) $(CASES)

vm-image: $(VM)/recipe
$(VM)/recipe: $(VM_RECIPE)
	@[ "$$(id -u)" = 0 ] || { echo "make vm-test needs root: the guest's network cards are devices of this kernel" >&2; exit 1; }
	@lacking=""; for tool in mmdebstrap:mmdebstrap iasl:acpica-tools mke2fs:e2fsprogs xz:xz-utils zstd:zstd; do \
		command -v $${tool%%:*} >/dev/null || lacking="$$lacking $${tool##*:}"; done; \
	if [ -n "$$lacking" ]; then apt-get update && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $$lacking; fi
	@mkdir -p $(VM)
	@[ -x $(VM)/qemu/qemu ] || tests/vm/image/get-qemu.sh $(VM)/qemu
	tests/vm/image/build-image.sh $(VM)
	@touch $@
