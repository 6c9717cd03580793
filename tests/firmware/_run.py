"""Runs the test functions of one file under MicroPython: _run.py FILE."""

import gc
import sys


def main(path):
    folder, _, name = path.rpartition("/")
    sys.path.insert(0, folder)
    module = __import__(name[:-3])
    failed = 0
    for name in sorted(dir(module)):
        if not name.startswith("test_"):
            continue
        gc.collect()
        print("@begin", name)
        try:
            getattr(module, name)()
        except Exception as error:  # noqa: BLE001 - a test runner reports whatever comes
            failed += 1
            sys.print_exception(error)
        else:
            print("@passed", name)
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
