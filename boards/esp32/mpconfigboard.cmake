# An ESP32 with PSRAM as a Mobi terminal. NOT BUILT and not run; see docs/boards.md.
set(IDF_TARGET esp32)
set(SDKCONFIG_DEFAULTS boards/sdkconfig.base boards/sdkconfig.spiram ${MICROPY_BOARD_DIR}/sdkconfig.partitions)
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
