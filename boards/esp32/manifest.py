# ruff: noqa: F821  MicroPython's makemanifest.py brings `freeze` and `include`
# What is frozen into an ESP32's image. Not built here: that takes Espressif's ESP-IDF.
include("$(PORT_DIR)/boards/manifest.py")
freeze("../../firmware")
freeze("modules")
