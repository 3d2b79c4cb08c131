/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/rtsp.h"

#include "control_vectors.h"

#include <stdio.h>

static struct rtsp_request request; /* large: kept off the stack */
static int status;

static enum rtsp_parse_result parse(const char *text)
{
    status = 0;
    return rtsp_parse(text, strlen(text), &request, &status);
}

static void is_bad(const char *text, int expected_status)
{
    assert_int_equal(parse(text), RTSP_PARSE_BAD);
    assert_int_equal(status, expected_status);
}

static void is_fine_only_when_complete(const char *text)
{
    size_t size = strlen(text);
    for (size_t part = 0; part < size; part++) {
        char *copy = malloc(part + 1); /* exactly as long, so that a sanitizer sees reads beyond it */
        memcpy(copy, text, part);
        assert_int_equal(rtsp_parse(copy, part, &request, &status), RTSP_PARSE_MORE);
        free(copy);
    }
    assert_int_equal(rtsp_parse(text, size, &request, &status), RTSP_PARSE_DONE);
    assert_int_equal(request.size_bytes, size);
}

/* What a host answers in the recorded dialogs, written with the writer. */
static void write_recorded_reply(const char *recorded, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    rtsp_reply_begin(&out, 200, request.cseq);
    const char *body = strstr(recorded, "\r\n\r\n") + 4;
    if (strstr(recorded, "Session: "))
        rtsp_reply_header(&out, "Session", "%s;timeout = 90", "1A2B3C4D5E6F");
    const char *port = strstr(recorded, "server_port=");
    if (port)
        rtsp_reply_header(&out, "Transport", "server_port=%d", atoi(port + strlen("server_port=")));
    if (strstr(recorded, "X-SS-Ping-Payload"))
        rtsp_reply_header(&out, "X-SS-Ping-Payload", "%s", "0123456789ABCDEF");
    if (strstr(recorded, "X-SS-Connect-Data"))
        rtsp_reply_header(&out, "X-SS-Connect-Data", "%u", 3735928559u);
    rtsp_reply_end(&out, body, strlen(body));
    assert_false(out.failed);
    ret_text[out.used] = '\0';
}

static void check_dialog(const json_t *dialog)
{
    for (size_t i = 0; i < json_array_size(dialog); i++) {
        const json_t *step = json_array_get(dialog, i);
        const char *text = vectors_text(step, "request_text"), *name = vectors_text(step, "name");
        is_fine_only_when_complete(text);
        assert_memory_equal(strchr(name, ' ') + 1, request.target.text, request.target.size);
        assert_memory_equal(text, name, strlen(name));
        char reply[RTSP_REPLY_MAX];
        write_recorded_reply(vectors_text(step, "reply_text"), reply, sizeof(reply));
        assert_string_equal(reply, vectors_text(step, "reply_text"));
    }
}

static void recorded_dialogs_are_parsed_and_answered_byte_for_byte(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *plain = json_object_get(root, "rtsp_plaintext");
    assert_int_equal(json_array_size(plain), 2);
    for (size_t i = 0; i < json_array_size(plain); i++)
        check_dialog(json_object_get(json_array_get(plain, i), "dialog"));
    check_dialog(json_object_get(json_object_get(root, "rtsp_encrypted"), "dialog"));
    json_decref(root);
}

static void methods_headers_and_streams_of_the_recorded_dialog_are_found(void **state)
{
    (void)state;
    static const enum rtsp_method methods[] = {RTSP_OPTIONS, RTSP_DESCRIBE, RTSP_SETUP, RTSP_SETUP,
                                               RTSP_SETUP,   RTSP_ANNOUNCE, RTSP_PLAY};
    static const enum rtsp_stream streams[] = {RTSP_STREAM_UNKNOWN, RTSP_STREAM_UNKNOWN, RTSP_STREAM_AUDIO,
                                               RTSP_STREAM_VIDEO,   RTSP_STREAM_CONTROL, RTSP_STREAM_CONTROL,
                                               RTSP_STREAM_UNKNOWN};
    json_t *root = vectors_load();
    json_t *dialog = json_object_get(json_array_get(json_object_get(root, "rtsp_plaintext"), 0), "dialog");
    assert_int_equal(json_array_size(dialog), 7);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(parse(vectors_text(json_array_get(dialog, i), "request_text")), RTSP_PARSE_DONE);
        assert_int_equal(request.method, methods[i]);
        assert_int_equal(request.cseq, i + 1);
        assert_int_equal(rtsp_setup_stream(&request), streams[i]);
        assert_int_equal(rtsp_session_is(&request, "1A2B3C4D5E6F"), i >= 3);
        assert_false(rtsp_host_is_any(&request));
        assert_int_equal(request.body.size, i == 5 ? 1497 : 0);
    }
    dialog = json_object_get(json_array_get(json_object_get(root, "rtsp_plaintext"), 1), "dialog");
    assert_int_equal(parse(vectors_text(json_array_get(dialog, 0), "request_text")), RTSP_PARSE_DONE);
    assert_true(rtsp_host_is_any(&request));
    json_decref(root);
}

