# Mobi. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## this list
	@grep -hE '^[a-z0-9_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 18

setup: $(READY)  ## the virtual environment with everything the project needs

$(READY): requirements.txt requirements-stubs.txt pyproject.toml setup.py setup.sh
	@./setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

run: $(READY)  ## terminal, acquirer and console view, until Ctrl-C
	@mobi run

demo: $(READY)  ## a scripted trading day; pictures, receipts, ledger under build/demo
	@mobi demo

test: $(READY)  ## the whole test suite except the exhaustive rings
	@pytest -n auto --dist loadfile

test-powercut: $(READY)  ## cut the power everywhere, damage images, break rules; 10 minutes
	@pytest -n auto tests/powercut

test-cuts: $(READY)  ## every story cut everywhere, in every way and at every byte; storms; half an hour
	@pytest -n auto -m slow tests/e2e

font: $(READY)  ## cut the glyphs to the characters the firmware uses
	@python -m host_tools.font

menu: $(READY)  ## print the menus into docs/menu-tree.txt and for the bench
	@python boards/cpython/menu_tree.py --write

pictures: $(READY)  ## draw the README's pictures anew, into docs/pictures
	@python -m host_tools.bench.pictures

states: $(READY)  ## print the states, steps and advice into docs/states.md
	@python boards/cpython/states_page.py --write

lint: $(READY)  ## ruff, mypy, and whether generated files are current
	@ruff check .
	@mypy
	@mypy --config-file mypy-firmware.ini
	@python -m host_tools.font --check
	@python boards/cpython/menu_tree.py --check
	@python boards/cpython/states_page.py --check

bench: $(READY)  ## measure; prints a table and writes build/bench.json
	@mobi bench

uf2: $(READY)  ## the image for a Raspberry Pi Pico: build/mobi-rpi_pico.uf2
	@python -m host_tools.flash.image

test-pico: $(READY)  ## that image on an emulated Pico: a day, power cuts, memory, flashing
	@pytest --mobi-board pico -n auto --dist worksteal -m "pico and not slow" tests/pico tests/e2e

clean:  ## what was built; keeps .venv
	rm -rf build

.PHONY: help setup run demo test test-powercut test-cuts font menu states pictures lint bench uf2 test-pico clean
