/* SPDX-License-Identifier: Apache-2.0 */
/* rtsp_server with clients on loopback; server and clients share the test's thread: turn() runs the loop once. */
#include "net/rtsp_server.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "control_vectors.h"
#include "protocol/rtsp.h"
#include "protocol/rtsp_seal.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
    struct loop *loop;
    struct rtsp_server *server;
    int handled;
    bool sealed, silent, expects_all;
    size_t size;
    uint8_t bytes[RTSP_REQUEST_MAX];
    char peer[ADDRESS_TEXT_MAX], local[ADDRESS_TEXT_MAX];
    size_t reply_size; /* 0: a short one */
};

static size_t handle(void *ctx, const struct rtsp_server_message *message, uint8_t *ret_reply, size_t capacity)
{
    struct rig *rig = ctx;
    rig->handled++;
    rig->sealed = message->sealed;
    rig->size = message->size;
    memcpy(rig->bytes, message->bytes, message->size);
    address_text(message->peer, rig->peer);
    address_text(message->local, rig->local);
    if (rig->silent)
        return 0;
    if (rig->reply_size) {
        assert_true(rig->reply_size <= capacity);
        memset(ret_reply, 'r', rig->reply_size);
        return rig->reply_size;
    }
    memcpy(ret_reply, "answer", 6);
    return 6;
}

static bool expects(void *ctx, const struct address *peer)
{
    const struct rig *rig = ctx;
    char text[ADDRESS_TEXT_MAX];
    address_text(peer, text);
    return rig->expects_all || strcmp(text, "127.0.0.2") == 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->loop = loop_create();
    struct rtsp_server_config config = {.handle = handle, .expects = expects, .ctx = rig};
    assert_true(address_parse("0.0.0.0", 0, &config.bind));
    rig->server = rtsp_server_create(rig->loop, &config);
    *state = rig;
    return !rig->server;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    rtsp_server_destroy(rig->server);
    loop_destroy(rig->loop);
    free(rig);
    return 0;
}

static void turn(struct rig *rig)
{
    event_base_loop(loop_base(rig->loop), EVLOOP_NONBLOCK);
}

/* `last`: of 127.0.0.last, so that a test can be many clients. */
static int dial(struct rig *rig, unsigned last)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | last)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rtsp_server_port(rig->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    uint64_t accepted = rtsp_server_counters(rig->server).accepted;
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    while (rtsp_server_counters(rig->server).accepted == accepted)
        turn(rig);
    return fd;
}

/* Everything up to the end of the stream. -1: the connection was reset. */
static ssize_t read_all(struct rig *rig, int fd, char *ret_text, size_t capacity)
{
    size_t used = 0;
    for (;;) {
        turn(rig);
        ssize_t got = recv(fd, ret_text + used, capacity - used, MSG_DONTWAIT);
        if (got > 0)
            used += (size_t)got;
        else if (got == 0)
            return (ssize_t)used;
        else if (errno != EAGAIN)
            return -1;
        if (used == capacity)
            return (ssize_t)used;
    }
}

static const char options[] = "OPTIONS / RTSP/1.0\r\nCSeq: 1\r\n\r\n";

static void a_request_is_answered_and_the_stream_ends(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 5);
    char text[64];
    assert_int_equal(send(fd, options, strlen(options), 0), strlen(options));
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
    assert_memory_equal(text, "answer", 6);
    assert_memory_equal(rig->bytes, options, strlen(options));
    assert_int_equal(rig->size, strlen(options));
    assert_false(rig->sealed);
    assert_string_equal(rig->peer, "127.0.0.5");
    assert_string_equal(rig->local, "127.0.0.1");
    assert_int_equal(rtsp_server_counters(rig->server).open, 1); /* reads on until the client closes */
    close(fd);
    while (rtsp_server_counters(rig->server).open)
        turn(rig);
    assert_int_equal(rtsp_server_counters(rig->server).answered, 1);
}

static void requests_and_envelopes_may_come_byte_by_byte(void **state)
{
    struct rig *rig = *state;
    json_t *root = vectors_load();
    json_t *step = json_array_get(json_object_get(json_object_get(root, "rtsp_encrypted"), "dialog"), 0);
    size_t sealed_size;
    uint8_t *sealed = vectors_bytes(json_object_get(step, "request"), "wire_hex", &sealed_size);
    const char *plain = vectors_text(step, "request_text");
    for (int round = 0; round < 2; round++) {
        const uint8_t *bytes = round ? sealed : (const uint8_t *)plain;
        size_t size = round ? sealed_size : strlen(plain);
        int fd = dial(rig, 1);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(rig->handled, round);
            assert_int_equal(send(fd, bytes + i, 1, 0), 1);
            turn(rig);
        }
        char text[64];
        assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
        assert_int_equal(rig->sealed, round);
        assert_int_equal(rig->size, size);
        assert_memory_equal(rig->bytes, bytes, size);
        close(fd);
    }
    free(sealed);
    json_decref(root);
}

