"""What the firmware imports from ``cryptolib``, for CPython: AES in the modes it uses."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:
    """``mode``: 1 ECB, 2 CBC with ``iv``. One object either encrypts or decrypts, as there."""

    def __init__(self, key, mode, iv=None):
        if mode not in (1, 2):
            raise ValueError("mode")
        chain = modes.ECB() if mode == 1 else modes.CBC(bytes(iv))
        self._cipher = Cipher(algorithms.AES(bytes(key)), chain)
        self._direction = None
        self._context = None

    def _run(self, direction, data):
        if len(data) % 16:
            raise ValueError("blksize % 16")
        if self._direction is None:
            self._direction = direction
            make = self._cipher.encryptor if direction == "encrypt" else self._cipher.decryptor
            self._context = make()
        elif self._direction != direction:
            raise ValueError("can't encrypt & decrypt")
        return self._context.update(bytes(data))

    def encrypt(self, data):
        """``data`` encrypted; whole blocks of 16 bytes."""
        return self._run("encrypt", data)

    def decrypt(self, data):
        """``data`` decrypted; whole blocks of 16 bytes."""
        return self._run("decrypt", data)
