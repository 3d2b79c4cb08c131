/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys and certificates of crypto.h. Certificates are compared by their bytes and never verified as a chain:
 * the clients' are self-signed, all named alike, some expired (docs/protocol.md, "Pairing").
 */
#include "protocol/crypto.h"

#include "base/log.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct crypto_key {
    EVP_PKEY *pkey;
};

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, VALID_DAYS = 20 * 365 + 5, DAY_S = 24 * 60 * 60 };

struct crypto_key *crypto_key_from_pem(const char *pem, size_t size)
{
    struct crypto_key *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("crypto");
    BIO *bio = size <= CRYPTO_CERTIFICATE_PEM_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
    char no_password[] = "";
    self->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (self->pkey && EVP_PKEY_get_base_id(self->pkey) == EVP_PKEY_RSA &&
        EVP_PKEY_get_size(self->pkey) <= CRYPTO_SIGNATURE_MAX)
        return self;
    log_error("crypto: not a PEM private key of RSA type");
    crypto_key_destroy(self);
    return NULL;
}

void crypto_key_destroy(struct crypto_key *self)
{
    if (!self)
        return;
    EVP_PKEY_free(self->pkey);
    free(self);
}

bool crypto_key_sign(const struct crypto_key *self, const void *data, size_t size,
                     uint8_t ret_signature[CRYPTO_SIGNATURE_MAX], size_t *ret_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t length = CRYPTO_SIGNATURE_MAX;
    bool good = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, self->pkey) == 1 &&
                EVP_DigestSign(context, ret_signature, &length, data, size) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (good)
        *ret_size = length;
    return good;
}

static bool is_padding(const char *text, size_t size, bool nul_too)
{
    for (size_t i = 0; i < size; i++) {
        if (!strchr(" \t\r\n", text[i]) || (!text[i] && !nul_too)) /* strchr finds the NUL too */
            return false;
    }
    return true;
}

/* The text of the one PEM block, without what may stand around it. */
static bool find_block(const char *pem, size_t size, const char **ret_begin, size_t *ret_size)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    if (size > CRYPTO_CERTIFICATE_PEM_MAX)
        return false;
    const char *first = memmem(pem, size, begin, sizeof(begin) - 1);
    if (!first || !is_padding(pem, (size_t)(first - pem), false))
        return false;
    const char *stop = memmem(first, size - (size_t)(first - pem), end, sizeof(end) - 1);
    if (!stop)
        return false;
    stop += sizeof(end) - 1;
    if (!is_padding(stop, size - (size_t)(stop - pem), true))
        return false;
    *ret_begin = first;
    *ret_size = (size_t)(stop - first);
    return true;
}

