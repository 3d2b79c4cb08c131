/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_host: the real page on a real HTTPS server over a host that exists in memory only. For the Python tests beside
 * it. usage: web_host [-o] PORT [PASSWORD] Lines on stdin change the host: "ask ID ADDRESS", "gone ID", "stream on",
 * "stream off", "close pairing", "status {...}" (members its status has from now on), "log TEXT" (JSON text or null).
 * With -o it is an old host, that knows nothing of desktops and rights. A PIN of 1234 is right. What the page did is
 * told on stdout, one line each.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "web/web.h"

#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETUP_CODE "K7QM-X2VD"

enum { BITRATE_MAX_KBPS = 20000 };

struct fake_host {
    struct loop *loop;
    struct web *web;
    json_t *pairings, *clients;
    json_t *told; /* members of the status as the test told them */
    json_t *log;  /* NULL: the X server has none */
    bool streaming, pairing_closed;
    int64_t streaming_since_ms;
    int bitrate_kbps;
    unsigned ticks;
    char record[WEB_RECORD_MAX];
    void (*store_done)(void *arg, bool stored);
    void *store_arg;
    char input[1 << 17];
    size_t input_size;
};

static size_t index_of(json_t *list, const char *id)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "id")), id) == 0)
            return i;
    }
    return SIZE_MAX;
}

static json_t *get_pairings(void *ctx)
{
    struct fake_host *self = ctx;
    return json_deep_copy(self->pairings);
}

static json_t *make_sessions(struct fake_host *self)
{
    if (!self->streaming)
        return json_array();
    double wave = (double)(self->ticks++ % 7) / 10;
    return json_pack("[{s:s,s:s,s:s,s:s,s:i,s:i,s:f,s:s,s:s,s:f,s:i,s:f,s:f,s:f,s:I,s:i,s:i,s:i}]", "id", "s1",
                     "client", "Living-room TV", "address", "192.168.1.34", "state", "streaming", "width", 2560,
                     "height", 1440, "fps", 60.0, "encoder", "x264", "codec", "h264", "rate_fps", 59.6 + wave / 2,
                     "kbps", 18400 + (int)(wave * 1000), "latency_p50_ms", 7.2 + wave, "latency_p99_ms", 11.9 + wave,
                     "loss_percent", 0.02, "since_ms", (json_int_t)self->streaming_since_ms, "dropped", 3,
                     "bitrate_kbps", self->bitrate_kbps, "bitrate_max_kbps", BITRATE_MAX_KBPS);
}

static json_t *get_sessions(struct fake_host *self)
{
    json_t *told = json_object_get(self->told, "sessions");
    return told ? json_incref(told) : make_sessions(self);
}

static json_t *get_clients(void *ctx)
{
    struct fake_host *self = ctx;
    json_t *clients = json_deep_copy(self->clients), *sessions = get_sessions(self), *session, *client;
    size_t i, j;
    json_array_foreach(sessions, i, session)
    {
        json_array_foreach(clients, j, client)
        {
            if (json_equal(json_object_get(session, "client"), json_object_get(client, "name")))
                json_object_set_new(client, "streaming", json_true());
        }
    }
    json_decref(sessions);
    return clients;
}

