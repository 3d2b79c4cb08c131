/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of clients are self-signed and judged by their hash alone; a chain is never built (docs/protocol.md,
 * "TLS"). Nothing is ever resumed: a resumed session would carry an old authorisation.
 */
#include "net/tls.h"

#include "base/log.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_CERTIFICATES_MAX_BYTES = 32 * 1024 };

struct tls_context {
    SSL_CTX *ssl;
};

static int accept_any_certificate(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static void refuse_resumption(SSL_CTX *ssl)
{
    static const unsigned char id[] = "earthshine";
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
    /* Without an id OpenSSL aborts the second connection of a client that tries to resume. */
    SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1);
}

static bool set_algorithms(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1;
}

static bool use_identity(SSL_CTX *ssl, const char *certificate_pem, const char *key_pem)
{
    BIO *certificate_text = BIO_new_mem_buf(certificate_pem, -1), *key_text = BIO_new_mem_buf(key_pem, -1);
    X509 *certificate = certificate_text ? PEM_read_bio_X509(certificate_text, NULL, NULL, NULL) : NULL;
    /* The empty passphrase keeps OpenSSL from asking for one on the terminal. */
    EVP_PKEY *key = key_text ? PEM_read_bio_PrivateKey(key_text, NULL, NULL, (void *)"") : NULL;
    bool fine = certificate && key && SSL_CTX_use_certificate(ssl, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(key_text);
    BIO_free(certificate_text);
    return fine;
}

struct tls_context *tls_context_create(const char *certificate_pem, const char *key_pem, bool ask_client_certificate)
{
    struct tls_context *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("tls");
    ERR_clear_error();
    self->ssl = SSL_CTX_new(TLS_server_method());
    if (!self->ssl || !set_algorithms(self->ssl) || !use_identity(self->ssl, certificate_pem, key_pem)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        log_error("tls: certificate or key cannot be used: %s", reason ? reason : "unknown reason");
        ERR_clear_error();
        tls_context_destroy(self);
        return NULL;
    }
    refuse_resumption(self->ssl);
    if (ask_client_certificate) {
        SSL_CTX_set_verify(self->ssl, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(self->ssl, accept_any_certificate, NULL);
        SSL_CTX_set_max_cert_list(self->ssl, CLIENT_CERTIFICATES_MAX_BYTES);
    }
    return self;
}

void tls_context_destroy(struct tls_context *self)
{
    if (!self)
        return;
    SSL_CTX_free(self->ssl);
    free(self);
}

SSL_CTX *tls_context_ssl(struct tls_context *self)
{
    return self->ssl;
}
