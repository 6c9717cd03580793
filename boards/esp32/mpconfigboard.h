// An ESP32 with PSRAM as a Mobi terminal. NOT BUILT and not run; see docs/boards.md.
#define MICROPY_HW_BOARD_NAME "Mobi terminal on ESP32"
#define MICROPY_HW_MCU_NAME "ESP32"
