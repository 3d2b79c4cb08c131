# One line per fuzzer, sorted by name.
earthshine_fuzzer(http LIBS es_protocol)
earthshine_fuzzer(control LIBS es_protocol)
earthshine_fuzzer(ping LIBS es_protocol)
earthshine_fuzzer(rtsp LIBS es_protocol)
earthshine_fuzzer(sdp LIBS es_protocol)
