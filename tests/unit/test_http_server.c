/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of net/http_server.h over real sockets; those of TLS are in test_tls.c. */
#include "net_rig.h"

#include "base/clock.h"
#include "net/http_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG = 4 * 1024 * 1024 };

struct fixture {
    struct rig rig;
    struct http_server_config config;
    struct http_server *server;
    uint16_t port;
    struct http_server_counters counters;
    struct http_exchange *held; /* loop thread */
    int events_sent;            /* loop thread */

    struct mutex lock; /* guards the rest */
    struct cond changed;
    int requests, closed, expired;
};

static void note(struct fixture *self, int *counter)
{
    mutex_lock(&self->lock);
    ++*counter;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
}

static void wait_for(struct fixture *self, const int *counter, int value)
{
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    mutex_lock(&self->lock);
    bool in_time = true;
    while (*counter < value && in_time)
        in_time = cond_wait_until(&self->changed, &self->lock, until_ns);
    int reached = *counter;
    mutex_unlock(&self->lock);
    assert_int_equal(reached, value);
}

static void on_closed(void *ctx, bool expired)
{
    struct fixture *self = ctx;
    if (expired)
        http_exchange_reply(self->held, 503, "text/plain", NULL, "expired", 7);
    self->held = NULL;
    note(self, expired ? &self->expired : &self->closed);
}

static void on_events_closed(void *ctx, bool expired)
{
    struct fixture *self = ctx;
    self->held = NULL;
    note(self, expired ? &self->expired : &self->closed);
}

static bool path_is(const struct http_exchange *exchange, const char *path)
{
    struct http_slice slice = http_exchange_request(exchange)->path;
    return slice.size == strlen(path) && !memcmp(slice.text, path, slice.size);
}

static void handle(void *ctx, struct http_exchange *exchange)
{
    struct fixture *self = ctx;
    if (path_is(exchange, "/hold")) {
        self->held = exchange;
        http_exchange_hold(exchange, 60 * CLOCK_SECOND_NS, on_closed, self);
    } else if (path_is(exchange, "/hold-briefly")) {
        self->held = exchange;
        http_exchange_hold(exchange, 50 * CLOCK_MS_NS, on_closed, self);
    } else if (path_is(exchange, "/events")) {
        self->held = exchange;
        http_exchange_start_events(exchange, NULL, 60 * CLOCK_SECOND_NS, on_events_closed, self);
    } else if (path_is(exchange, "/big")) {
        char *big = malloc(BIG);
        memset(big, 'b', BIG);
        http_exchange_reply(exchange, 200, "text/plain", NULL, big, BIG);
        free(big);
    } else if (path_is(exchange, "/close")) {
        http_exchange_close(exchange);
    } else if (!path_is(exchange, "/forget")) {
        struct http_slice body = http_exchange_body(exchange);
        http_exchange_reply(exchange, 200, "text/plain", "X-Test: yes\r\n", body.size ? body.text : "hello",
                            body.size ? body.size : 5);
    }
    note(self, &self->requests);
}

static void create(void *arg)
{
    struct fixture *self = arg;
    self->server = http_server_create(self->rig.loop, &self->config);
    self->port = self->server ? http_server_port(self->server) : 0;
}

static void destroy(void *arg)
{
    struct fixture *self = arg;
    http_server_destroy(self->server);
}

static void read_counters(void *arg)
{
    struct fixture *self = arg;
    self->counters = http_server_counters(self->server);
}

static void reply_held(void *arg)
{
    struct fixture *self = arg;
    if (self->held)
        http_exchange_reply(self->held, 200, "text/plain", NULL, "at last", 7);
    self->held = NULL;
}

static void init(struct fixture *self)
{
    *self = (struct fixture){.config = {.name = "test", .handle = handle, .ctx = self, .body_max = 1000}};
    assert_true(address_parse("127.0.0.1", 0, &self->config.bind));
    mutex_init(&self->lock);
    cond_init(&self->changed);
}

