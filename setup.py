"""Adds to the wheel what runs on the device: firmware/ and boards/, as host_tools/device/.

Everything else about the package stands in pyproject.toml.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

HERE = Path(__file__).resolve().parent
DEVICE = ("firmware", "boards")


class BuildElsewhere(build):  # type: ignore[misc]
    """Builds in a temporary folder: installing leaves nothing in the checkout."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_base = _temporary()


class DescribeElsewhere(egg_info):  # type: ignore[misc]
    """Keeps the description of the package there, too."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.egg_base = _temporary()


def _temporary() -> str:
    folder = tempfile.mkdtemp(prefix="mobi-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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


setup(cmdclass={
    "build": BuildElsewhere, "build_py": BuildWithDevice, "egg_info": DescribeElsewhere})
