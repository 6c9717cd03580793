"""The image for a Raspberry Pi Pico: building it, putting it on a board, provisioning."""