static void begin(struct fixture *self)
{
    rig_start(&self->rig);
    rig_call(&self->rig, create, self);
    assert_non_null(self->server);
}

static void finish(struct fixture *self)
{
    rig_call(&self->rig, destroy, self);
    rig_stop(&self->rig);
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
}

static struct http_server_counters counters(struct fixture *self)
{
    rig_call(&self->rig, read_counters, self);
    return self->counters;
}

/* By the loop's own pace, not by time: each look is one round of the loop. */
static void wait_until_open(struct fixture *self, unsigned count)
{
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    while (counters(self).open != count && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(self->counters.open, count);
}

static void a_request_is_answered_and_the_connection_closed(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    init(&self);
    begin(&self);
    assert_int_equal(client_request(self.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", text, sizeof(text)), 200);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
                              "Connection: close\r\nX-Test: yes\r\n\r\nhello");
    assert_int_equal(client_request(self.port, "HEAD / HTTP/1.1\r\n\r\n", text, sizeof(text)), 200);
    assert_non_null(strstr(text, "Content-Length: 5\r\n"));
    assert_null(strstr(text, "hello"));
    assert_int_equal(client_request(self.port, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", text, sizeof(text)),
                     200);
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nbody");
    assert_int_equal(client_request(self.port, "GET /forget HTTP/1.1\r\n\r\n", text, sizeof(text)), 500);
    assert_int_equal(client_request(self.port, "GET /close HTTP/1.1\r\n\r\n", text, sizeof(text)), 0);
    finish(&self);
}

static void a_request_in_single_bytes_and_a_half_closed_one_are_answered(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    init(&self);
    begin(&self);
    int fd = client_connect(self.port, NULL);
    for (const char *c = "POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"; *c; c++)
        assert_int_equal(send(fd, c, 1, 0), 1);
    client_read_all(fd, text, sizeof(text));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nabc");
    close(fd);
    fd = client_connect(self.port, NULL);
    client_send(fd, "GET / HTTP/1.1\r\n\r\n");
    shutdown(fd, SHUT_WR);
    client_read_all(fd, text, sizeof(text));
    assert_non_null(strstr(text, "hello"));
    close(fd);
    wait_until_open(&self, 0);
    finish(&self);
}

static void rule_1_a_held_request_ends_when_its_peer_closes(void **state)
{
    (void)state;
    struct fixture self;
    init(&self);
    begin(&self);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET /hold HTTP/1.1\r\n\r\n");
    wait_for(&self, &self.requests, 1);
    close(fd);
    wait_for(&self, &self.closed, 1);
    wait_until_open(&self, 0);
    finish(&self);
}

static void rule_1_bytes_during_a_held_request_are_discarded_up_to_a_cap(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096], *flood = malloc(200 * 1024);
    memset(flood, 'x', 200 * 1024);
    init(&self);
    begin(&self);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET /hold HTTP/1.1\r\n\r\nmore bytes");
    wait_for(&self, &self.requests, 1);
    client_send(fd, "and more");
    rig_call(&self.rig, reply_held, &self);
    client_read_all(fd, text, sizeof(text));
    assert_non_null(strstr(text, "at last"));
    close(fd);
    assert_int_equal(self.closed, 0); /* a reply ends the hold without a call */

    fd = client_connect(self.port, NULL);
    client_send(fd, "GET /hold HTTP/1.1\r\n\r\n");
    wait_for(&self, &self.requests, 2);
    size_t sent = 0;
    ssize_t got;
    while (sent < 200 * 1024 && (got = send(fd, flood + sent, 200 * 1024 - sent, MSG_NOSIGNAL)) > 0)
        sent += (size_t)got;
    wait_for(&self, &self.closed, 1);
    close(fd);
    free(flood);
    finish(&self);
}

static void a_held_request_that_expires_can_still_be_answered(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    init(&self);
    begin(&self);
    assert_int_equal(client_request(self.port, "GET /hold-briefly HTTP/1.1\r\n\r\n", text, sizeof(text)), 503);
    assert_int_equal(self.expired, 1);
    finish(&self);
}

/* The stage's deadline is 200 ms, all others stay at seconds; nothing but the end is looked at. */
static void rule_2_slow_heads_bodies_and_readers_are_cut_off(void **state)
{
    (void)state;
    static const char *const starts[] = {"GET /slow HTT", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
                                         "GET /big HTTP/1.1\r\n\r\n"};
    for (int i = 0; i < 3; i++) {
        struct fixture self;
        init(&self);
        *(i == 0   ? &self.config.limits.head_ns
          : i == 1 ? &self.config.limits.body_ns
                   : &self.config.limits.reply_ns) = 200 * CLOCK_MS_NS;
        begin(&self);
        int fd = client_connect(self.port, NULL);
        const int small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        client_send(fd, starts[i]);
        /* Progress does not restart a deadline: a byte with each look. */
        int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
        while (counters(&self).timeouts == 0 && clock_now_ns() < until_ns) {
            if (i == 0)
                client_send(fd, "x");
            clock_sleep_until_ns(clock_now_ns() + 10 * CLOCK_MS_NS);
        }
        assert_int_equal(self.counters.timeouts, 1);
        wait_until_open(&self, 0);
        close(fd);
        finish(&self);
    }
}

static void rule_3_without_descriptors_the_listener_pauses_and_comes_back(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    struct rlimit before, low;
    init(&self);
    begin(&self);
    /* The descriptor of the client is the last one there is. */
    int probe = dup(0);
    close(probe);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){(rlim_t)probe + 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET / HTTP/1.1\r\n\r\n");
    int64_t cpu_ns = clock_process_cpu_ns();
    clock_sleep_until_ns(clock_now_ns() + 400 * CLOCK_MS_NS);
    cpu_ns = clock_process_cpu_ns() - cpu_ns;
    assert_int_equal(counters(&self).accepted, 0);
    assert_true(cpu_ns < 300 * CLOCK_MS_NS); /* it does not spin */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_read_all(fd, text, sizeof(text));
    assert_non_null(strstr(text, "hello"));
    close(fd);
    finish(&self);
}

static void rule_4_counts_are_given_back_whatever_the_end(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "",
        "GE",
        "GET / HTTP/1.1\r\n\r\n",
        "rubbish\r\n\r\n",
        "GET /hold HTTP/1.1\r\n\r\n",
        "GET /big HTTP/1.1\r\n\r\n",
    };
    struct fixture self;
    init(&self);
    self.config.max_per_address = 4;
    begin(&self);
    for (int i = 0; i < 60; i++) {
        int fd = client_connect(self.port, NULL);
        client_send(fd, requests[i % 6]);
        if (i % 2) {
            struct linger reset = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        close(fd);
    }
    wait_until_open(&self, 0);
    finish(&self);
}

static void rule_4_held_requests_of_one_address_fill_only_its_own_places(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    int fds[3];
    init(&self);
    self.config.max_per_address = 3;
    begin(&self);
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(self.port, NULL);
        client_send(fds[i], "GET /hold HTTP/1.1\r\n\r\n");
    }
    wait_for(&self, &self.requests, 3);
    int refused = client_connect(self.port, NULL);
    assert_int_equal(client_read_all(refused, text, sizeof(text)), 0);
    int other = client_connect(self.port, "127.0.0.2");
    client_send(other, "GET / HTTP/1.1\r\n\r\n");
    client_read_all(other, text, sizeof(text));
    assert_non_null(strstr(text, "hello"));
    assert_int_equal(counters(&self).refused, 1);
    close(refused);
    close(other);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    wait_until_open(&self, 0);
    finish(&self);
}

static void rule_5_what_we_do_not_speak_gets_a_status_and_a_close(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\x03 not for this port\r\n\r\n",
    };
    struct fixture self;
    char text[4096];
    init(&self);
    begin(&self);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int status = client_request(self.port, requests[i], text, sizeof(text));
        assert_in_range(status, 400, 599);
        assert_non_null(strstr(text, "Connection: close\r\n"));
    }
    assert_int_equal(self.requests, 0);
    assert_int_equal(counters(&self).bad_requests, sizeof(requests) / sizeof(requests[0]));
    finish(&self);
}

