/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/pair.h"

#include "base/random.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEX_MAX = 16384, PEM_MAX = 8192, WAIT_FOR_PIN_MS = 330000 };

struct dialog {
    const struct http_target *target;
    struct identity *identity;
    const char *device_name;
    bool checked;
    struct pair_secrets secrets;
    struct pair_key key;
    char *host_pem;
    X509 *host;
    uint8_t host_hash[32], host_challenge[16];
    struct pair_outcome outcome;
};

bool pair_derive_key(const uint8_t salt[16], const char *pin, struct pair_key *ret_key)
{
    uint8_t salted[20], hash[32];
    if (strlen(pin) != 4)
        return false;
    memcpy(salted, salt, 16);
    memcpy(salted + 16, pin, 4);
    if (!EVP_Digest(salted, sizeof(salted), hash, NULL, EVP_sha256(), NULL))
        return false;
    memcpy(ret_key->bytes, hash, 16);
    return true;
}

static bool cipher(const struct pair_key *key, const uint8_t *data, size_t size, uint8_t *ret_data, int encrypt)
{
    int used = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context && EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL, key->bytes, NULL, encrypt) &&
                EVP_CIPHER_CTX_set_padding(context, 0) && EVP_CipherUpdate(context, ret_data, &used, data, (int)size) &&
                (size_t)used == size;
    EVP_CIPHER_CTX_free(context);
    return done;
}

bool pair_encrypt(const struct pair_key *key, const uint8_t *data, size_t size, uint8_t *ret_data)
{
    return cipher(key, data, size, ret_data, 1);
}

bool pair_decrypt(const struct pair_key *key, const uint8_t *data, size_t size, uint8_t *ret_data)
{
    return cipher(key, data, size, ret_data, 0);
}

bool pair_commitment(const uint8_t challenge[16], const X509 *certificate, const uint8_t secret[16],
                     uint8_t ret_hash[32])
{
    const ASN1_BIT_STRING *signature;
    X509_get0_signature(&signature, NULL, certificate);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) && EVP_DigestUpdate(context, challenge, 16) &&
                EVP_DigestUpdate(context, signature->data, (size_t)signature->length) &&
                EVP_DigestUpdate(context, secret, 16) && EVP_DigestFinal_ex(context, ret_hash, NULL);
    EVP_MD_CTX_free(context);
    return done;
}

bool pair_sign(EVP_PKEY *key, const uint8_t secret[16], uint8_t ret_signature[256])
{
    size_t size = 256;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, ret_signature, &size, secret, 16) == 1 && size == 256;
    EVP_MD_CTX_free(context);
    return done;
}

bool pair_verify(X509 *certificate, const uint8_t secret[16], const uint8_t *signature, size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool valid = context &&
                 EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(certificate)) == 1 &&
                 EVP_DigestVerify(context, signature, size, secret, 16) == 1;
    EVP_MD_CTX_free(context);
    return valid;
}

static bool fail(struct dialog *self, enum pair_result result, const char *message)
{
    self->outcome.result = result;
    if (!self->outcome.message[0])
        snprintf(self->outcome.message, sizeof(self->outcome.message), "%s", message);
    return false;
}

/* One request; `element`, if any, is returned as text that must be hex. True only when paired is 1. */
static bool ask(struct dialog *self, int phase, const char *query, const char *element, char *ret_hex)
{
    struct http_target target = *self->target;
    struct http_reply reply;
    char *full = malloc(HEX_MAX), paired[8] = "";
    self->outcome.phase = phase;
    if (phase == 1)
        target.timeout_ms = WAIT_FOR_PIN_MS;
    if (!full)
        return fail(self, PAIR_FAILED, "out of memory");
    snprintf(full, HEX_MAX, "devicename=%s&updateState=1&%s", self->device_name, query);
    bool answered = http_get(&target, phase == 5 ? self->identity : NULL, "/pair", full, &reply);
    free(full);
    self->outcome.status_code = reply.status_code;
    bool good = answered && reply.http_status == 200 && reply.status_code == 200 &&
                http_xml_value(&reply, "paired", paired, sizeof(paired)) && !strcmp(paired, "1") &&
                (!element || http_xml_value(&reply, element, ret_hex, HEX_MAX));
    if (!good) {
        const char *text = answered && reply.body ? strstr(reply.body, "status_message=\"") : NULL;
        snprintf(self->outcome.message, sizeof(self->outcome.message), "%.120s", text ? text : reply.error);
    }
    http_reply_finish(&reply);
    return good || fail(self, answered ? PAIR_REFUSED : PAIR_FAILED, "refused");
}

