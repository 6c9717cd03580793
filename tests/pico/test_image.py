"""The image itself: what is in it, and that it can be built again."""

import os
import shutil

import pytest

from host_tools.flash import image, uf2

pytestmark = pytest.mark.pico


def test_the_image_holds_the_firmware_and_nothing_of_the_bench(current_image):
    flash = uf2.flash_image(current_image.read_bytes())
    assert len(flash) <= image.ROOM
    assert not [mark for mark in image.STAND_IN_MARKS if mark in flash]
    frozen = image.facts_of(current_image)["frozen"]
    firmware = {path.relative_to(image.ROOT / "firmware").as_posix()
                for path in (image.ROOT / "firmware").rglob("*.py")}
    board = {"_boot.py", "board.py", "boot.py", "flash_map.py"}
    assert set(frozen) == firmware | board | {"rp2.py"}


@pytest.mark.skipif("MOBI_UF2" in os.environ, reason="this image was not built here")
def test_another_build_in_another_folder_gives_the_same_bytes(current_image, tmp_path):
    work = tmp_path / "elsewhere"
    if (image.WORK / "downloads").is_dir():
        shutil.copytree(image.WORK / "downloads", work / "downloads")
    again = tmp_path / "again.uf2"
    image.make(again, work, micropy_dir=os.environ.get("MICROPY_DIR", ""))
    assert again.read_bytes() == current_image.read_bytes()
