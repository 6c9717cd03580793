// The Raspberry Pi Pico as a Mobi terminal: MicroPython's own port, with the firmware frozen in.

#define MICROPY_HW_BOARD_NAME "Mobi terminal on Raspberry Pi Pico"

// Flash, 2 MiB. The upper half is what `rp2.Flash` reaches; flash_map.py divides it:
//
//   0x000000  1 MiB     MicroPython and the frozen firmware (about half of it is used)
//   0x100000  256 KiB   journal: raw, never a file system
//   0x140000  8 KiB     vault: keys, parameters, operators
//   0x142000  760 KiB   littlefs, mounted at /: nothing of the terminal is in it
//
// RAM, 264 KiB: 256 KiB for data and the heap of MicroPython, 8 KiB of stack.
//
// Journal and vault must stay where they are in every later version: their addresses are what an
// update relies on.
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)

// One task after the other is all the terminal needs: without threads there are no locks around
// every allocation, and nothing can run on the second core while the flash chip works.
#define MICROPY_PY_THREAD (0)

// Calls of Python functions keep their locals on a stack of their own (pystack.c) instead of on the
// heap, where each one had to look for a gap: a sale computes a quarter less by it.
#define MICROPY_ENABLE_PYSTACK (1)
void mobi_board_startup(void);
#define MICROPY_BOARD_STARTUP mobi_board_startup