static void a_body_may_come_byte_by_byte(void **state)
{
    struct rig *rig = *state;
    static const char announce[] = "ANNOUNCE / RTSP/1.0\r\nCSeq: 6\r\nContent-length: 5\r\n\r\nv=0\r\n";
    int fd = dial(rig, 1);
    for (size_t i = 0; i < strlen(announce); i++) {
        assert_int_equal(rig->handled, 0);
        assert_int_equal(send(fd, announce + i, 1, 0), 1);
        turn(rig);
    }
    char text[64];
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
    assert_int_equal(rig->size, strlen(announce));
    assert_memory_equal(rig->bytes, announce, strlen(announce));
    close(fd);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 1);
    assert_int_equal(send(fd, options, strlen(options), 0), strlen(options));
    shutdown(fd, SHUT_WR);
    char text[64];
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
    close(fd);
}

static void bytes_after_the_request_do_not_reset_the_connection(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 1);
    char request[3000];
    memset(request, 'x', sizeof(request));
    memcpy(request, options, strlen(options));
    assert_int_equal(send(fd, request, sizeof(request), 0), sizeof(request));
    while (!rig->handled)
        turn(rig);
    send(fd, request, sizeof(request), 0);
    char text[64];
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
    assert_int_equal(rig->size, strlen(options));
    close(fd);
}

static void a_client_that_sends_without_end_is_cut_off(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 1);
    assert_int_equal(send(fd, options, strlen(options), 0), strlen(options));
    static const char junk[4096];
    for (size_t sent = 0; rtsp_server_counters(rig->server).open; sent += sizeof(junk)) {
        assert_true(sent < 100 * 1024 * 1024);
        send(fd, junk, sizeof(junk), MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(rig);
    }
    close(fd);
}

static void a_long_reply_reaches_a_slow_reader(void **state)
{
    struct rig *rig = *state;
    rig->reply_size = RTSP_SERVER_REPLY_MAX;
    int fd = dial(rig, 1);
    assert_int_equal(send(fd, options, strlen(options), 0), strlen(options));
    static char text[RTSP_SERVER_REPLY_MAX + 1];
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), RTSP_SERVER_REPLY_MAX);
    close(fd);
}

static void when_the_handler_says_so_nothing_is_answered(void **state)
{
    struct rig *rig = *state;
    rig->silent = true;
    int fd = dial(rig, 1);
    assert_int_equal(send(fd, options, strlen(options), 0), strlen(options));
    char text[64];
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 0);
    assert_int_equal(rtsp_server_counters(rig->server).unanswered, 1);
    close(fd);
}

static void probes_that_send_nothing_are_ignored(void **state)
{
    struct rig *rig = *state;
    close(dial(rig, 1));
    while (rtsp_server_counters(rig->server).open)
        turn(rig);
    assert_int_equal(rtsp_server_counters(rig->server).empty, 1);
    assert_int_equal(rtsp_server_counters(rig->server).broken, 0);
    assert_int_equal(rig->handled, 0);
}

static void envelopes_that_lie_about_their_size_are_closed(void **state)
{
    struct rig *rig = *state;
    static const uint32_t words[] = {0xffffffff, 0x80000000, 0x80000000 + RTSP_SEAL_PLAIN_MAX + 1};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t header[RTSP_SEAL_HEADER] = {0};
        bytes_put_u32be(header, words[i]);
        int fd = dial(rig, 1);
        assert_int_equal(send(fd, header, sizeof(header), 0), sizeof(header));
        char text[64];
        assert_int_equal(read_all(rig, fd, text, sizeof(text)), 0);
        close(fd);
        assert_int_equal(rtsp_server_counters(rig->server).broken, i + 1);
    }
    assert_int_equal(rig->handled, 0);
}

static void plain_text_that_can_be_no_request_reaches_the_handler_once(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 1);
    static char text[RTSP_HEAD_MAX];
    memset(text, 'a', sizeof(text));
    assert_int_equal(send(fd, text, sizeof(text), 0), sizeof(text));
    assert_int_equal(read_all(rig, fd, text, sizeof(text)), 6);
    assert_int_equal(rig->handled, 1);
    close(fd);
}

