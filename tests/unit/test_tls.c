/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts, alone and under the HTTP server. */
#include "net_rig.h"

#include "base/clock.h"
#include "net/http_server.h"
#include "net/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\n\r\n"
enum { BIG = 1024 * 1024 };

static struct identity host, guest; /* RSA keys are slow to make: once for all tests */

struct fixture {
    struct rig rig;
    struct http_server_config config;
    struct http_server *server;
    struct tls_context *tls;
    uint16_t port;
    struct http_server_counters counters;
    struct http_exchange *held;
    struct mutex lock; /* guards the next two */
    struct cond changed;
    bool holding, closed;
};

static void set(struct fixture *self, bool *flag)
{
    mutex_lock(&self->lock);
    *flag = true;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
}

static void wait_for(struct fixture *self, const bool *flag)
{
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    bool in_time = true;
    mutex_lock(&self->lock);
    while (!*flag && in_time)
        in_time = cond_wait_until(&self->changed, &self->lock, until_ns);
    bool reached = *flag;
    mutex_unlock(&self->lock);
    assert_true(reached);
}

static void on_closed(void *ctx, bool expired)
{
    struct fixture *self = ctx;
    (void)expired;
    set(self, &self->closed);
}

/* Answers with the hash of the client's certificate. */
static void handle(void *ctx, struct http_exchange *exchange)
{
    struct fixture *self = ctx;
    struct http_slice path = http_exchange_request(exchange)->path;
    uint8_t digest[32] = {0};
    if (path.size == 5) { /* "/hold" */
        self->held = exchange;
        http_exchange_hold(exchange, 60 * CLOCK_SECOND_NS, on_closed, self);
        set(self, &self->holding);
        return;
    }
    if (path.size == 4) { /* "/big" */
        char *big = calloc(1, BIG);
        memset(big, 'b', BIG);
        http_exchange_reply(exchange, 200, "text/plain", NULL, big, BIG);
        free(big);
        return;
    }
    bool shown = http_exchange_client_sha256(exchange, digest);
    http_exchange_reply(exchange, 200, "application/octet-stream", NULL, digest, shown ? sizeof(digest) : 0);
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

static void mark_known(void *arg)
{
    struct fixture *self = arg;
    struct address peer;
    assert_true(address_parse("127.0.0.1", 0, &peer));
    http_server_mark_known(self->server, &peer);
}

static void reply_held(void *arg)
{
    struct fixture *self = arg;
    http_exchange_reply(self->held, 200, "text/plain", NULL, "at last", 7);
}

static void init(struct fixture *self, bool ask)
{
    *self = (struct fixture){.config = {.name = "test", .handle = handle, .ctx = self}};
    self->tls = tls_context_create(host.certificate_pem, host.key_pem, ask);
    assert_non_null(self->tls);
    self->config.tls = self->tls;
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
    tls_context_destroy(self->tls);
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
}

static void wait_until_open(struct fixture *self, unsigned count)
{
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    do {
        rig_call(&self->rig, read_counters, self);
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    } while (self->counters.open != count && clock_now_ns() < until_ns);
    assert_int_equal(self->counters.open, count);
}

static void a_key_of_another_certificate_or_rubbish_is_refused(void **state)
{
    (void)state;
    assert_null(tls_context_create(host.certificate_pem, guest.key_pem, true));
    assert_null(tls_context_create("rubbish", host.key_pem, true));
    assert_null(tls_context_create(host.certificate_pem, "", true));
}

static void rule_8_any_client_certificate_or_none_is_accepted_and_known_by_its_hash(void **state)
{
    (void)state;
    struct fixture self;
    char text[4096];
    init(&self, true);
    begin(&self);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_client with, without;
        tls_client_init(&with, &guest);
        tls_client_init(&without, NULL);
        SSL_CTX_set_min_proto_version(with.context, version);
        SSL_CTX_set_max_proto_version(with.context, version);
        assert_int_equal(tls_client_request(&with, self.port, GET, text, sizeof(text)), 200);
        assert_memory_equal(strstr(text, "\r\n\r\n") + 4, guest.sha256, 32);
        assert_int_equal(tls_client_request(&without, self.port, GET, text, sizeof(text)), 200);
        assert_non_null(strstr(text, "Content-Length: 0\r\n"));
        tls_client_finish(&with);
        tls_client_finish(&without);
    }
    finish(&self);
}

