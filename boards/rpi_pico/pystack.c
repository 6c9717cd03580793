// The stack for calls of Python functions; MicroPython wants to have it before it starts.

#include "py/runtime.h"

// More than twice of what was ever seen in use (`pico.python_stack_used` in docs/boards.md). A call
// beyond it raises RuntimeError.
#define PYSTACK_BYTES (3 * 1024)

static uint64_t pystack[PYSTACK_BYTES / sizeof(uint64_t)];

void mobi_board_startup(void) {
    mp_pystack_init(pystack, pystack + MP_ARRAY_SIZE(pystack));
}