static void recorded_malformed_requests_are_refused_here_or_left_to_the_host(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *list = json_object_get(root, "rtsp_malformed_plaintext");
    assert_int_equal(json_array_size(list), 9);
#define TEXT_OF(name) vectors_text(vectors_named(list, name), "request_text")
    is_bad(TEXT_OF("no CSeq"), 400);
    is_bad(TEXT_OF("negative Content-length"), 400);
    assert_int_equal(request.cseq, 6);
    is_bad(TEXT_OF("huge Content-length"), 400); /* ten digits */
    assert_int_equal(parse(TEXT_OF("unknown method")), RTSP_PARSE_DONE);
    assert_int_equal(request.method, RTSP_OTHER);
    assert_int_equal(request.cseq, 9);
    assert_int_equal(parse(TEXT_OF("unknown stream")), RTSP_PARSE_DONE);
    assert_int_equal(rtsp_setup_stream(&request), RTSP_STREAM_UNKNOWN);
    assert_int_equal(parse(TEXT_OF("SETUP target without =")), RTSP_PARSE_DONE);
    assert_int_equal(rtsp_setup_stream(&request), RTSP_STREAM_UNKNOWN);
    /* the other three are well-formed requests with a bad body: test_sdp.c */
    assert_int_equal(parse(TEXT_OF("zero fps")), RTSP_PARSE_DONE);
#undef TEXT_OF
    json_decref(root);
}

static void names_are_found_in_any_case_and_blanks_are_trimmed(void **state)
{
    (void)state;
    assert_int_equal(parse("SETUP a RTSP/1.0\r\ncseq:7\r\nSESSION:  AB12 ;timeout = 90  \r\nEmpty:\r\n\r\n"),
                     RTSP_PARSE_DONE);
    assert_int_equal(request.cseq, 7);
    assert_true(rtsp_session_is(&request, "AB12"));
    assert_false(rtsp_session_is(&request, "AB1"));
    assert_false(rtsp_session_is(&request, "AB123"));
    assert_int_equal(rtsp_header_find(&request, "empty")->size, 0);
    assert_null(rtsp_header_find(&request, "emp"));
}

static void targets_that_are_no_addresses_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(parse("DESCRIBE rtsp://:48010 RTSP/1.0\r\nCSeq: 1\r\n\r\n"), RTSP_PARSE_DONE);
    assert_int_equal(parse("DESCRIBE rtsp://a b RTSP/1.0\r\nCSeq: 1\r\n\r\n"), RTSP_PARSE_DONE);
}

static void start_lines_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        " ",
                                        "OPTIONS",
                                        "OPTIONS /",
                                        "OPTIONS / RTSP/1.1",
                                        "OPTIONS / HTTP/1.1",
                                        "RTSP/1.0",
                                        " RTSP/1.0",
                                        "OPTIONS RTSP/1.0",
                                        "OPTIONS  RTSP/1.0",
                                        " / RTSP/1.0",
                                        "OPTIONS / RTSP/1.0 ",
                                        "OPT\tIONS / RTSP/1.0",
                                        "OPTIONS /\x7f RTSP/1.0",
                                        "OPTIONS /\n RTSP/1.0"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s\r\nCSeq: 1\r\n\r\n", lines[i]);
        is_bad(text, 400);
    }
    static const char nul[] = "OPTIONS /\0 RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    assert_int_equal(rtsp_parse(nul, sizeof(nul) - 1, &request, &status), RTSP_PARSE_BAD);
}

static void headers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"NoColon",
                                        ": value",
                                        " Continued: x",
                                        "Na me: x",
                                        "X: a\tb",
                                        "X: a\rb",
                                        "X: a\nb",
                                        "CSeq: 2",
                                        "Content-length: 0\r\nContent-Length: 0",
                                        "Content-length: ",
                                        "Content-length: +1",
                                        "Content-length: 0x1",
                                        "Content-length: 1 1"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "OPTIONS / RTSP/1.0\r\nCSeq: 1\r\n%s\r\n\r\n", lines[i]);
        is_bad(text, 400);
    }
}

