"""The key matrix as its contacts: which row is connected to which column, bouncing included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Contact = tuple[int, int]  # row, column

# What is printed on the keys, row by row.
LAYOUT = (
    ("FN", "VOID", "LAST", "REFUND"),
    ("1", "2", "3", "CANCEL"),
    ("4", "5", "6", "BACK"),
    ("7", "8", "9", "CLEAR"),
    ("UP", "0", "DOWN", "ENTER"),
)


class NoSuchKey(ValueError):
    """The keypad has no key of that name; the text lists those it has."""


class Keypad:
    """A matrix without diodes. Time is handed in as microseconds and only matters for bouncing."""

    def __init__(self, layout: Sequence[Sequence[str]] = LAYOUT) -> None:
        self.layout = tuple(tuple(row) for row in layout)
        self._where = {
            name: (row, column)
            for row, names in enumerate(self.layout)
            for column, name in enumerate(names)
            if name
        }
        self._down: set[Contact] = set()
        # Contact -> what it is going to do: (time, closed), in the order of time.
        self._bounces: dict[Contact, list[tuple[int, bool]]] = {}

    @property
    def names(self) -> list[str]:
        """All keys, row by row."""
        return list(self._where)

    def where(self, name: str) -> Contact:
        """Row and column of a key; ``NoSuchKey`` when there is none of that name."""
        try:
            return self._where[name]
        except KeyError:
            raise NoSuchKey(f"no key {name!r}; there are {', '.join(self._where)}") from None

    # -- fingers -------------------------------------------------------------------------------

    def press(
        self, name: str, bounce: Iterable[tuple[int, bool]] = (), now_us: int = 0
    ) -> None:
        """Press a key. ``bounce``: (microseconds from now, closed) before it rests closed."""
        self._move(self.where(name), True, bounce, now_us)

    def release(
        self, name: str, bounce: Iterable[tuple[int, bool]] = (), now_us: int = 0
    ) -> None:
        """Release a key; ``bounce`` as for ``press``, before it rests open."""
        self._move(self.where(name), False, bounce, now_us)

    def release_all(self) -> None:
        """Take all fingers away."""
        self._down.clear()
        self._bounces.clear()

    def _move(
        self, contact: Contact, closed: bool, bounce: Iterable[tuple[int, bool]], now_us: int
    ) -> None:
        # The last entry of a schedule is where the contact comes to rest.
        steps = sorted((now_us + after, state) for after, state in bounce)
        if steps:
            if steps[-1][1] != closed:
                steps.append((steps[-1][0] + 500, closed))
            self._bounces[contact] = [(now_us, closed), *steps]
        else:
            self._bounces.pop(contact, None)
            (self._down.add if closed else self._down.discard)(contact)

    # -- contacts ------------------------------------------------------------------------------

    def next_change_us(self) -> int | None:
        """When a bouncing contact changes next; None when all are at rest."""
        return min((steps[0][0] for steps in self._bounces.values()), default=None)

    def contacts(self, now_us: int | None = None) -> list[Contact]:
        """The contacts (row, column) closed at ``now_us``; None: when all have come to rest."""
        for contact, steps in list(self._bounces.items()):
            while steps and (now_us is None or steps[0][0] <= now_us):
                _, closed = steps.pop(0)
                (self._down.add if closed else self._down.discard)(contact)
            if not steps:
                del self._bounces[contact]
        return sorted(self._down)

    def high_columns(self, high: set[int], low: set[int], now_us: int | None = None) -> set[int]:
        """The columns that read 1 while the rows ``high`` and ``low`` drive and the others float.

        Current takes every way through closed contacts: with three corners of a rectangle closed
        the fourth column reads 1 too (a ghost key). A net that a high and a low row drive at the
        same time is a short circuit: ``ShortCircuit``.
        """
        columns = set()
        for net_rows, net_columns in self._nets(self.contacts(now_us)):
            if net_rows & high and net_rows & low:
                raise ShortCircuit(f"rows {sorted(net_rows & high)} and {sorted(net_rows & low)}")
            if net_rows & high:
                columns |= net_columns
        return columns

    @staticmethod
    def _nets(contacts: list[Contact]) -> list[tuple[set[int], set[int]]]:
        nets: list[tuple[set[int], set[int]]] = []
        for row, column in contacts:
            rows, columns = {row}, {column}
            apart = []
            for net in nets:
                if net[0] & rows or net[1] & columns:
                    rows |= net[0]
                    columns |= net[1]
                else:
                    apart.append(net)
            nets = [*apart, (rows, columns)]
        return nets


class ShortCircuit(RuntimeError):
    """Two outputs of different level are connected through keys: the scanner drives wrongly."""
