# One line per test program, sorted by folder and name.
earthshine_unit_test(base LIBS es_base)