static void rule_8_a_second_connection_is_a_full_handshake_again(void **state)
{
    (void)state;
    struct fixture self;
    char byte;
    init(&self, true);
    begin(&self);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_client client;
        tls_client_init(&client, &guest);
        SSL_CTX_set_max_proto_version(client.context, version);
        SSL *first = tls_client_open(&client, client_connect(self.port, NULL));
        assert_non_null(first);
        assert_int_equal(SSL_write(first, GET, (int)strlen(GET)), (int)strlen(GET));
        while (SSL_read(first, &byte, 1) > 0)
            ;
        SSL_SESSION *session = SSL_get1_session(first);
        assert_false(SSL_SESSION_has_ticket(session));
        tls_client_close(first);
        SSL *second = SSL_new(client.context);
        int fd = client_connect(self.port, NULL);
        SSL_set_fd(second, fd);
        SSL_set_session(second, session);
        assert_int_equal(SSL_connect(second), 1);
        assert_false(SSL_session_reused(second));
        tls_client_close(second);
        SSL_SESSION_free(session);
        tls_client_finish(&client);
    }
    finish(&self);
}

static void rule_8_no_protocol_is_negotiated_and_old_versions_are_refused(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    const unsigned char *protocol;
    unsigned size;
    init(&self, true);
    begin(&self);
    tls_client_init(&client, NULL);
    SSL_CTX_set_alpn_protos(client.context, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    SSL *ssl = tls_client_open(&client, client_connect(self.port, NULL));
    assert_non_null(ssl);
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    assert_int_equal(size, 0);
    tls_client_close(ssl);
    SSL_CTX_set_security_level(client.context, 0);
    SSL_CTX_set_min_proto_version(client.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client.context, TLS1_1_VERSION);
    assert_null(tls_client_open(&client, client_connect(self.port, NULL)));
    wait_until_open(&self, 0);
    assert_int_equal(self.counters.tls_failures, 1);
    tls_client_finish(&client);
    finish(&self);
}

static void the_suites_of_old_clients_are_there(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    char text[4096];
    init(&self, true);
    begin(&self);
    tls_client_init(&client, &guest);
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context, "ECDHE-RSA-AES128-GCM-SHA256");
    SSL_CTX_set1_groups_list(client.context, "P-256");
    assert_int_equal(tls_client_request(&client, self.port, GET, text, sizeof(text)), 200);
    tls_client_finish(&client);
    finish(&self);
}

static void no_certificate_is_asked_for_where_it_is_not_wanted(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    char text[4096];
    init(&self, false);
    begin(&self);
    tls_client_init(&client, &guest);
    assert_int_equal(tls_client_request(&client, self.port, GET, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "Content-Length: 0\r\n"));
    tls_client_finish(&client);
    finish(&self);
}

static void a_held_request_is_answered_or_ends_with_its_peer(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    char text[4096] = {0};
    init(&self, true);
    begin(&self);
    tls_client_init(&client, &guest);
    SSL *ssl = tls_client_open(&client, client_connect(self.port, NULL));
    assert_non_null(ssl);
    SSL_write(ssl, "GET /hold HTTP/1.1\r\n\r\n", 22);
    wait_for(&self, &self.holding);
    SSL_write(ssl, "stray", 5);
    rig_call(&self.rig, reply_held, &self);
    assert_true(SSL_read(ssl, text, sizeof(text) - 1) > 0);
    assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
    while (SSL_read(ssl, text, sizeof(text)) > 0)
        ;
    assert_int_equal(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN); /* close_notify came */
    tls_client_close(ssl);
    assert_false(self.closed);

    self.holding = false;
    ssl = tls_client_open(&client, client_connect(self.port, NULL));
    assert_non_null(ssl);
    SSL_write(ssl, "GET /hold HTTP/1.1\r\n\r\n", 22);
    wait_for(&self, &self.holding);
    tls_client_close(ssl); /* without close_notify */
    wait_for(&self, &self.closed);
    wait_until_open(&self, 0);
    tls_client_finish(&client);
    finish(&self);
}

