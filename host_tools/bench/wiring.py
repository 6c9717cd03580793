"""Which pin is connected to what: one wiring for every board, the emulated and the real Pico."""

ROWS = (10, 11, 12, 13, 14)  # keypad rows, driven by the terminal
COLUMNS = (16, 17, 18, 19)  # keypad columns, pulled down
BEEPER = 15
UART_AUX = 0  # GP0 to the printer, GP1 from reader, scanner and printer
UART_HOST = 1  # GP8 and GP9, to the acquirer
I2C_PANEL = 0  # GP4 data, GP5 clock
AUX_BAUD = 19200
HOST_BAUD = 115200
JOURNAL = 0  # flash regions
VAULT = 1