static void cseq_has_one_to_nine_digits(void **state)
{
    (void)state;
    is_bad("PLAY / RTSP/1.0\r\nCSeq: \r\n\r\n", 400);
    is_bad("PLAY / RTSP/1.0\r\nCSeq: -1\r\n\r\n", 400);
    is_bad("PLAY / RTSP/1.0\r\nCSeq: 1a\r\n\r\n", 400);
    is_bad("PLAY / RTSP/1.0\r\nCSeq: 1234567890\r\n\r\n", 400);
    assert_int_equal(parse("PLAY / RTSP/1.0\r\nCSeq: 000000012\r\n\r\n"), RTSP_PARSE_DONE);
    assert_int_equal(request.cseq, 12);
    assert_int_equal(parse("PLAY / RTSP/1.0\r\nCSeq: 999999999\r\n\r\n"), RTSP_PARSE_DONE);
    assert_int_equal(request.cseq, 999999999);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    is_bad("ANNOUNCE / RTSP/1.0\r\nCSeq: 1\r\nContent-length: 16385\r\n\r\n", 413);
    assert_int_equal(parse("ANNOUNCE / RTSP/1.0\r\nCSeq: 1\r\nContent-length: 16384\r\n\r\n"), RTSP_PARSE_MORE);

    char *large = malloc(RTSP_REQUEST_MAX + 1);
    memset(large, 'a', RTSP_REQUEST_MAX);
    assert_int_equal(rtsp_parse(large, RTSP_HEAD_MAX - 1, &request, &status), RTSP_PARSE_MORE);
    assert_int_equal(rtsp_parse(large, RTSP_HEAD_MAX, &request, &status), RTSP_PARSE_BAD);
    assert_int_equal(rtsp_parse(large, RTSP_REQUEST_MAX, &request, &status), RTSP_PARSE_BAD);

    int used = sprintf(large, "PLAY / RTSP/1.0\r\nCSeq: 1\r\n");
    for (int i = 1; i < RTSP_HEADERS_MAX; i++)
        used += sprintf(large + used, "H%d: %d\r\n", i, i);
    strcpy(large + used, "\r\n");
    assert_int_equal(parse(large), RTSP_PARSE_DONE);
    assert_int_equal(request.header_count, RTSP_HEADERS_MAX);
    strcpy(large + used, "One: more\r\n\r\n");
    is_bad(large, 400);
    free(large);
}

static void a_body_may_hold_any_bytes_and_what_follows_is_left_alone(void **state)
{
    (void)state;
    static const char text[] = "ANNOUNCE / RTSP/1.0\r\nCSeq: 1\r\nContent-length: 4\r\n\r\n\0\r\n\xffPLAY";
    assert_int_equal(rtsp_parse(text, sizeof(text) - 1, &request, &status), RTSP_PARSE_DONE);
    assert_int_equal(request.size_bytes, sizeof(text) - 1 - 4);
    assert_memory_equal(request.body.text, "\0\r\n\xff", 4);
}

static void replies_without_a_body_have_cseq_and_an_empty_line(void **state)
{
    (void)state;
    char text[RTSP_REPLY_MAX];
    struct byte_writer out;
    byte_writer_init(&out, text, sizeof(text));
    rtsp_reply_plain(&out, 400, 0);
    text[out.used] = '\0';
    assert_string_equal(text, "RTSP/1.0 400 Bad Request\r\nCSeq: 0\r\n\r\n");
    for (int code = 0; code < 1000; code++)
        assert_true(strlen(rtsp_status_text(code)) > 0);
    char small[20];
    byte_writer_init(&out, small, sizeof(small));
    rtsp_reply_plain(&out, 200, 1);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_dialogs_are_parsed_and_answered_byte_for_byte),
        cmocka_unit_test(methods_headers_and_streams_of_the_recorded_dialog_are_found),
        cmocka_unit_test(recorded_malformed_requests_are_refused_here_or_left_to_the_host),
        cmocka_unit_test(names_are_found_in_any_case_and_blanks_are_trimmed),
        cmocka_unit_test(targets_that_are_no_addresses_are_accepted),
        cmocka_unit_test(start_lines_that_are_none_are_refused),
        cmocka_unit_test(headers_that_are_none_are_refused),
        cmocka_unit_test(cseq_has_one_to_nine_digits),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(a_body_may_hold_any_bytes_and_what_follows_is_left_alone),
        cmocka_unit_test(replies_without_a_body_have_cseq_and_an_empty_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