static void send_events(void *arg)
{
    struct fixture *self = arg;
    char data[1024];
    for (int i = 0; i < 100 && self->held; i++) {
        int used = snprintf(data, sizeof(data), "%d ", ++self->events_sent);
        memset(data + used, '.', sizeof(data) - (size_t)used);
        http_exchange_send_event(self->held, data, sizeof(data));
    }
}

static void rule_6_a_slow_reader_of_events_gets_the_latest_one(void **state)
{
    (void)state;
    enum { ROOM = 2 * 1024 * 1024 };
    struct fixture self;
    char *text = calloc(1, ROOM);
    init(&self);
    begin(&self);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET /events HTTP/1.1\r\n\r\n");
    wait_for(&self, &self.requests, 1);
    for (int i = 0; i < 50; i++)
        rig_call(&self.rig, send_events, &self);
    assert_int_equal(self.events_sent, 5000);
    size_t used = 0;
    int count = 0;
    while (!strstr(text, "data: 5000 ")) {
        ssize_t got = recv(fd, text + used, ROOM - 1 - used, 0);
        assert_true(got > 0);
        used += (size_t)got;
    }
    for (const char *at = text; (at = strstr(at, "data: ")); at++)
        count++;
    assert_in_range(count, 1, 1000); /* of 5000 */
    close(fd);
    wait_for(&self, &self.closed, 1);
    free(text);
    finish(&self);
}

