# One line per fuzzer, sorted by name.