static json_t *get_status(void *ctx)
{
    struct fake_host *self = ctx;
    json_t *status = json_pack(
        "{s:s,s:s,s:s,s:i,s:s,s:{s:b,s:s,s:i,s:i,s:s},s:[{s:s,s:s,s:b,s:b,s:s},{s:s,s:s,s:b,s:b,s:s},"
        "{s:s,s:s,s:b,s:b,s:s}],s:o,s:s,s:{s:i,s:i,s:i},s:b}",
        "host", "workstation-3", "version", EARTHSHINE_VERSION, "uniqueid", "4f1d0c8e7a2b9365", "base_port", 47989,
        "certificate", "9b1f3a5c7e2d4860a1b2c3d4e5f60718293a4b5c6d7e8f90a0b1c2d3e4f5061a", "display", "capturing",
        self->streaming, "source", "X11 :0", "width", 2560, "height", 1440, "sentence",
        self->streaming ? "The desktop is being streamed from X11 display :0." : "Ready to stream X11 display :0.",
        "encoders", "name", "nvenc", "codec", "h264", "hardware", 1, "usable", 0, "reason",
        "no NVIDIA driver found (libcuda.so.1 is missing)", "name", "vaapi", "codec", "h264", "hardware", 1, "usable",
        0, "reason", "no render node in /dev/dri", "name", "x264", "codec", "h264", "hardware", 0, "usable", 1,
        "reason", "", "sessions", get_sessions(self), "discovery", "announced on the local network", "counters",
        "connections_refused", 0, "bad_requests", 2, "frames_dropped", 3, "pairing_closed", self->pairing_closed);
    json_object_update(status, self->told);
    return status;
}

static json_t *new_client(const char *id, const char *name, int64_t paired_ms)
{
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:b,s:s}", "id", id, "name", name, "fingerprint",
                     "5ad1c39f20e4b8875ad1c39f20e4b8875ad1c39f20e4b8875ad1c39f20e4b887", "paired_ms",
                     (json_int_t)paired_ms, "seen_ms", (json_int_t)clock_wall_ms(), "streaming", 0, "rights",
                     "keyboard mouse touch gamepad");
}

static enum web_result pairing_pin(void *ctx, const char *id, const char *pin, const char *name)
{
    struct fake_host *self = ctx;
    size_t at = index_of(self->pairings, id);
    if (at == SIZE_MAX)
        return WEB_NOT_FOUND;
    printf("pin %s %s %s\n", id, pin, name);
    json_array_remove(self->pairings, at);
    if (strcmp(pin, "1234") == 0)
        json_array_append_new(self->clients, new_client(id, name, clock_wall_ms()));
    return WEB_OK;
}

static enum web_result pairing_cancel(void *ctx, const char *id)
{
    struct fake_host *self = ctx;
    size_t at = index_of(self->pairings, id);
    if (at == SIZE_MAX)
        return WEB_NOT_FOUND;
    printf("cancel %s\n", id);
    json_array_remove(self->pairings, at);
    return WEB_OK;
}

static void pairing_reopen(void *ctx)
{
    struct fake_host *self = ctx;
    printf("reopen\n");
    self->pairing_closed = false;
}

static enum web_result client_rename(void *ctx, const char *id, const char *name, void (*done)(void *arg, bool stored),
                                     void *arg)
{
    struct fake_host *self = ctx;
    size_t at = index_of(self->clients, id);
    if (at == SIZE_MAX)
        return WEB_NOT_FOUND;
    printf("rename %s %s\n", id, name);
    json_object_set_new(json_array_get(self->clients, at), "name", json_string(name));
    done(arg, true);
    return WEB_OK;
}

static enum web_result client_remove(void *ctx, const char *id, void (*done)(void *arg, bool stored), void *arg)
{
    struct fake_host *self = ctx;
    size_t at = index_of(self->clients, id);
    if (at == SIZE_MAX)
        return WEB_NOT_FOUND;
    printf("remove %s\n", id);
    json_array_remove(self->clients, at);
    done(arg, true);
    return WEB_OK;
}

static enum web_result client_rights(void *ctx, const char *id, const char *rights,
                                     void (*done)(void *arg, bool stored), void *arg)
{
    struct fake_host *self = ctx;
    size_t at = index_of(self->clients, id);
    if (at == SIZE_MAX)
        return WEB_NOT_FOUND;
    if (strstr(rights, "magic"))
        return WEB_BAD_VALUE;
    printf("rights %s %s\n", id, rights);
    json_object_set_new(json_array_get(self->clients, at), "rights", json_string(rights));
    done(arg, true);
    return WEB_OK;
}