static X509 *read_certificate(const char *pem, size_t size)
{
    const char *block = NULL;
    size_t block_size = 0;
    if (!find_block(pem, size, &block, &block_size))
        return NULL;
    BIO *bio = BIO_new_mem_buf(block, (int)block_size);
    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;
    long der_size = 0;
    X509 *certificate = NULL;
    if (bio && PEM_read_bio(bio, &name, &header, &der, &der_size) == 1 && !strcmp(name, "CERTIFICATE") && !*header) {
        const uint8_t *at = der;
        certificate = d2i_X509(NULL, &at, der_size);
        if (certificate && at != der + der_size) { /* bytes behind it: the digest would not be of what was sent */
            X509_free(certificate);
            certificate = NULL;
        }
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

/* RSA of an accepted size. Large exponents would make the verification as slow as a private operation. */
static bool is_fit(EVP_PKEY *key)
{
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        return false;
    int bits = EVP_PKEY_get_bits(key);
    BIGNUM *exponent = NULL;
    bool small = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_num_bits(exponent) <= 64;
    BN_free(exponent);
    return small && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
}

bool crypto_certificate_parse(const char *pem, size_t size, struct crypto_certificate *ret_certificate)
{
    struct crypto_certificate parsed = {0};
    X509 *certificate = read_certificate(pem, size);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    unsigned length = 0;
    bool good = is_fit(key) && X509_digest(certificate, EVP_sha256(), parsed.sha256, &length) == 1 && length == 32;
    if (good) {
        const ASN1_BIT_STRING *signature = NULL;
        X509_get0_signature(&signature, NULL, certificate);
        int bytes = ASN1_STRING_length(signature);
        good = bytes > 0 && bytes <= CRYPTO_SIGNATURE_MAX;
        if (good)
            memcpy(parsed.signature, ASN1_STRING_get0_data(signature), (size_t)bytes);
        parsed.signature_size = good ? (size_t)bytes : 0;
        parsed.rsa_bits = EVP_PKEY_get_bits(key);
    }
    X509_free(certificate);
    ERR_clear_error();
    if (good)
        *ret_certificate = parsed;
    return good;
}

bool crypto_certificate_verify(const char *pem, size_t pem_size, const void *data, size_t size,
                               const uint8_t *signature, size_t signature_size)
{
    X509 *certificate = read_certificate(pem, pem_size);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = is_fit(key) && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, signature_size, data, size) == 1;
    EVP_MD_CTX_free(context);
    X509_free(certificate);
    ERR_clear_error();
    return good;
}

bool crypto_key_fits(const struct crypto_key *self, const char *certificate_pem, size_t size)
{
    X509 *certificate = read_certificate(certificate_pem, size);
    bool good = certificate && EVP_PKEY_eq(self->pkey, X509_get0_pubkey(certificate)) == 1;
    X509_free(certificate);
    ERR_clear_error();
    return good;
}

static bool add_names(X509 *certificate, const struct crypto_new_identity *config)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool good = names;
    for (const char *const *name = config->dns_names; good && name && *name; name++) {
        GENERAL_NAME *entry = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_DNS, *name, 0);
        good = entry && sk_GENERAL_NAME_push(names, entry) > 0;
    }
    for (const char *const *number = config->ip_numbers; good && number && *number; number++) {
        GENERAL_NAME *entry = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, *number, 0);
        good = entry && sk_GENERAL_NAME_push(names, entry) > 0;
    }
    if (good && sk_GENERAL_NAME_num(names) > 0)
        good = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return good;
}

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new(); /* 127 bits, the top one set: positive, never short */
    bool good = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return good;
}

static X509 *make_certificate(EVP_PKEY *key, const struct crypto_new_identity *config)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    bool good =
        certificate && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
        ASN1_TIME_adj(X509_getm_notBefore(certificate), (time_t)config->now_s, 0, -DAY_S) &&
        ASN1_TIME_adj(X509_getm_notAfter(certificate), (time_t)config->now_s, VALID_DAYS, 0) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)config->common_name, -1, -1, 0) == 1 &&
        X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        add_names(certificate, config) && X509_sign(certificate, key, EVP_sha256()) > 0;
    if (good)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* The bytes of a memory BIO as text of ours. */
static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? strndup(data, (size_t)size) : NULL;
}

bool crypto_make_identity(const struct crypto_new_identity *config, char **ret_key_pem, char **ret_certificate_pem)
{
    EVP_PKEY *key = EVP_RSA_gen(RSA_BITS_MIN);
    X509 *certificate = key ? make_certificate(key, config) : NULL;
    BIO *key_bio = BIO_new(BIO_s_secmem()), *certificate_bio = BIO_new(BIO_s_mem());
    char *key_pem = NULL, *certificate_pem = NULL;
    if (certificate && key_bio && certificate_bio &&
        PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(certificate_bio, certificate) == 1) {
        key_pem = bio_text(key_bio);
        certificate_pem = bio_text(certificate_bio);
    }
    BIO_free(key_bio);
    BIO_free(certificate_bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!key_pem || !certificate_pem) {
        log_error("crypto: could not make a key and certificate");
        if (key_pem)
            crypto_wipe(key_pem, strlen(key_pem));
        free(key_pem);
        free(certificate_pem);
        return false;
    }
    *ret_key_pem = key_pem;
    *ret_certificate_pem = certificate_pem;
    return true;
}
