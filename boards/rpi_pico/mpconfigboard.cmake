# The Raspberry Pi Pico as a Mobi terminal. Built by `make uf2`.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
set(MICROPY_SOURCE_BOARD ${MICROPY_BOARD_DIR}/pystack.c)
