"""A vault that keeps its values in memory: for tests of what is kept, not of how."""


class MemoryVault:
    def __init__(self):
        self.values = {}

    def get(self, key):
        return self.values.get(key)

    def put(self, key, value, hold=True):
        self.values[key] = value
        return True

    def delete(self, key):
        self.values.pop(key, None)

    def keys(self, prefix=b""):
        return [key for key in self.values if key[: len(prefix)] == prefix]

    def shred(self):
        pass
