/* SPDX-License-Identifier: Apache-2.0 */
#include "net_rig.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static void run(void *arg)
{
    loop_run(arg);
}

void rig_start(struct rig *self)
{
    self->loop = loop_create();
    assert_non_null(self->loop);
    assert_true(thread_start(&self->thread, "loop", run, self->loop));
}

void rig_stop(struct rig *self)
{
    loop_stop(self->loop);
    thread_join(&self->thread);
    loop_destroy(self->loop);
}

struct call {
    void (*call)(void *arg);
    void *arg;
    struct mutex lock;
    struct cond changed;
    bool done;
};

static void do_call(void *arg)
{
    struct call *call = arg;
    call->call(call->arg);
    mutex_lock(&call->lock);
    call->done = true;
    cond_signal(&call->changed);
    mutex_unlock(&call->lock);
}

void rig_call(struct rig *self, void (*function)(void *arg), void *arg)
{
    struct call call = {.call = function, .arg = arg};
    mutex_init(&call.lock);
    cond_init(&call.changed);
    loop_post(self->loop, do_call, &call);
    mutex_lock(&call.lock);
    while (!call.done)
        cond_wait(&call.changed, &call.lock);
    mutex_unlock(&call.lock);
    cond_finish(&call.changed);
    mutex_finish(&call.lock);
}

static void to_text(BIO *bio, char *ret_text, size_t capacity)
{
    int size = BIO_read(bio, ret_text, (int)capacity - 1);
    assert_true(size > 0);
    ret_text[size] = 0;
    BIO_free(bio);
}

void identity_make(struct identity *self)
{
    self->key = EVP_RSA_gen(2048);
    self->certificate = X509_new();
    assert_non_null(self->key);
    assert_non_null(self->certificate);
    X509_set_version(self->certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(self->certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(self->certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(self->certificate), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(self->certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(self->certificate, X509_get_subject_name(self->certificate));
    X509_set_pubkey(self->certificate, self->key);
    assert_true(X509_sign(self->certificate, self->key, EVP_sha256()) > 0);
    assert_int_equal(X509_digest(self->certificate, EVP_sha256(), self->sha256, NULL), 1);

    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(text, self->certificate), 1);
    to_text(text, self->certificate_pem, sizeof(self->certificate_pem));
    text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(text, self->key, NULL, NULL, 0, NULL, NULL), 1);
    to_text(text, self->key_pem, sizeof(self->key_pem));
}

void identity_finish(struct identity *self)
{
    X509_free(self->certificate);
    EVP_PKEY_free(self->key);
}

int client_connect(uint16_t port, const char *source)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval limit = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    struct sockaddr_in at = {.sin_family = AF_INET};
    if (source) {
        assert_int_equal(inet_pton(AF_INET, source, &at.sin_addr), 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    }
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

void client_send(int fd, const char *text)
{
    ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL); /* the peer may have closed already */
    (void)sent;
}

size_t client_read_all(int fd, char *ret_text, size_t capacity)
{
    size_t used = 0;
    ssize_t got;
    while (used < capacity - 1 && (got = recv(fd, ret_text + used, capacity - 1 - used, 0)) > 0)
        used += (size_t)got;
    ret_text[used] = 0;
    return used;
}

static int status_of(const char *reply)
{
    int status = 0;
    return sscanf(reply, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

int client_request(uint16_t port, const char *request, char *ret_text, size_t capacity)
{
    int fd = client_connect(port, NULL);
    client_send(fd, request);
    client_read_all(fd, ret_text, capacity);
    close(fd);
    return status_of(ret_text);
}

void tls_client_init(struct tls_client *self, const struct identity *identity)
{
    self->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(self->context);
    if (identity) {
        assert_int_equal(SSL_CTX_use_certificate(self->context, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(self->context, identity->key), 1);
    }
}

void tls_client_finish(struct tls_client *self)
{
    SSL_CTX_free(self->context);
}

SSL *tls_client_open(struct tls_client *self, int fd)
{
    SSL *ssl = SSL_new(self->context);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    if (SSL_connect(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    close(fd);
    return NULL;
}

void tls_client_close(SSL *ssl)
{
    if (!ssl)
        return;
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

int tls_client_request(struct tls_client *self, uint16_t port, const char *request, char *ret_text, size_t capacity)
{
    SSL *ssl = tls_client_open(self, client_connect(port, NULL));
    size_t used = 0;
    int got;
    ret_text[0] = 0;
    if (!ssl)
        return 0;
    SSL_write(ssl, request, (int)strlen(request));
    while (used < capacity - 1 && (got = SSL_read(ssl, ret_text + used, (int)(capacity - 1 - used))) > 0)
        used += (size_t)got;
    ret_text[used] = 0;
    tls_client_close(ssl);
    return status_of(ret_text);
}

int count_open_files(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}
