# One line per fuzzer, sorted by name.
earthshine_fuzzer(http LIBS es_protocol)