static enum web_result session_end(void *ctx, const char *id)
{
    struct fake_host *self = ctx;
    if (!self->streaming || strcmp(id, "s1") != 0)
        return WEB_NOT_FOUND;
    printf("end %s\n", id);
    self->streaming = false;
    return WEB_OK;
}

static enum web_result session_bitrate(void *ctx, const char *id, int kbps)
{
    struct fake_host *self = ctx;
    if (!self->streaming || strcmp(id, "s1") != 0)
        return WEB_NOT_FOUND;
    if (kbps && (kbps < 500 || kbps > BITRATE_MAX_KBPS))
        return WEB_BAD_VALUE;
    printf("bitrate %s %d\n", id, kbps);
    self->bitrate_kbps = kbps ? kbps : BITRATE_MAX_KBPS;
    return WEB_OK;
}

static enum web_result restart_session(void *ctx)
{
    struct fake_host *self = ctx;
    if (!json_is_object(json_object_get(json_object_get(self->told, "desktop"), "session")))
        return WEB_NOT_FOUND;
    printf("restart session\n");
    return WEB_OK;
}

static enum web_result restart_server(void *ctx)
{
    struct fake_host *self = ctx;
    if (!json_is_object(json_object_get(self->told, "desktop")))
        return WEB_NOT_FOUND;
    printf("restart server\n");
    return WEB_OK;
}

static json_t *desktop_log(void *ctx)
{
    struct fake_host *self = ctx;
    return self->log ? json_pack("{s:O}", "log", self->log) : NULL;
}

static const char *password_record(void *ctx)
{
    struct fake_host *self = ctx;
    return self->record[0] ? self->record : NULL;
}

static void tell_stored(void *arg)
{
    struct fake_host *self = arg;
    self->store_done(self->store_arg, true);
}

static void password_store(void *ctx, const char *record, void (*done)(void *arg, bool stored), void *arg)
{
    struct fake_host *self = ctx;
    text_copy(self->record, sizeof(self->record), record);
    printf("stored\n");
    self->store_done = done;
    self->store_arg = arg;
    loop_post(self->loop, tell_stored, self);
}

static bool setup_code_matches(void *ctx, const char *code)
{
    (void)ctx;
    return strcmp(code, SETUP_CODE) == 0;
}

static void take_log(struct fake_host *self, const char *text)
{
    json_decref(self->log);
    self->log = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!json_is_string(self->log)) {
        json_decref(self->log);
        self->log = NULL;
    }
}

static void obey(struct fake_host *self, const char *line)
{
    char id[64], address[64];
    if (sscanf(line, "ask %63s %63s", id, address) == 2) {
        json_array_append_new(self->pairings,
                              json_pack("{s:s,s:s,s:I,s:s}", "id", id, "address", address, "since_ms",
                                        (json_int_t)clock_wall_ms(), "fingerprint",
                                        "c0ffee1234567890c0ffee1234567890c0ffee1234567890c0ffee1234567890"));
    } else if (sscanf(line, "gone %63s", id) == 1) {
        size_t at = index_of(self->pairings, id);
        if (at != SIZE_MAX)
            json_array_remove(self->pairings, at);
    } else if (strcmp(line, "close pairing") == 0) {
        self->pairing_closed = true;
    } else if (strncmp(line, "status ", 7) == 0) {
        json_t *members = json_loads(line + 7, 0, NULL);
        json_object_update(self->told, members);
        json_decref(members);
    } else if (strncmp(line, "log ", 4) == 0) {
        take_log(self, line + 4);
    } else if (strncmp(line, "stream ", 7) == 0) {
        self->streaming = strcmp(line + 7, "on") == 0;
        self->bitrate_kbps = BITRATE_MAX_KBPS;
        self->streaming_since_ms = clock_wall_ms() - 1000 * 60 * 42;
    }
    web_notify(self->web);
}

