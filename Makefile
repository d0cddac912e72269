# Loam: one frozen foundation model per device, one small adapter per task.
# Everything is built into one target directory; what is fetched is cached under LOAM_HOME (default: ~/.cache/loam).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
LOAM := $(or $(CARGO_TARGET_DIR),target)/release/loam
PARITY_VENV ?= $(HOME)/.cache/loam/parity-venv
PARITY_CACHE := $(or $(LOAM_PARITY_CACHE),$(HOME)/.cache/loam/parity)
TRAINING_VENV := $(or $(LOAM_TRAINING_VENV),$(HOME)/.cache/loam/training-venv)
FFI := $(or $(CARGO_TARGET_DIR),target)/release
SCENARIOS ?= $(abspath $(or $(CARGO_TARGET_DIR),target))/scenarios
FUZZ_SECONDS ?= 240
SOAK_SECONDS ?= 600
EAIBENCH_SETS ?= ../shared/data
EAIBENCH_RUNS ?= $(abspath $(or $(CARGO_TARGET_DIR),target))/eaibench
LOAM_HOME_DIR := $(or $(LOAM_HOME),$(HOME)/.cache/loam)
# What delegates/setup.sh fetched, for tests: looked for when a recipe runs, since the same call of make may have fetched it.
DELEGATES := $(or $(LOAM_DELEGATES),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/loam/delegates)
export LOAM_ONNXRUNTIME ?= $(shell ls $(DELEGATES)/onnxruntime/capi/libonnxruntime.so.* 2>/dev/null | head -n 1)
export LOAM_QNN ?= $(shell ls -d $(DELEGATES)/onnxruntime_qnn 2>/dev/null)

.PHONY: help demo test build pull vocabularies lint docs-check test-rust packages-test aarch64-test \
  aarch64-quick android-sample screenshots ffi scenarios kotlin kotlin-bench aar swift-test swift-bench swift-lint \
  swift-docs xcframework ios-sample-test \
  python python-reference training training-test results adapters adapters-research eaibench eaibench-quick android-check apple-check android-size coreml-test delegates-setup npu npu-accuracy delegates-backbone parity fixtures bench crowd soak sanitize fuzz clean

help: ## List these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