static void rule_6_an_event_stream_that_is_not_read_is_closed(void **state)
{
    (void)state;
    struct fixture self;
    init(&self);
    self.config.limits.reply_ns = 200 * CLOCK_MS_NS;
    begin(&self);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET /events HTTP/1.1\r\n\r\n");
    wait_for(&self, &self.requests, 1);
    /* One event a round, so that each is written, until the sockets are full. */
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    while (counters(&self).timeouts == 0 && clock_now_ns() < until_ns)
        rig_call(&self.rig, send_events, &self);
    wait_for(&self, &self.closed, 1);
    assert_int_equal(counters(&self).timeouts, 1);
    close(fd);
    finish(&self);
}

static void rule_7_lines_that_strangers_cause_are_few_and_cannot_be_forged(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096], line[2048];
    init(&self);
    begin(&self);
    FILE *log = tmpfile();
    int saved = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(log), STDERR_FILENO);
    int64_t start_ns = clock_now_ns();
    for (int i = 0; i < 300; i++)
        client_request(self.port, "GET /\nERROR forged: line HTTP/9\r\n\x1b[31m\r\n\r\n", text, sizeof(text));
    int64_t seconds = (clock_now_ns() - start_ns) / CLOCK_SECOND_NS;
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(log);
    int lines = 0;
    while (fgets(line, sizeof(line), log)) {
        lines++;
        assert_int_equal(strncmp(line, "INFO test: ", 11), 0);
        assert_null(strchr(line, '\x1b'));
    }
    fclose(log);
    assert_in_range(lines, 1, (seconds + 2) * 6);
    assert_int_equal(counters(&self).bad_requests, 300);
    finish(&self);
}

