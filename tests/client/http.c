/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/http.h"

#include "base/random.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REPLY_MAX = 8 << 20, REQUEST_MAX = 16384 };

struct connection {
    int fd;
    SSL_CTX *context;
    SSL *tls;
};

int http_connect(const struct sockaddr_in *address, uint16_t port, int timeout_ms, char *error, size_t error_size)
{
    struct sockaddr_in to = *address;
    to.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failure = fd < 0 ? errno : 0;
    if (fd >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno == EINPROGRESS) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            socklen_t size = sizeof(failure);
            if (poll(&wait, 1, timeout_ms) <= 0)
                failure = ETIMEDOUT;
            else
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
        }
        fcntl(fd, F_SETFL, 0);
    }
    if (failure) {
        snprintf(error, error_size, "connect to port %u: %s", port, strerror(failure));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)store, (void)arg;
    return 1; /* the pinned certificate is compared after the handshake */
}

static bool start_tls(struct connection *self, const struct identity *identity, char *error, size_t error_size)
{
    self->context = SSL_CTX_new(TLS_client_method());
    if (!self->context)
        return false;
    SSL_CTX_set_verify(self->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(self->context, accept_any, NULL);
    SSL_CTX_use_certificate(self->context, identity->certificate);
    SSL_CTX_use_PrivateKey(self->context, identity->key);
    self->tls = SSL_new(self->context);
    if (!self->tls || !SSL_set_fd(self->tls, self->fd) || SSL_connect(self->tls) != 1) {
        snprintf(error, error_size, "TLS: %s", ERR_reason_error_string(ERR_get_error()));
        return false;
    }
    X509 *peer = SSL_get1_peer_certificate(self->tls);
    bool right = peer && (!identity->host || X509_cmp(peer, identity->host) == 0);
    X509_free(peer);
    if (!right)
        snprintf(error, error_size, "host certificate is not the pinned one");
    return right;
}

static bool send_all(struct connection *self, const char *data, size_t size)
{
    if (self->tls)
        return SSL_write(self->tls, data, (int)size) == (int)size;
    while (size) {
        ssize_t sent = send(self->fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static char *receive_all(struct connection *self, size_t *ret_size)
{
    size_t used = 0, capacity = 65536;
    char *data = malloc(capacity);
    while (data) {
        if (used + 1 == capacity) {
            char *more = capacity < REPLY_MAX ? realloc(data, capacity *= 2) : NULL;
            if (!more)
                break;
            data = more;
        }
        size_t room = capacity - used - 1;
        ssize_t got = self->tls ? SSL_read(self->tls, data + used, (int)room) : recv(self->fd, data + used, room, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (data)
        data[used] = 0;
    *ret_size = used;
    return data;
}

static void finish_connection(struct connection *self)
{
    if (self->tls)
        SSL_shutdown(self->tls);
    SSL_free(self->tls);
    SSL_CTX_free(self->context);
    close(self->fd);
}

/* Splits head and body; the body is moved to the front of `data`, which the reply takes. */
static bool parse_reply(char *data, size_t size, struct http_reply *reply)
{
    char *end = data ? strstr(data, "\r\n\r\n") : NULL;
    if (!end || sscanf(data, "HTTP/1.%*d %d", &reply->http_status) != 1) {
        snprintf(reply->error, sizeof(reply->error), "no HTTP reply (%zu bytes)", size);
        free(data);
        return false;
    }
    const char *type = strcasestr(data, "\r\nContent-Type: ");
    if (type && type < end)
        sscanf(type + 16, "%63[^\r\n]", reply->content_type);
    reply->size = size - (size_t)(end + 4 - data);
    memmove(data, end + 4, reply->size + 1);
    reply->body = data;
    const char *code = strstr(data, "status_code=\"");
    reply->status_code = code ? atoi(code + 13) : 0;
    return true;
}

static bool exchange(struct connection *connection, const char *request, struct http_reply *reply)
{
    struct sockaddr_in local;
    socklen_t local_size = sizeof(local);
    if (!getsockname(connection->fd, (struct sockaddr *)&local, &local_size))
        inet_ntop(AF_INET, &local.sin_addr, reply->local_ip, sizeof(reply->local_ip));
    if (!send_all(connection, request, strlen(request))) {
        snprintf(reply->error, sizeof(reply->error), "request could not be sent");
        return false;
    }
    size_t size;
    char *data = receive_all(connection, &size);
    return parse_reply(data, size, reply);
}

bool http_get(const struct http_target *target, const struct identity *identity, const char *path, const char *query,
              struct http_reply *ret_reply)
{
    static const char form[] = "GET %s?uniqueid=%s&uuid=%s%s%s HTTP/1.1\r\nHost: %s:%u\r\nAccept: */*\r\n\r\n";
    uint8_t uuid[16];
    char uuid_text[33], *request = malloc(REQUEST_MAX);
    uint16_t port = identity ? target->https_port : target->http_port;
    bool done = false;
    *ret_reply = (struct http_reply){0};
    if (!request || !random_bytes(uuid, sizeof(uuid))) {
        free(request);
        return false;
    }
    text_hex(uuid, sizeof(uuid), uuid_text);
    snprintf(request, REQUEST_MAX, form, path, target->unique_id, uuid_text, query && *query ? "&" : "",
             query ? query : "", target->host, port);
    struct connection connection = {
        .fd = http_connect(&target->address, port, target->timeout_ms, ret_reply->error, sizeof(ret_reply->error))};
    if (connection.fd >= 0) {
        done = (!identity || start_tls(&connection, identity, ret_reply->error, sizeof(ret_reply->error))) &&
               exchange(&connection, request, ret_reply);
        finish_connection(&connection);
    }
    free(request);
    return done;
}

void http_reply_finish(struct http_reply *self)
{
    free(self->body);
    self->body = NULL;
}

static char unescape(const char **at, const char *end)
{
    static const struct {
        const char *name;
        char value;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#39;", '\''}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t length = strlen(entities[i].name);
        if ((size_t)(end - *at) >= length && !strncmp(*at, entities[i].name, length)) {
            *at += length;
            return entities[i].value;
        }
    }
    return *(*at)++;
}

bool http_xml_value(const struct http_reply *reply, const char *element, char *ret_text, size_t capacity)
{
    char open[80], closing[80];
    snprintf(open, sizeof(open), "<%s>", element);
    snprintf(closing, sizeof(closing), "</%s>", element);
    const char *at = reply->body ? strstr(reply->body, open) : NULL;
    const char *end = at ? strstr(at, closing) : NULL;
    if (!end)
        return false;
    at += strlen(open);
    size_t used = 0;
    while (at < end && used + 1 < capacity)
        ret_text[used++] = unescape(&at, end);
    ret_text[used] = 0;
    return true;
}
