"""What the firmware imports from ``micropython``, for CPython: tests import the firmware too."""


def const(value):
    """The value itself; under MicroPython the compiler folds it."""
    return value


def native(function):
    """The function itself; under MicroPython compiled to machine code."""
    return function


viper = native
