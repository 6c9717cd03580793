"""Adds to the wheel what runs on the device: firmware/ and boards/, as host_tools/device/.

Everything else about the package stands in pyproject.toml.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
DEVICE = ("firmware", "boards")


class BuildWithDevice(build_py):  # type: ignore[misc]
    """Copies the device's files beside the modules. An editable install uses the checkout's."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        inside = Path(self.build_lib) / "host_tools" / "device"
        for name in DEVICE:
            shutil.copytree(
                HERE / name, inside / name, dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
            )

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Tell what `run` makes, so that it is uninstalled with the rest."""
        inside = Path(self.build_lib) / "host_tools" / "device"
        device = [
            str(inside / os.path.relpath(path, HERE))
            for name in DEVICE for path in sorted((HERE / name).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        ]
        return [*super().get_outputs(include_bytecode), *device]


setup(cmdclass={"build_py": BuildWithDevice})
