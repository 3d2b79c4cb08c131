/* SPDX-License-Identifier: Apache-2.0 */
/* crypto over OpenSSL: published vectors, tests/vectors/pairing.json, and damage of every kind. */
#include "protocol/crypto.h"

#include "base/text.h"
#include "tests/unit/pairing_vectors.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static size_t unhex(const char *hex, uint8_t *data)
{
    assert_true(text_unhex(hex, strlen(hex), data, strlen(hex) / 2));
    return strlen(hex) / 2;
}

static void gcm_matches_the_published_test_case(void **state)
{
    (void)state; /* test case 3 of the GCM specification */
    uint8_t key[16], iv[12], plain[64], expected[64], tag[16], out[64], got[16];
    unhex("feffe9928665731c6d6a8f9467308308", key);
    unhex("cafebabefacedbaddecaf888", iv);
    unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
          plain);
    unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
          "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
          expected);
    unhex("4d5c2af327cd64a62cf35abd2ba6fab4", tag);
    struct gcm *gcm = gcm_create(key);
    for (int round = 0; round < 3; round++) { /* the context is used again */
        assert_true(gcm_seal(gcm, iv, 12, plain, 64, out, got));
        assert_memory_equal(out, expected, 64);
        assert_memory_equal(got, tag, 16);
        assert_true(gcm_open(gcm, iv, 12, out, 64, got, out));
        assert_memory_equal(out, plain, 64);
        uint8_t long_iv[16] = {1}, other[64];
        assert_true(gcm_seal(gcm, long_iv, 16, plain, 64, other, got));
        assert_true(gcm_open(gcm, long_iv, 16, other, 64, got, other));
        assert_memory_equal(other, plain, 64);
    }
    gcm_destroy(gcm);
}

static void gcm_refuses_a_flipped_bit_and_leaves_no_text(void **state)
{
    (void)state;
    static const uint8_t key[16] = {7}, iv[12] = {1}, zero[20];
    uint8_t cipher[20], tag[16], plain[20];
    struct gcm *gcm = gcm_create(key);
    assert_true(gcm_seal(gcm, iv, 12, "twenty bytes of text", 20, cipher, tag));
    for (int bit = 0; bit < (20 + 16) * 8; bit++) {
        uint8_t *byte = bit < 160 ? &cipher[bit / 8] : &tag[bit / 8 - 20];
        *byte = (uint8_t)(*byte ^ 1 << bit % 8);
        assert_false(gcm_open(gcm, iv, 12, cipher, 20, tag, plain));
        assert_memory_equal(plain, zero, 20);
        *byte = (uint8_t)(*byte ^ 1 << bit % 8);
    }
    assert_true(gcm_open(gcm, iv, 12, cipher, 20, tag, plain));
    assert_false(gcm_seal(gcm, iv, 0, plain, 20, cipher, tag));
    assert_false(gcm_seal(gcm, iv, 17, plain, 20, cipher, tag));
    assert_true(gcm_seal(gcm, iv, 12, "", 0, cipher, tag));
    assert_true(gcm_open(gcm, iv, 12, "", 0, tag, plain));
    gcm_destroy(gcm);
    gcm_destroy(NULL);
}

static void ecb_and_sha256_match_the_vectors(void **state)
{
    (void)state;
    uint8_t key[16], salted[20], digest[32], expected[32], cipher[16], plain[16];
    unhex(vector("key", "salted_pin"), salted);
    unhex(vector("key", "sha256"), expected);
    assert_true(crypto_sha256(salted, 20, digest));
    assert_memory_equal(digest, expected, 32);
    memcpy(key, digest, 16);
    unhex(vector("phase2", "request_clientchallenge"), cipher);
    unhex(vector("phase2", "decrypted_client_challenge"), expected);
    assert_true(crypto_ecb_decrypt(key, cipher, 16, plain));
    assert_memory_equal(plain, expected, 16);
    assert_true(crypto_ecb_encrypt(key, plain, 16, plain));
    assert_memory_equal(plain, cipher, 16);
    assert_false(crypto_ecb_encrypt(key, plain, 15, cipher));
    assert_int_equal(crypto_compare("abc", "abc", 3), 0);
    assert_int_not_equal(crypto_compare("abc", "abd", 3), 0);
}