adapters: build pull ## Install the adapters of models/adapters
	@set -e; for adapter in models/adapters/*; do $(LOAM) --quiet adapter install "$$adapter" --replace > /dev/null; done

RESEARCH_SETS := ag_news captions caption_search dialogsum flowers5 jfleg multi30k_de multi30k_en sisfall utd_mhad
RESEARCH_ADAPTERS := caption caption-search correct flowers gestures movements news summary to-english to-german
TRAINED := $(or $(LOAM_TRAINING_CACHE),$(HOME)/.cache/loam/training)

adapters-research: adapters training ## Train and install the adapters whose data may not be published with weights (an hour; needs ../shared/data)
	PYTHONPATH=training "$(TRAINING_VENV)/bin/python" -m loam_train folders $(TRAINED)/folders $(RESEARCH_SETS)
	PYTHONPATH=training OMP_WAIT_POLICY=passive PATH="$(TRAINING_VENV)/bin:$$PATH" \
	  training/configs/adapters/train.sh $(TRAINED)/folders $(TRAINED)/adapters $(RESEARCH_ADAPTERS)
	@set -e; for name in $(RESEARCH_ADAPTERS); do $(LOAM) --quiet adapter install $(TRAINED)/adapters/$$name.safetensors --replace > /dev/null; done

demo: adapters ## Build, fetch the foundation, install the adapters, and tour it all on real input
	$(LOAM) tour

test: lint pull vocabularies delegates-setup test-rust docs-check packages-test training-test eaibench-quick ## Everything that must pass: the engine, the packages, the samples, training, a part of eAIBench

packages-test: kotlin android-sample swift-test ios-sample-test python android-check apple-check aarch64-quick ## Packages, samples, other processors

build: ## The command line, optimised: target/release/loam
	$(CARGO) build --release --package loam-cli

pull: build ## Fetch loam-nano (SmolLM2-135M and MiniLM, 190 MB) into the cache; does nothing when it is there
	$(LOAM) pull loam-nano

vocabularies: ## Fetch the vocabularies of Llama 3 and Qwen 2 for their tokenizer tests (16 MB; skipped where it fails)
	@test -f "$(PARITY_CACHE)/ggml-vocab-qwen2.gguf" -a -f "$(PARITY_CACHE)/ggml-vocab-llama-bpe.gguf" \
	  || $(PYTHON) parity/make_tiktoken_vocab.py \
	  || echo "vocabularies: not fetched; the tests of two tokenizers say that they skip"

lint: ## rustfmt, and clippy with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- --deny warnings

delegates-setup: ## Fetch ONNX Runtime and Qualcomm's simulator of its NPU for the tests of delegates (100 MB; skipped where it fails)
	delegates/setup.sh

npu: build pull delegates-setup ## Compile loam-nano's encoders for Qualcomm's NPU, and run them on the simulator beside the processor
	LOAM=$(LOAM) delegates/demo.sh

npu-accuracy: build pull delegates-setup training ## Accuracies of four tasks on the simulator beside the processor (needs ../shared/data; a quarter of an hour)
	LOAM=$(LOAM) TRAINING_VENV="$(TRAINING_VENV)" delegates/accuracy.sh

delegates-backbone: pull delegates-setup ## All 30 blocks on the simulator: the tokens that they choose (half an hour)
	$(CARGO) test --release --package loam-delegates -- --ignored --nocapture all_blocks

test-rust: ## All Rust tests
	$(CARGO) test --release --workspace

docs-check: ## rustdoc with warnings and missing docs denied
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --release --workspace --no-deps

aarch64-test: ## The engine's tests on 64-bit Arm under qemu, on three processor models
	tools/aarch64-test.sh all

aarch64-quick: ## As aarch64-test, the kernels and the adapters only
	tools/aarch64-test.sh quick

ffi: ## The library that Kotlin, Swift and Python load, the generator of their bindings, and the service that their tests start
	$(CARGO) build --release --package loam-ffi --package loam-bindgen --package loam-service

scenarios: ## What the table of cases works on (bindings/scenarios), for the tests of the packages
	$(CARGO) run --release --quiet --package loam-ffi --example scenarios -- prepare $(SCENARIOS)

kotlin: ffi scenarios ## Kotlin packages: generate, test, reference, publish into bindings/kotlin/target/maven
	LOAM_SCENARIOS=$(SCENARIOS) bindings/kotlin/build.sh

kotlin-bench: ffi scenarios ## What crossing into the engine costs from Kotlin
	LOAM_SCENARIOS=$(SCENARIOS) bindings/kotlin/bench.sh

aar: ffi ## Android AAR; native libraries where ANDROID_NDK_HOME and cargo-ndk are there
	bindings/kotlin/aar.sh

swift-test: ffi scenarios ## The Swift package on Linux (installs Swift 6 in a folder of its own; skipped where it cannot)
	LOAM_SCENARIOS=$(SCENARIOS) bindings/swift/test.sh || [ $$? -eq 3 ]

swift-bench: ffi scenarios ## What a call, an event and a megabyte cost in Swift
	LOAM_SCENARIOS=$(SCENARIOS) bindings/swift/benchmark.sh

swift-lint: ffi scenarios ## swift-format over the package and the sample
	LOAM_SCENARIOS=$(SCENARIOS) bindings/swift/lint.sh || [ $$? -eq 3 ]

swift-docs: ffi scenarios ## API reference of the Swift package
	LOAM_SCENARIOS=$(SCENARIOS) bindings/swift/documentation.sh

xcframework: ## LoamFFICore.xcframework for iOS and macOS (needs a Mac)
	bindings/swift/xcframework.sh

python: ffi scenarios ## The Python wheel: built, installed and tested
	LOAM_SCENARIOS=$(SCENARIOS) bindings/python/build.sh
	LOAM_SCENARIOS=$(SCENARIOS) bindings/python/test.sh

python-reference: python ## API reference of the Python package
	bindings/python/reference.sh

training: python ## The environment in which adapters and towers are trained (installs 5 GB once)
	training/setup.sh

training-test: build pull training ## Training: formatting, types, and every command on tiny sets
	LOAM=$(abspath $(LOAM)) training/test.sh

results: build pull training ## models/RESULTS.md: every task through the engine (needs ../shared/data and trained baselines)
	PYTHONPATH=training "$(TRAINING_VENV)/bin/python" -m loam_train results --loam $(LOAM)

eaibench: adapters ## eAIBench on all sets at hand: with adapters, without, few rows of each class; docs/eaibench-results.md (an hour; installs what training needs)
	training/setup.sh
	set -e; for way in "" --zero-shot "--few-shot 16" "--few-shot 4" "--few-shot 1"; do $(LOAM) bench run --all $$way --restart --data $(EAIBENCH_SETS) --out $(EAIBENCH_RUNS); done
	bench/scenes.sh $(LOAM) $(EAIBENCH_RUNS) 200
	PYTHONPATH=training "$(TRAINING_VENV)/bin/python" -m loam_train peers $(EAIBENCH_RUNS)/peers
	$(LOAM) bench compare --runs $(EAIBENCH_RUNS)
	$(LOAM) bench report --runs $(EAIBENCH_RUNS) --markdown docs/eaibench-results.md

eaibench-quick: adapters ## A few rows of each of those sets, to see that all of it works (a minute)
	@if test -d $(EAIBENCH_SETS); then \
	  $(LOAM) bench run --all --quick --restart --data $(EAIBENCH_SETS) --out $(EAIBENCH_RUNS)/quick \
	    && bench/scenes.sh $(LOAM) $(EAIBENCH_RUNS)/quick 16 \
	    && $(LOAM) bench report --runs $(EAIBENCH_RUNS)/quick; \
	else echo "eaibench-quick: skipped, $(EAIBENCH_SETS) is not there"; fi

android-check: ## Type-check for 64-bit Android
	tools/android-check.sh

apple-check: ## Type-check for iOS (stand-ins for Apple's tools without Xcode)
	tools/apple-check.sh

android-size: ## Link for Android with stubs: 16 KB segments, at most 12 MB stripped
	tools/android-size.sh

android-sample: kotlin ## The sample's presenters, its desktop twin, and its activity on Robolectric
	LOAM_SCENARIOS=$(SCENARIOS) android-sample/test.sh

screenshots: kotlin ## Pictures of the desktop twin's four screens, from a virtual display
	LOAM_SCENARIOS=$(SCENARIOS) android-sample/screenshots.sh

ios-sample-test: ffi scenarios ## The iOS sample without a phone: models on the real engine, SwiftUI files parsed
	LOAM_SCENARIOS=$(SCENARIOS) ios-sample/test.sh || [ $$? -eq 3 ]

coreml-test: ## Conversion of graphs to Core ML packages, as far as Linux can tell (installs coremltools once, 0.4 GB)
	delegates/coreml/test.sh

parity: build pull ## Live comparison with transformers, peft, llama.cpp and sentence-transformers (installs 6 GB)
	parity/setup.sh
	TQDM_DISABLE=1 "$(PARITY_VENV)/bin/python" parity/run.py --loam $(LOAM)

fixtures: ## Make the committed test fixtures again
	parity/setup.sh
	parity/make_fixtures.sh

bench: build pull ## Products, sampling, SmolLM2 beside llama.cpp, encoders beside onnxruntime (two hours; 5 GB, made once)
	$(CARGO) build --release --package loam --examples
	CARGO_TARGET_DIR="$(or $(CARGO_TARGET_DIR),target)" $(CARGO) build --release --manifest-path bench/candle/Cargo.toml
	$(CARGO) bench --package loam --bench linear --bench sampling
	parity/setup.sh
	LOAM=$(LOAM) PYTHON="$(PARITY_VENV)/bin/python" bench/run.sh

crowd: build pull ## Many apps at once: rates, a flood, prefixes, switches of adapters, on the default foundation
	$(LOAM) crowd --adapter models/adapters/reply.safetensors --adapter models/adapters/brief.safetensors

soak: build pull ## Four apps, six adapters, all tasks under a real service for SOAK_SECONDS (600); memory must stay
	$(CARGO) build --release --package loam-service --bins --example soak
	$(dir $(LOAM))examples/soak $(dir $(LOAM))loamd "$(LOAM_HOME_DIR)/foundations/loam-nano" models/adapters $(SOAK_SECONDS)

sanitize: ## Queue, contexts and pool under ThreadSanitizer (needs nightly with rust-src; skipped where it is missing)
	tools/sanitize.sh || [ $$? -eq 3 ]

fuzz: ## Fuzz every parser for FUZZ_SECONDS (240) each
	fuzz/run.sh $(FUZZ_SECONDS)

clean: ## Remove what was built; what was fetched stays
	$(CARGO) clean
