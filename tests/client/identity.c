/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/identity.h"

#include "base/file.h"
#include "base/log.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, PEM_MAX = 16384, YEARS_20_S = 20 * 365 * 86400 };

static void path_of(const struct identity *self, const char *name, char *ret_path)
{
    snprintf(ret_path, PATH_BYTES, "%s/%s", self->folder, name);
}

static char *bio_text(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = calloc(1, (size_t)size + 1);
    if (text)
        memcpy(text, data, (size_t)size);
    return text;
}

X509 *identity_parse_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

static char *load(const struct identity *self, const char *name)
{
    char path[PATH_BYTES], *data;
    size_t size;
    path_of(self, name, path);
    return file_read(path, PEM_MAX, &data, &size) == FILE_OK ? data : NULL;
}

static bool save(const struct identity *self, const char *name, const char *text, unsigned mode)
{
    char path[PATH_BYTES];
    path_of(self, name, path);
    return file_write_atomic(path, text, strlen(text), mode);
}

/* As a stock client's: RSA-2048, SHA-256, serial 0, 20 years. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    if (!certificate)
        return NULL;
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), YEARS_20_S);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"NVIDIA GameStream Client", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    if (!X509_sign(certificate, key, EVP_sha256())) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static bool make(struct identity *self)
{
    bool made = false;
    BIO *key = BIO_new(BIO_s_mem()), *certificate = BIO_new(BIO_s_mem());
    char *key_text = NULL;
    self->key = EVP_RSA_gen(2048);
    self->certificate = self->key ? make_certificate(self->key) : NULL;
    if (key && certificate && self->certificate && PEM_write_bio_X509(certificate, self->certificate) &&
        PEM_write_bio_PrivateKey(key, self->key, NULL, NULL, 0, NULL, NULL)) {
        key_text = bio_text(key);
        self->certificate_pem = bio_text(certificate);
        made = key_text && self->certificate_pem && save(self, "client.key", key_text, 0600) &&
               save(self, "client.pem", self->certificate_pem, 0644);
    }
    free(key_text);
    BIO_free(key);
    BIO_free(certificate);
    return made;
}

static bool load_own(struct identity *self)
{
    char *key = load(self, "client.key");
    self->certificate_pem = load(self, "client.pem");
    if (key && self->certificate_pem) {
        BIO *bio = BIO_new_mem_buf(key, -1);
        self->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
        self->certificate = identity_parse_pem(self->certificate_pem);
        free(key);
        return self->key && self->certificate;
    }
    free(key);
    free(self->certificate_pem);
    self->certificate_pem = NULL;
    return make(self);
}

struct identity *identity_open(const char *folder)
{
    struct identity *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("identity");
    self->folder = strdup(folder);
    if (!self->folder || !file_make_folder(folder) || !load_own(self)) {
        log_error("identity: no usable key and certificate in %s", folder);
        identity_close(self);
        return NULL;
    }
    char *host = load(self, "host.pem");
    self->host = host ? identity_parse_pem(host) : NULL;
    free(host);
    return self;
}

void identity_close(struct identity *self)
{
    if (!self)
        return;
    EVP_PKEY_free(self->key);
    X509_free(self->certificate);
    X509_free(self->host);
    free(self->certificate_pem);
    free(self->folder);
    free(self);
}

bool identity_pin_host(struct identity *self, const char *pem)
{
    X509 *host = identity_parse_pem(pem);
    if (!host)
        return false;
    X509_free(self->host);
    self->host = host;
    return save(self, "host.pem", pem, 0644);
}

void identity_forget_host(struct identity *self)
{
    char path[PATH_BYTES];
    X509_free(self->host);
    self->host = NULL;
    path_of(self, "host.pem", path);
    unlink(path);
}