static void a_thousand_idle_connections_keep_nobody_out(void **state)
{
    (void)state;
    static int idle[1000];
    static const char *const beginnings[] = {"", "GET /slow"};
    struct rlimit files = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &files);
    for (int kind = 0; kind < 4; kind++) { /* without and with some bytes; from one and from many addresses */
        struct fixture self;
        char text[4096], source[32];
        init(&self);
        begin(&self);
        for (int i = 0; i < 1000; i++) {
            snprintf(source, sizeof(source), "127.0.0.%d", kind < 2 ? 1 : 1 + i % 250);
            idle[i] = client_connect(self.port, source);
            client_send(idle[i], beginnings[kind % 2]);
        }
        assert_int_equal(client_request(self.port, "GET / HTTP/1.1\r\n\r\n", text, sizeof(text)), 200);
        assert_in_range(counters(&self).open, 1, 256);
        for (int i = 0; i < 1000; i++)
            close(idle[i]);
        wait_until_open(&self, 0);
        finish(&self);
    }
}

static bool admit_nobody(void *ctx, const struct address *peer)
{
    (void)ctx;
    (void)peer;
    return false;
}

static void who_is_not_admitted_is_closed_at_once(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    init(&self);
    self.config.admit = admit_nobody;
    begin(&self);
    assert_int_equal(client_request(self.port, "GET / HTTP/1.1\r\n\r\n", text, sizeof(text)), 0);
    assert_int_equal(counters(&self).accepted, 0);
    finish(&self);
}

static void a_taken_port_is_refused_and_open_requests_end_with_the_server(void **state)
{
    (void)state;
    struct fixture self, second;
    init(&self);
    begin(&self);
    init(&second);
    address_set_port(&second.config.bind, self.port);
    rig_start(&second.rig);
    rig_call(&second.rig, create, &second);
    assert_null(second.server);
    rig_stop(&second.rig);
    int fd = client_connect(self.port, NULL);
    client_send(fd, "GET /hold HTTP/1.1\r\n\r\n");
    wait_for(&self, &self.requests, 1);
    finish(&self);
    assert_int_equal(self.closed, 1);
    close(fd);
}

static void a_large_reply_arrives_whole_and_nothing_is_left_open(void **state)
{
    (void)state;
    int before = count_open_files();
    char *text = malloc(BIG + 4096);
    struct fixture self;
    init(&self);
    begin(&self);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(client_request(self.port, "GET /big HTTP/1.1\r\n\r\n", text, BIG + 4096), 200);
        assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), BIG);
    }
    finish(&self);
    free(text);
    assert_int_equal(count_open_files(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_the_connection_closed),
        cmocka_unit_test(a_request_in_single_bytes_and_a_half_closed_one_are_answered),
        cmocka_unit_test(rule_1_a_held_request_ends_when_its_peer_closes),
        cmocka_unit_test(rule_1_bytes_during_a_held_request_are_discarded_up_to_a_cap),
        cmocka_unit_test(a_held_request_that_expires_can_still_be_answered),
        cmocka_unit_test(rule_2_slow_heads_bodies_and_readers_are_cut_off),
        cmocka_unit_test(rule_3_without_descriptors_the_listener_pauses_and_comes_back),
        cmocka_unit_test(rule_4_counts_are_given_back_whatever_the_end),
        cmocka_unit_test(rule_4_held_requests_of_one_address_fill_only_its_own_places),
        cmocka_unit_test(rule_5_what_we_do_not_speak_gets_a_status_and_a_close),
        cmocka_unit_test(rule_6_a_slow_reader_of_events_gets_the_latest_one),
        cmocka_unit_test(rule_6_an_event_stream_that_is_not_read_is_closed),
        cmocka_unit_test(rule_7_lines_that_strangers_cause_are_few_and_cannot_be_forged),
        cmocka_unit_test(a_thousand_idle_connections_keep_nobody_out),
        cmocka_unit_test(who_is_not_admitted_is_closed_at_once),
        cmocka_unit_test(a_taken_port_is_refused_and_open_requests_end_with_the_server),
        cmocka_unit_test(a_large_reply_arrives_whole_and_nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