static void the_fifth_connection_of_an_address_replaces_its_oldest(void **state)
{
    struct rig *rig = *state;
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = dial(rig, 9);
    char text[64];
    assert_int_equal(read_all(rig, fds[0], text, sizeof(text)), 0);
    struct rtsp_server_counters counters = rtsp_server_counters(rig->server);
    assert_int_equal(counters.open, 4);
    assert_int_equal(counters.evicted, 1);
    assert_int_equal(send(fds[4], options, strlen(options), 0), strlen(options));
    assert_int_equal(read_all(rig, fds[4], text, sizeof(text)), 6);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void answered_connections_that_stay_open_give_way_too(void **state)
{
    struct rig *rig = *state;
    int fds[5];
    char text[64];
    for (int i = 0; i < 5; i++) {
        fds[i] = dial(rig, 9);
        assert_int_equal(send(fds[i], options, strlen(options), 0), strlen(options));
        assert_int_equal(read_all(rig, fds[i], text, sizeof(text)), 6);
    }
    struct rtsp_server_counters counters = rtsp_server_counters(rig->server);
    assert_int_equal(counters.open, 4);
    assert_int_equal(counters.refused, 0);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void a_full_server_closes_the_oldest_that_is_not_expected(void **state)
{
    struct rig *rig = *state;
    int fds[66];
    fds[0] = dial(rig, 2); /* expected, and oldest */
    for (unsigned i = 1; i < 65; i++)
        fds[i] = dial(rig, 10 + i / 4);
    char text[64];
    assert_int_equal(read_all(rig, fds[1], text, sizeof(text)), 0);
    assert_int_equal(rtsp_server_counters(rig->server).open, 64);
    assert_int_equal(send(fds[0], options, strlen(options), 0), strlen(options));
    assert_int_equal(read_all(rig, fds[0], text, sizeof(text)), 6);

    rig->expects_all = true;
    fds[65] = dial(rig, 200);
    assert_int_equal(rtsp_server_counters(rig->server).refused, 1);
    assert_int_equal(read_all(rig, fds[65], text, sizeof(text)), 0);
    for (int i = 0; i < 66; i++)
        close(fds[i]);
}

static void without_file_descriptors_the_listener_pauses_and_comes_back(void **state)
{
    struct rig *rig = *state;
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    low = before;
    low.rlim_cur = (rlim_t)fd + 1; /* the next descriptor is beyond it */
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rtsp_server_port(rig->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_MS_NS;
    while (clock_now_ns() < until_ns)
        turn(rig);
    assert_int_equal(rtsp_server_counters(rig->server).accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (!rtsp_server_counters(rig->server).accepted)
        turn(rig);
    close(fd);
}

static void a_client_that_never_finishes_is_closed_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig, 1);
    int64_t until_ns = clock_now_ns() + 60 * CLOCK_SECOND_NS; /* only reached when something is broken */
    assert_int_equal(send(fd, "OPTIONS", 7, 0), 7);
    while (rtsp_server_counters(rig->server).open && clock_now_ns() < until_ns) {
        send(fd, "x", 1, MSG_NOSIGNAL); /* progress does not lengthen it */
        poll(NULL, 0, 50);
        turn(rig);
    }
    assert_int_equal(rtsp_server_counters(rig->server).timeouts, 1);
    close(fd);
}

static void a_taken_port_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rtsp_server_config config = {.handle = handle, .expects = expects, .ctx = rig};
    assert_true(address_parse("0.0.0.0", rtsp_server_port(rig->server), &config.bind));
    assert_null(rtsp_server_create(rig->loop, &config));
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_request_is_answered_and_the_stream_ends),
        WITH_RIG(requests_and_envelopes_may_come_byte_by_byte),
        WITH_RIG(a_body_may_come_byte_by_byte),
        WITH_RIG(a_half_closed_client_gets_its_answer),
        WITH_RIG(bytes_after_the_request_do_not_reset_the_connection),
        WITH_RIG(a_client_that_sends_without_end_is_cut_off),
        WITH_RIG(a_long_reply_reaches_a_slow_reader),
        WITH_RIG(when_the_handler_says_so_nothing_is_answered),
        WITH_RIG(probes_that_send_nothing_are_ignored),
        WITH_RIG(envelopes_that_lie_about_their_size_are_closed),
        WITH_RIG(plain_text_that_can_be_no_request_reaches_the_handler_once),
        WITH_RIG(the_fifth_connection_of_an_address_replaces_its_oldest),
        WITH_RIG(answered_connections_that_stay_open_give_way_too),
        WITH_RIG(a_full_server_closes_the_oldest_that_is_not_expected),
        WITH_RIG(without_file_descriptors_the_listener_pauses_and_comes_back),
        WITH_RIG(a_client_that_never_finishes_is_closed_at_its_deadline),
        WITH_RIG(a_taken_port_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