static bool get_certificate(struct dialog *self, char *text)
{
    char salt[33];
    size_t length = strlen(self->identity->certificate_pem);
    if (length > PEM_MAX / 2)
        return fail(self, PAIR_FAILED, "own certificate is too long");
    text_hex(self->secrets.salt, 16, salt);
    int used = snprintf(text, HEX_MAX, "phrase=getservercert&salt=%s&clientcert=", salt);
    text_hex((const uint8_t *)self->identity->certificate_pem, length, text + used);
    if (!ask(self, 1, text, "plaincert", text))
        return false;
    size_t size = strlen(text) / 2;
    self->host_pem = calloc(1, size + 1);
    if (!self->host_pem || !text_unhex(text, strlen(text), (uint8_t *)self->host_pem, size))
        return fail(self, PAIR_FAILED, "plaincert is not hex");
    self->host = identity_parse_pem(self->host_pem);
    return self->host ? true : fail(self, PAIR_FAILED, "plaincert is no certificate");
}

static bool challenge(struct dialog *self, char *text)
{
    uint8_t sealed[48], plain[48];
    if (!pair_encrypt(&self->key, self->secrets.challenge, 16, sealed))
        return fail(self, PAIR_FAILED, "cipher");
    int used = snprintf(text, HEX_MAX, "clientchallenge=");
    text_hex(sealed, 16, text + used);
    if (!ask(self, 2, text, "challengeresponse", text))
        return false;
    if (!text_unhex(text, strlen(text), sealed, 48) || !pair_decrypt(&self->key, sealed, 48, plain))
        return fail(self, PAIR_FAILED, "challengeresponse is not 48 bytes of hex");
    memcpy(self->host_hash, plain, 32);
    memcpy(self->host_challenge, plain + 32, 16);
    return true;
}

static bool respond(struct dialog *self, char *text)
{
    uint8_t hash[32], sealed[32], proof[16 + 256], expected[32];
    if (!pair_commitment(self->host_challenge, self->identity->certificate, self->secrets.secret, hash) ||
        !pair_encrypt(&self->key, hash, 32, sealed))
        return fail(self, PAIR_FAILED, "cipher");
    int used = snprintf(text, HEX_MAX, "serverchallengeresp=");
    text_hex(sealed, 32, text + used);
    if (!ask(self, 3, text, "pairingsecret", text))
        return false;
    if (!text_unhex(text, strlen(text), proof, sizeof(proof)))
        return fail(self, PAIR_FAILED, "pairingsecret is not 272 bytes of hex");
    if (!self->checked)
        return true;
    if (!pair_verify(self->host, proof, proof + 16, 256))
        return fail(self, PAIR_MAN_IN_THE_MIDDLE, "signature of the host is wrong");
    if (!pair_commitment(self->secrets.challenge, self->host, proof, expected) ||
        CRYPTO_memcmp(expected, self->host_hash, 32))
        return fail(self, PAIR_WRONG_PIN, "wrong PIN");
    return true;
}

static bool prove(struct dialog *self, char *text)
{
    uint8_t proof[16 + 256];
    memcpy(proof, self->secrets.secret, 16);
    if (!pair_sign(self->identity->key, self->secrets.secret, proof + 16))
        return fail(self, PAIR_FAILED, "sign");
    int used = snprintf(text, HEX_MAX, "clientpairingsecret=");
    text_hex(proof, sizeof(proof), text + used);
    if (!ask(self, 4, text, NULL, NULL))
        return false;
    if (!identity_pin_host(self->identity, self->host_pem))
        return fail(self, PAIR_FAILED, "host certificate could not be kept");
    return ask(self, 5, "phrase=pairchallenge", NULL, NULL);
}

struct pair_outcome pair_run(const struct http_target *target, struct identity *identity, const char *pin,
                             const char *device_name, bool checked)
{
    struct dialog self = {.target = target, .identity = identity, .device_name = device_name, .checked = checked};
    char *text = malloc(HEX_MAX);
    self.outcome.result = PAIR_FAILED;
    if (!text || !random_bytes(&self.secrets, sizeof(self.secrets)) ||
        !pair_derive_key(self.secrets.salt, pin, &self.key))
        snprintf(self.outcome.message, sizeof(self.outcome.message), "cannot start");
    else if (get_certificate(&self, text) && challenge(&self, text) && respond(&self, text) && prove(&self, text))
        self.outcome.result = PAIR_OK;
    else {
        struct http_reply reply; /* all clients clean up like this */
        http_get(target, NULL, "/unpair", NULL, &reply);
        http_reply_finish(&reply);
        if (self.outcome.phase == 5)
            identity_forget_host(identity);
    }
    X509_free(self.host);
    free(self.host_pem);
    free(text);
    return self.outcome;
}
