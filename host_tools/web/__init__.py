"""The page of `mobi run`: a server on this machine and what it serves."""