static void input_came(evutil_socket_t fd, short what, void *arg)
{
    struct fake_host *self = arg;
    (void)what;
    ssize_t count = read(fd, self->input + self->input_size, sizeof(self->input) - 1 - self->input_size);
    if (count <= 0) { /* the test ended */
        loop_stop(self->loop);
        return;
    }
    self->input_size += (size_t)count;
    self->input[self->input_size] = '\0';
    char *at = self->input;
    for (char *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        obey(self, at);
    }
    self->input_size = strlen(at);
    memmove(self->input, at, self->input_size);
}

static char *pem_text(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

/* A certificate of its own for "localhost". */
static struct tls_context *make_tls(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24L * 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    char *certificate_pem = pem_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    char *key_pem = pem_text(bio);
    struct tls_context *tls = tls_context_create(certificate_pem, key_pem, false);
    free(certificate_pem);
    free(key_pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

static const struct web_backend backend = {
    .pairings = get_pairings,
    .clients = get_clients,
    .status = get_status,
    .pairing_pin = pairing_pin,
    .pairing_cancel = pairing_cancel,
    .pairing_reopen = pairing_reopen,
    .client_rename = client_rename,
    .client_remove = client_remove,
    .client_rights = client_rights,
    .session_end = session_end,
    .session_bitrate = session_bitrate,
    .desktop_restart_session = restart_session,
    .desktop_restart_server = restart_server,
    .desktop_log = desktop_log,
    .password_record = password_record,
    .password_store = password_store,
    .setup_code_matches = setup_code_matches,
};

/* As a host of before there were rights. */
static void forget_rights(struct fake_host *self)
{
    size_t i;
    json_t *client;
    json_array_foreach(self->clients, i, client) json_object_del(client, "rights");
}

static int serve(struct fake_host *self, uint16_t port, bool is_old)
{
    struct web_backend mine = backend;
    mine.ctx = self;
    if (is_old) {
        mine.desktop_restart_session = mine.desktop_restart_server = NULL;
        mine.desktop_log = NULL;
        mine.client_rights = NULL;
        forget_rights(self);
    }
    struct tls_context *tls = make_tls();
    self->loop = loop_create();
    self->web = self->loop ? web_create(self->loop, &mine) : NULL;
    if (!self->web || !tls)
        return 1;
    web_add_name(self->web, "workstation-3");
    struct http_server_config config = {
        .name = "web", .tls = tls, .body_max = WEB_BODY_MAX, .handle = web_handle, .ctx = self->web};
    address_parse("127.0.0.1", port, &config.bind);
    struct http_server *server = http_server_create(self->loop, &config);
    struct event *input = event_new(loop_base(self->loop), STDIN_FILENO, EV_READ | EV_PERSIST, input_came, self);
    if (server && input && event_add(input, NULL) == 0) {
        printf("ready\n");
        loop_run(self->loop);
    }
    if (input)
        event_free(input);
    http_server_destroy(server);
    web_destroy(self->web);
    loop_destroy(self->loop);
    tls_context_destroy(tls);
    return server ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct fake_host self = {0};
    int64_t port;
    bool is_old = argc > 1 && strcmp(argv[1], "-o") == 0;
    argc -= is_old;
    argv += is_old;
    if (argc < 2 || !text_parse_i64(argv[1], strlen(argv[1]), 1, 65535, &port)) {
        fprintf(stderr, "usage: web_host [-o] PORT [PASSWORD]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    self.pairings = json_array();
    self.clients = json_array();
    self.told = json_object();
    json_array_append_new(self.clients, new_client("tv", "Living-room TV", clock_wall_ms() - 86400000LL * 19));
    json_array_append_new(self.clients, new_client("deck", "Steam Deck", clock_wall_ms() - 86400000LL * 3));
    if (argc > 2 && !web_password_hash(argv[2], self.record, sizeof(self.record)))
        return 1;
    int code = serve(&self, (uint16_t)port, is_old);
    json_decref(self.pairings);
    json_decref(self.clients);
    json_decref(self.told);
    json_decref(self.log);
    return code;
}
