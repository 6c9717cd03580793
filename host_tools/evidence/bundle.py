"""The folder of an evidence bundle: data, page, pictures and the sums that hold them together.

``SHA256SUMS`` lists every other file, in the format of `sha256sum`, so that it can be checked
without this project. Sums show that nothing was changed since somebody wrote them down elsewhere;
they are no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from host_tools.evidence import page
from host_tools.evidence.collect import FORMAT

DATA = "evidence.json"
PAGE = "evidence.html"
SUMS = "SHA256SUMS"


class NotWritten(Exception):
    """The bundle cannot be written there; the text says why."""


def write(evidence: dict[str, Any], pictures: Sequence[bytes | None], folder: Path) -> str:
    """Write the bundle into ``folder``, a new or empty one; the SHA-256 of its data."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotWritten(f"{folder} is there already and not empty. Nothing was changed; name " +
                         "another folder.")
    files: dict[str, bytes] = {}
    for number, (receipt, picture) in enumerate(
            zip(evidence["receipts"], pictures, strict=True), 1):
        if picture is not None:
            receipt["picture"] = f"receipt-{number:02d}.png"
            files[receipt["picture"]] = picture
    files[DATA] = (json.dumps(evidence, ensure_ascii=False, indent=1) + "\n").encode()
    total = hashlib.sha256(files[DATA]).hexdigest()
    files[PAGE] = page.render(evidence, total).encode()
    files[SUMS] = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in sorted(files.items())).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise NotWritten(f"cannot write {folder}: {error.strerror}") from error
    return total


def verify(folder: Path) -> list[str]:
    """What is wrong with the bundle in ``folder``; [] when it is as it was written."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return [f"{folder / SUMS} cannot be read: this is no evidence bundle"]
    wrong = []
    listed = {SUMS}
    for line in lines:
        total, _, name = line.partition("  ")
        if not name or "/" in name:
            wrong.append(f"{SUMS}: {line!r} is no line of it")
            continue
        listed.add(name)
        try:
            data = (folder / name).read_bytes()
        except OSError:
            wrong.append(f"{name} is missing")
            continue
        if hashlib.sha256(data).hexdigest() != total:
            wrong.append(f"{name} was changed")
    wrong += [f"{name} does not belong to it" for name in
              sorted(path.name for path in folder.iterdir()) if name not in listed]
    wrong += [f"{name} is not in {SUMS}" for name in (DATA, PAGE) if name not in listed]
    return wrong or _pages_differ(folder)


def _pages_differ(folder: Path) -> list[str]:
    # Whoever changes the page and mends the sums is found out by making it again.
    data = (folder / DATA).read_bytes()
    try:
        evidence = json.loads(data)
    except ValueError:
        return [f"{DATA} is no JSON"]
    if not isinstance(evidence, dict) or evidence.get("format") != FORMAT:
        return [f"{DATA} is of another format than {FORMAT!r}: use the release that wrote it"]
    again = page.render(evidence, hashlib.sha256(data).hexdigest()).encode()
    if again == (folder / PAGE).read_bytes():
        return []
    return [f"{PAGE} does not say what {DATA} says"]
