# One line per test program, sorted by folder and name.
earthshine_unit_test(base LIBS es_base)
earthshine_unit_test(address LIBS es_net)
earthshine_unit_test(fec LIBS es_protocol PkgConfig::JANSSON SOURCES unit/plain_fec.c)
earthshine_unit_test(video_packet LIBS es_protocol PkgConfig::JANSSON SOURCES unit/plain_fec.c)
earthshine_unit_test(gso LIBS es_net)
earthshine_unit_test(pacer LIBS es_net)
earthshine_unit_test(udp LIBS es_net)
earthshine_unit_test(video_sender LIBS es_net SOURCES unit/plain_fec.c)
