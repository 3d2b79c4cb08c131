/* SPDX-License-Identifier: Apache-2.0 */
/* tls: server-side TLS contexts. Loop thread only. */
#pragma once

#include <stdbool.h>
#include <openssl/types.h>

struct tls_context;

/*
 * TLS 1.2 and 1.3, no ALPN, no session cache, no tickets, session id context set.
 * `ask_client_certificate`: requested with an empty CA list and accepted whatever it is; the caller judges it by
 * SHA-256. Both PEM texts are borrowed for the call. NULL: logged.
 */
struct tls_context *tls_context_create(const char *certificate_pem, const char *key_pem, bool ask_client_certificate);
void tls_context_destroy(struct tls_context *self);
SSL_CTX *tls_context_ssl(struct tls_context *self);
