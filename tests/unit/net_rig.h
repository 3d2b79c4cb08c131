/* SPDX-License-Identifier: Apache-2.0 */
/* net_rig: a loop on its own thread, blocking clients, and identities made for the test. Failures assert (cmocka). */
#pragma once

#include "base/thread.h"
#include "net/loop.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig {
    struct loop *loop;
    struct thread thread;
};
void rig_start(struct rig *self);
void rig_stop(struct rig *self);
/* Runs `call(arg)` on the loop's thread and waits for it. */
void rig_call(struct rig *self, void (*call)(void *arg), void *arg);

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char certificate_pem[8192], key_pem[8192];
    uint8_t sha256[32]; /* of the certificate's DER */
};
void identity_make(struct identity *self); /* RSA-2048, self-signed */
void identity_finish(struct identity *self);

/* Connected to 127.0.0.1, from `source` ("127.0.0.2"; NULL: any); reads and writes fail after 20 s. */
int client_connect(uint16_t port, const char *source);
void client_send(int fd, const char *text);
/* Until end of file or error; NUL-terminated. Returns the bytes read. */
size_t client_read_all(int fd, char *ret_text, size_t capacity);
/* One request and the whole reply over a new connection. Returns the status, 0 for none. */
int client_request(uint16_t port, const char *request, char *ret_text, size_t capacity);

struct tls_client {
    SSL_CTX *context;
};
void tls_client_init(struct tls_client *self, const struct identity *identity); /* NULL: no certificate */
void tls_client_finish(struct tls_client *self);
/* Takes `fd`. NULL: the handshake failed, `fd` is closed. */
SSL *tls_client_open(struct tls_client *self, int fd);
void tls_client_close(SSL *ssl); /* with its socket; NULL is fine */
int tls_client_request(struct tls_client *self, uint16_t port, const char *request, char *ret_text, size_t capacity);

int count_open_files(void);