static void certificates_are_read_as_in_the_vectors(void **state)
{
    (void)state;
    static const char *const names[][3] = {
        {"host_cert_pem", "host_cert_signature", "host_cert_sha256"},
        {"client_cert_pem", "client_cert_signature", "client_cert_sha256"},
    };
    for (int i = 0; i < 2; i++) {
        const char *pem = vector("inputs", names[i][0]);
        struct crypto_certificate certificate;
        uint8_t signature[256], sha256[32];
        unhex(vector("certificates", names[i][1]), signature);
        unhex(vector("certificates", names[i][2]), sha256);
        assert_true(crypto_certificate_parse(pem, strlen(pem), &certificate));
        assert_int_equal(certificate.rsa_bits, 2048);
        assert_int_equal(certificate.signature_size, 256);
        assert_memory_equal(certificate.signature, signature, 256);
        assert_memory_equal(certificate.sha256, sha256, 32);
    }
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(vectors, "tls_client_certs"), index, entry)
    {
        const char *pem = json_string_value(json_object_get(entry, "pem"));
        struct crypto_certificate certificate;
        uint8_t sha256[32];
        unhex(json_string_value(json_object_get(entry, "cert_sha256")), sha256);
        assert_true(crypto_certificate_parse(pem, strlen(pem), &certificate)); /* also the expired v2 one */
        assert_memory_equal(certificate.sha256, sha256, 32);
    }
}

static void only_one_whole_certificate_is_accepted(void **state)
{
    (void)state;
    const char *pem = vector("inputs", "client_cert_pem"), *key = vector("inputs", "client_key_pem");
    size_t size = strlen(pem);
    struct crypto_certificate certificate;
    char text[4096];
    for (size_t cut = 0; cut + 1 < size; cut++) /* without the last newline it is whole */
        assert_false(crypto_certificate_parse(pem, cut, &certificate));
    assert_true(crypto_certificate_parse(pem, size - 1, &certificate));
    memcpy(text, pem, size + 1);
    assert_true(crypto_certificate_parse(text, size + 1, &certificate)); /* with its NUL */
    snprintf(text, sizeof(text), "%s%s", pem, pem);
    assert_false(crypto_certificate_parse(text, strlen(text), &certificate));
    snprintf(text, sizeof(text), "%s%s", pem, key);
    assert_false(crypto_certificate_parse(text, strlen(text), &certificate));
    snprintf(text, sizeof(text), "text %s", pem);
    assert_false(crypto_certificate_parse(text, strlen(text), &certificate));
    assert_false(crypto_certificate_parse(key, strlen(key), &certificate));
    for (size_t bit = 0; bit < 8 * size; bit++) { /* may still be a certificate, must not crash */
        memcpy(text, pem, size);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        crypto_certificate_parse(text, size, &certificate);
    }
}

static char *certificate_of(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_set_pubkey(certificate, key);
    ASN1_TIME_adj(X509_getm_notBefore(certificate), 0, 0, 0);
    ASN1_TIME_adj(X509_getm_notAfter(certificate), 0, 1, 0);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return text;
}

static void keys_of_other_kinds_are_refused(void **state)
{
    (void)state;
    struct crypto_certificate certificate;
    char *small = certificate_of(EVP_RSA_gen(1024)), *curve = certificate_of(EVP_EC_gen("P-256"));
    assert_false(crypto_certificate_parse(small, strlen(small), &certificate));
    assert_false(crypto_certificate_parse(curve, strlen(curve), &certificate));
    free(small);
    free(curve);
}