static void a_large_reply_arrives_whole(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    char *text = malloc(BIG + 4096);
    int before = count_open_files();
    init(&self, true);
    begin(&self);
    tls_client_init(&client, &guest);
    assert_int_equal(tls_client_request(&client, self.port, "GET /big HTTP/1.1\r\n\r\n", text, BIG + 4096), 200);
    assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), BIG);
    tls_client_finish(&client);
    finish(&self);
    assert_int_equal(count_open_files(), before);
    free(text);
}

static void rule_2_an_unfinished_handshake_is_cut_off(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"", "\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n"};
    struct fixture self;
    char byte;
    init(&self, true);
    self.config.limits.handshake_ns = 200 * CLOCK_MS_NS;
    begin(&self);
    for (int i = 0; i < 3; i++) {
        int fd = client_connect(self.port, NULL);
        client_send(fd, beginnings[i]);
        while (recv(fd, &byte, 1, 0) > 0) /* an alert may come */
            ;
        close(fd);
    }
    wait_until_open(&self, 0);
    assert_int_equal(self.counters.timeouts, 1); /* silence is not worth a count, HTTP is a failure at once */
    assert_int_equal(self.counters.tls_failures, 1);
    finish(&self);
}

static void handshakes_of_strangers_wait_for_their_turn_and_known_addresses_do_not(void **state)
{
    (void)state;
    struct fixture self;
    struct tls_client client;
    char text[4096];
    init(&self, true);
    self.config.limits.handshakes_per_second = 1;
    self.config.limits.handshake_ns = 10 * CLOCK_SECOND_NS;
    begin(&self);
    tls_client_init(&client, &guest);
    for (int i = 0; i < 2; i++) /* the second waits about a second */
        assert_int_equal(tls_client_request(&client, self.port, GET, text, sizeof(text)), 200);
    rig_call(&self.rig, mark_known, &self);
    int64_t start_ns = clock_now_ns();
    for (int i = 0; i < 30; i++)
        assert_int_equal(tls_client_request(&client, self.port, GET, text, sizeof(text)), 200);
    assert_true(clock_now_ns() - start_ns < 25 * CLOCK_SECOND_NS); /* at one a second it would be more */
    tls_client_finish(&client);
    finish(&self);
}

static void a_thousand_idle_connections_keep_nobody_out(void **state)
{
    (void)state;
    static int idle[1000];
    struct rlimit files = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &files);
    for (int kind = 0; kind < 2; kind++) {
        struct fixture self;
        struct tls_client client;
        char text[4096], source[32];
        init(&self, true);
        begin(&self);
        tls_client_init(&client, &guest);
        for (int i = 0; i < 1000; i++) {
            snprintf(source, sizeof(source), "127.0.0.%d", kind ? 2 + i % 250 : 1);
            idle[i] = client_connect(self.port, source);
        }
        assert_int_equal(tls_client_request(&client, self.port, GET, text, sizeof(text)), 200);
        for (int i = 0; i < 1000; i++)
            close(idle[i]);
        wait_until_open(&self, 0);
        tls_client_finish(&client);
        finish(&self);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_another_certificate_or_rubbish_is_refused),
        cmocka_unit_test(rule_8_any_client_certificate_or_none_is_accepted_and_known_by_its_hash),
        cmocka_unit_test(rule_8_a_second_connection_is_a_full_handshake_again),
        cmocka_unit_test(rule_8_no_protocol_is_negotiated_and_old_versions_are_refused),
        cmocka_unit_test(the_suites_of_old_clients_are_there),
        cmocka_unit_test(no_certificate_is_asked_for_where_it_is_not_wanted),
        cmocka_unit_test(a_held_request_is_answered_or_ends_with_its_peer),
        cmocka_unit_test(a_large_reply_arrives_whole),
        cmocka_unit_test(rule_2_an_unfinished_handshake_is_cut_off),
        cmocka_unit_test(handshakes_of_strangers_wait_for_their_turn_and_known_addresses_do_not),
        cmocka_unit_test(a_thousand_idle_connections_keep_nobody_out),
    };
    identity_make(&host);
    identity_make(&guest);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    identity_finish(&host);
    identity_finish(&guest);
    return failed;
}
