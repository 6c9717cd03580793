"""The tables of FIPS 46-3 as the standard prints them, and the firmware's tables derived from them.

    python tests/host/des_standard.py > firmware/mobi/acquiring/des_tables.py

writes the firmware's file; a test checks that it is current.
"""

IP = [58 - 8 * (i % 8) + 2 * (i // 8) if i < 32 else 57 - 8 * (i % 8) + 2 * (i // 8 - 4)
      for i in range(64)]
E = [(4 * (i // 6) + i % 6 - 1) % 32 + 1 for i in range(48)]
P = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
]
PC1 = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3,
    60, 52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37,
    29, 21, 13, 5, 28, 20, 12, 4,
]
PC2 = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
]
SHIFTS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
S = [  # four rows of sixteen, in hexadecimal
    "E4D12FB83A6C5907 0F74E2D1A6CB9538 41E8D62BFC973A50 FC8249175B3EA06D",
    "F18E6B34972DC05A 3D47F28EC01A69B5 0E7BA4D158C6932F D8A13F42B67C05E9",
    "A09E63F51DC7B428 D709346A285ECBF1 D6498F30B12C5AE7 1AD069874FE3B52C",
    "7DE3069A1285BC4F D8B56F03472C1AE9 A690CB7DF13E5284 3F06A1D8945BC72E",
    "2C417AB6853FD0E9 EB2C47D150FA3986 421BAD78F9C5630E B8C71E2D6F09A453",
    "C1AF92680D34E75B AF427C9561DE0B38 9EF528C3704A1DB6 432C95FABE17608D",
    "4B2EF08D3C975A61 D0B7491AE35C2F86 14BDC37EAF680592 6BD814A7950FE23C",
    "D2846FB1A93E50C7 1FD8A374C56B0E92 7B419CE206ADF358 21E74A8DFC90356B",
]


def initial() -> bytes:
    """For each bit of E(L0) E(R0): where it stands in the block, from 0."""
    left, right = IP[:32], IP[32:]
    return bytes(half[e - 1] - 1 for half in (left, right) for e in E)


def final() -> bytes:
    """For each bit of the output: where it stands in the two expanded halves, from 0."""
    where = {bit: E.index(bit) for bit in range(1, 33)}
    # The output is IP inverted, applied to the halves in the order they have after the swap.
    out = []
    for bit in range(1, 65):
        at = IP.index(bit) + 1
        out.append(where[at] if at <= 32 else 48 + where[at - 32])
    return bytes(out)


def sp() -> bytes:
    """S-boxes with P and E applied: 8 x 64 entries of 48 bits."""
    out = bytearray()
    for box, text in enumerate(S):
        rows = text.split()
        for six in range(64):
            value = int(rows[(six >> 4) & 2 | six & 1][(six >> 1) & 15], 16)
            before = [0] * 32
            for i in range(4):
                before[4 * box + i] = (value >> (3 - i)) & 1
            after = [before[p - 1] for p in P]
            bits = "".join(str(after[e - 1]) for e in E)
            out += int(bits, 2).to_bytes(6, "big")
    return bytes(out)


def rotations() -> bytes:
    """How far the key halves have been rotated in each round."""
    return bytes(sum(SHIFTS[: i + 1]) for i in range(16))


def source() -> str:
    """The text of firmware/mobi/acquiring/des_tables.py."""
    parts = [
        '"""DES tables, derived from FIPS 46-3 by tests/host/des_standard.py. Do not edit."""\n',
        "# ruff: noqa: ISC002 - long literals, in rows; joined by the compiler they stay in ROM\n",
    ]
    for name, data in (
        ("INITIAL", initial()), ("FINAL", final()), ("PC1", bytes(p - 1 for p in PC1)),
        ("PC2", bytes(p - 1 for p in PC2)), ("ROTATIONS", rotations()), ("SP", sp()),
    ):
        parts.append(f"{name} = (")
        for at in range(0, len(data), 22):
            row = "".join(f"\\x{byte:02x}" for byte in data[at:at + 22])
            parts.append(f'    b"{row}"')
        parts.append(")")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(source(), end="")