static void signatures_match_and_are_checked(void **state)
{
    (void)state;
    const char *key_pem = vector("inputs", "host_key_pem"), *pem = vector("inputs", "host_cert_pem");
    const char *other = vector("inputs", "client_cert_pem");
    struct crypto_key *key = crypto_key_from_pem(key_pem, strlen(key_pem));
    assert_non_null(key);
    uint8_t secret[16], expected[256], signature[CRYPTO_SIGNATURE_MAX];
    size_t size = 0;
    unhex(vector("inputs", "server_secret"), secret);
    unhex(vector("phase3", "server_secret_signature"), expected);
    assert_true(crypto_key_sign(key, secret, 16, signature, &size));
    assert_int_equal(size, 256);
    assert_memory_equal(signature, expected, 256);
    assert_true(crypto_certificate_verify(pem, strlen(pem), secret, 16, signature, 256));
    assert_false(crypto_certificate_verify(other, strlen(other), secret, 16, signature, 256));
    assert_false(crypto_certificate_verify(pem, strlen(pem), secret, 15, signature, 256));
    assert_false(crypto_certificate_verify(pem, strlen(pem), secret, 16, signature, 255));
    signature[100] ^= 1;
    assert_false(crypto_certificate_verify(pem, strlen(pem), secret, 16, signature, 256));
    assert_true(crypto_key_fits(key, pem, strlen(pem)));
    assert_false(crypto_key_fits(key, other, strlen(other)));
    crypto_key_destroy(key);
    assert_null(crypto_key_from_pem(pem, strlen(pem)));
    assert_null(crypto_key_from_pem(key_pem, strlen(key_pem) / 2));
}

static void a_new_identity_is_what_clients_accept(void **state)
{
    (void)state;
    const char *dns[] = {"localhost", "vm-desk-07", NULL}, *ip[] = {"192.0.2.7", "::1", NULL};
    struct crypto_new_identity config = {
        .common_name = "Earthshine", .now_s = 1700000000, .dns_names = dns, .ip_numbers = ip};
    char *key_pem = NULL, *pem = NULL;
    assert_true(crypto_make_identity(&config, &key_pem, &pem));
    struct crypto_key *key = crypto_key_from_pem(key_pem, strlen(key_pem));
    struct crypto_certificate certificate;
    assert_true(crypto_certificate_parse(pem, strlen(pem), &certificate));
    assert_int_equal(certificate.rsa_bits, 2048);
    assert_true(crypto_key_fits(key, pem, strlen(pem)));
    assert_memory_equal(pem, "-----BEGIN CERTIFICATE-----\n", 28);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_int_equal(X509_get_version(x509), X509_VERSION_3);
    assert_int_equal(X509_get_signature_nid(x509), NID_sha256WithRSAEncryption);
    assert_int_equal(X509_verify(x509, X509_get0_pubkey(x509)), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)), 0);
    assert_int_equal(X509_check_host(x509, "vm-desk-07", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x509, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(x509, "::1", 0), 1);
    time_t before = 1700000000 - 86400;
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x509), before), 0);
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(x509), &(time_t){1700000000 + 19 * 365 * 86400L}), 1);
    X509_free(x509);
    BIO_free(bio);
    crypto_key_destroy(key);
    free(key_pem);
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_matches_the_published_test_case),
        cmocka_unit_test(gcm_refuses_a_flipped_bit_and_leaves_no_text),
        cmocka_unit_test(ecb_and_sha256_match_the_vectors),
        cmocka_unit_test(certificates_are_read_as_in_the_vectors),
        cmocka_unit_test(only_one_whole_certificate_is_accepted),
        cmocka_unit_test(keys_of_other_kinds_are_refused),
        cmocka_unit_test(signatures_match_and_are_checked),
        cmocka_unit_test(a_new_identity_is_what_clients_accept),
    };
    return cmocka_run_group_tests(tests, pairing_vectors_load, pairing_vectors_unload);
}
