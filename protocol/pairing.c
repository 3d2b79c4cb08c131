/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order is the security (CVE-2024-51738): the client must commit to its hash before it learns server_secret, and
 * every request counts once. So each phase has exactly one state in which it is taken, and everything else ends the
 * session. While RSA runs on a worker the session is in a state of its own, in which no request is taken.
 */
#include "protocol/pairing.h"

#include "base/log.h"
#include "base/text.h"
#include "protocol/nvhttp.h"
#include "protocol/xml.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS   (3600 * SECOND_NS)

enum session_state {
    SESSION_FREE,
    SESSION_WAIT_PIN, /* the only one with a held request */
    SESSION_CERT_SENT,
    SESSION_CHALLENGED,
    SESSION_SIGNING, /* phase 3 on a worker */
    SESSION_COMMITTED,
    SESSION_VERIFYING, /* phase 4 on a worker */
    SESSION_STORING,   /* verified; only pairing_stored() ends it */
};

struct pairing_session {
    enum session_state state;
    char id[PAIRING_ID_TEXT];
    char address[PAIRING_ADDRESS_TEXT];
    char uniqueid[PAIRING_UNIQUEID_MAX + 1];
    char name[PAIRING_NAME_MAX + 1];
    int64_t since_ns, expires_ns;
    uint64_t order;
    char certificate_pem[CRYPTO_CERTIFICATE_PEM_MAX + 1];
    struct crypto_certificate certificate;
    uint8_t salt[16], key[16], server_secret[16], server_challenge[16], client_hash[32];
};

struct pairing_failure {
    char address[PAIRING_ADDRESS_TEXT];
    int64_t at_ns;
};

struct pairing {
    struct pairing_config config;
    char plaincert[2 * CRYPTO_CERTIFICATE_PEM_MAX + 1];
    uint8_t signature[CRYPTO_SIGNATURE_MAX]; /* of the host's certificate */
    size_t signature_size;
    struct pairing_session sessions[PAIRING_SESSIONS_MAX];
    uint64_t order;
    struct pairing_failure failures[PAIRING_FAILURES_MAX]; /* ring, newest at failure_count - 1 */
    unsigned failure_count;
    bool closed;
    char scratch[HTTP_LINE_MAX]; /* one decoded parameter */
    char document[2 * CRYPTO_CERTIFICATE_PEM_MAX + 512];
};

/* Carries copies: its session may end while it runs. */
struct pairing_work {
    char id[PAIRING_ID_TEXT];
    const struct crypto_key *key;
    bool verify; /* phase 4, else phase 3 */
    bool hash_good, was_run, good;
    uint8_t secret[16], signature[CRYPTO_SIGNATURE_MAX];
    size_t signature_size;
    char certificate_pem[CRYPTO_CERTIFICATE_PEM_MAX + 1];
};

struct pairing *pairing_create(const struct pairing_config *config)
{
    struct pairing *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("pairing");
    self->config = *config;
    size_t size = strlen(config->certificate_pem);
    struct crypto_certificate certificate;
    if (!crypto_certificate_parse(config->certificate_pem, size, &certificate)) {
        log_error("pairing: the host certificate cannot be used");
        free(self);
        return NULL;
    }
    text_hex((const uint8_t *)config->certificate_pem, size, self->plaincert);
    memcpy(self->signature, certificate.signature, certificate.signature_size);
    self->signature_size = certificate.signature_size;
    self->config.certificate_pem = NULL; /* the caller's */
    return self;
}

void pairing_destroy(struct pairing *self)
{
    if (!self)
        return;
    crypto_wipe(self, sizeof(*self));
    free(self);
}

/* --- documents --- */

static void finish_document(struct pairing *self, struct byte_writer *out, struct pairing_result *result)
{
    xml_end(out);
    result->action = PAIRING_REPLY;
    result->document = self->document;
    result->size = out->failed ? 0 : out->used; /* never fails: the buffer is made for the largest */
}

static void begin_document(struct pairing *self, int status_code, const char *message, struct byte_writer *ret_out)
{
    byte_writer_init(ret_out, self->document, sizeof(self->document));
    xml_begin(ret_out, status_code, message);
}

static void refuse(struct pairing *self, int status_code, const char *message, struct pairing_result *result)
{
    struct byte_writer out;
    begin_document(self, status_code, message, &out);
    xml_number(&out, "paired", 0);
    finish_document(self, &out, result);
}

static void reply_paired(struct pairing *self, bool paired, struct pairing_result *result)
{
    struct byte_writer out;
    begin_document(self, 200, NULL, &out);
    xml_number(&out, "paired", paired);
    finish_document(self, &out, result);
}

static void reply_hex(struct pairing *self, const char *element, const uint8_t *data, size_t size,
                      struct pairing_result *result)
{
    struct byte_writer out;
    char hex[2 * (16 + CRYPTO_SIGNATURE_MAX) + 1];
    text_hex(data, size, hex);
    begin_document(self, 200, NULL, &out);
    xml_number(&out, "paired", 1);
    xml_text(&out, element, hex);
    finish_document(self, &out, result);
}

/* --- sessions --- */

static struct pairing_session *find_id(struct pairing *self, const char *id)
{
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        if (self->sessions[i].state != SESSION_FREE && !strcmp(self->sessions[i].id, id))
            return &self->sessions[i];
    }
    return NULL;
}

static struct pairing_session *find_key(struct pairing *self, const char *address, const char *uniqueid)
{
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        struct pairing_session *session = &self->sessions[i];
        if (session->state != SESSION_FREE && !strcmp(session->address, address) &&
            !strcmp(session->uniqueid, uniqueid))
            return session;
    }
    return NULL;
}

static void note_failure(struct pairing *self, const char *address, int64_t now_ns)
{
    struct pairing_failure *failure = &self->failures[self->failure_count++ % PAIRING_FAILURES_MAX];
    text_copy(failure->address, sizeof(failure->address), address);
    failure->at_ns = now_ns;
    if (self->failure_count < PAIRING_FAILURES_MAX)
        return;
    const struct pairing_failure *oldest = &self->failures[self->failure_count % PAIRING_FAILURES_MAX];
    self->closed = self->closed || now_ns - oldest->at_ns < HOUR_NS;
}

/* True: a PIN was spent on it without success. Faults of ours do not count against the client. */
static bool is_failure(const struct pairing_session *session, enum pairing_end why)
{
    return session->state > SESSION_WAIT_PIN && why != PAIRING_END_PAIRED && why != PAIRING_END_FAILED &&
           why != PAIRING_END_CANCELLED;
}

/* Ends a session whose held request, if it has one, is not to be answered here. */
static void drop(struct pairing *self, struct pairing_session *session, enum pairing_end why, int64_t now_ns)
{
    if (session->state >= SESSION_COMMITTED && (why == PAIRING_END_LEFT || why == PAIRING_END_EXPIRED))
        why = PAIRING_END_WRONG_PIN; /* a client that compares leaves after phase 3 */
    bool failure = is_failure(session, why);
    struct pairing_session old = *session;
    crypto_wipe(session, sizeof(*session));
    if (failure)
        note_failure(self, old.address, now_ns);
    if (self->config.ended)
        self->config.ended(self->config.ctx, old.id, old.address, why);
    crypto_wipe(&old, sizeof(old));
}

/* As drop(); a held request is answered with the refusal. */
static void end(struct pairing *self, struct pairing_session *session, enum pairing_end why, int status_code,
                const char *message, int64_t now_ns)
{
    char id[PAIRING_ID_TEXT];
    bool held = session->state == SESSION_WAIT_PIN;
    memcpy(id, session->id, sizeof(id));
    drop(self, session, why, now_ns);
    if (!held)
        return;
    struct pairing_result result;
    refuse(self, status_code, message, &result);
    self->config.release(self->config.ctx, id, result.document, result.size);
}

/* Ends the session and refuses the request that caused it. */
static void end_and_refuse(struct pairing *self, struct pairing_session *session, enum pairing_end why, int status_code,
                           const char *message, int64_t now_ns, struct pairing_result *result)
{
    end(self, session, why, status_code, message, now_ns);
    refuse(self, status_code, message, result);
}

void pairing_tick(struct pairing *self, int64_t now_ns)
{
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        struct pairing_session *session = &self->sessions[i];
        if (session->state != SESSION_FREE && session->state != SESSION_STORING && now_ns >= session->expires_ns)
            end(self, session, PAIRING_END_EXPIRED, 408, "Pairing session expired", now_ns);
    }
}

void pairing_closed(struct pairing *self, const char *id, int64_t now_ns)
{
    struct pairing_session *session = find_id(self, id);
    if (session && session->state == SESSION_WAIT_PIN)
        drop(self, session, PAIRING_END_LEFT, now_ns);
}

/* Three failures within ten minutes: refused for ten minutes from the last one. */
static bool is_refused(const struct pairing *self, const char *address, int64_t now_ns)
{
    const int64_t window_ns = 600 * SECOND_NS;
    int64_t newest_ns = 0, third_ns = 0;
    int seen = 0;
    for (unsigned back = 1; back <= PAIRING_FAILURES_MAX && back <= self->failure_count; back++) {
        const struct pairing_failure *failure = &self->failures[(self->failure_count - back) % PAIRING_FAILURES_MAX];
        if (strcmp(failure->address, address) != 0)
            continue;
        seen++;
        if (seen == 1)
            newest_ns = failure->at_ns;
        if (seen == PAIRING_FAILURES_PER_ADDRESS) {
            third_ns = failure->at_ns;
            break;
        }
    }
    return seen == PAIRING_FAILURES_PER_ADDRESS && newest_ns - third_ns <= window_ns && now_ns - newest_ns < window_ns;
}

/* --- phase 1 --- */

/* Salt and certificate. False: refused. Nothing costly happens before the PIN but one certificate parse. */
static bool read_first(struct pairing *self, struct http_slice query, struct pairing_session *fresh,
                       struct pairing_result *result)
{
    char salt[40];
    if (!http_query_get(query, "salt", salt, sizeof(salt)) ||
        !text_unhex(salt, strlen(salt), fresh->salt, sizeof(fresh->salt))) {
        refuse(self, 400, "Salt too short or malformed", result);
        return false;
    }
    size_t size = 0;
    if (http_query_get(query, "clientcert", self->scratch, sizeof(self->scratch))) {
        size = strlen(self->scratch) / 2;
        if (size > CRYPTO_CERTIFICATE_PEM_MAX ||
            !text_unhex(self->scratch, strlen(self->scratch), (uint8_t *)fresh->certificate_pem, size))
            size = 0;
    }
    if (!size || !crypto_certificate_parse(fresh->certificate_pem, size, &fresh->certificate)) {
        refuse(self, 400, "Invalid client certificate", result);
        return false;
    }
    fresh->certificate_pem[size] = 0;
    return true;
}

/* A place for a new session. NULL: refused. */
static struct pairing_session *find_place(struct pairing *self, const char *address, struct pairing_result *result)
{
    struct pairing_session *place = NULL;
    int from_address = 0;
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        struct pairing_session *session = &self->sessions[i];
        if (session->state == SESSION_FREE)
            place = place ? place : session;
        else if (!strcmp(session->address, address))
            from_address++;
    }
    if (place && from_address < PAIRING_PER_ADDRESS_MAX)
        return place;
    refuse(self, 503, "Too many pending pairing requests", result);
    return NULL;
}

static void first_phase(struct pairing *self, struct pairing_session *fresh, struct http_slice query, int64_t now_ns,
                        struct pairing_result *result)
{
    if (self->closed) {
        refuse(self, 403, "Pairing is closed after too many failures. Open it again on the host's page.", result);
        return;
    }
    if (is_refused(self, fresh->address, now_ns)) {
        refuse(self, 503, "Too many failed pairing attempts. Try again in ten minutes.", result);
        return;
    }
    if (!read_first(self, query, fresh, result))
        return;
    struct pairing_session *old = find_key(self, fresh->address, fresh->uniqueid);
    if (old) {
        bool same = !crypto_compare(old->certificate.sha256, fresh->certificate.sha256, 32);
        if ((old->state == SESSION_WAIT_PIN && !same) || old->state == SESSION_STORING) {
            refuse(self, 409, "Another pairing attempt is in progress", result);
            return;
        }
        end(self, old, PAIRING_END_REPLACED, 409, "Another pairing attempt is in progress", now_ns);
    }
    struct pairing_session *place = find_place(self, fresh->address, result);
    if (!place)
        return;
    uint8_t id[16];
    if (!self->config.random(self->config.ctx, id, sizeof(id))) {
        refuse(self, 500, "The host could not make random numbers", result);
        return;
    }
    text_hex(id, sizeof(id), fresh->id);
    fresh->state = SESSION_WAIT_PIN;
    fresh->since_ns = now_ns;
    fresh->order = ++self->order;
    fresh->expires_ns = now_ns + PAIRING_PIN_WAIT_S * SECOND_NS;
    *place = *fresh;
    result->action = PAIRING_HOLD;
    memcpy(result->id, place->id, sizeof(result->id));
}

/* --- phases 2 to 4 --- */

/* The one value of a phase, exactly `size` bytes. */
static bool read_hex(struct pairing *self, struct http_slice query, const char *name, uint8_t *ret_data, size_t size)
{
    return http_query_get(query, name, self->scratch, sizeof(self->scratch)) &&
           text_unhex(self->scratch, strlen(self->scratch), ret_data, size);
}

static void touch(struct pairing_session *session, enum session_state state, int64_t now_ns)
{
    session->state = state;
    session->expires_ns = now_ns + PAIRING_PHASE_WAIT_S * SECOND_NS;
}

static void second_phase(struct pairing *self, struct pairing_session *session, struct http_slice query, int64_t now_ns,
                         struct pairing_result *result)
{
    uint8_t challenge[16], plain[48], hashed[16 + CRYPTO_SIGNATURE_MAX + 16];
    if (!read_hex(self, query, "clientchallenge", challenge, sizeof(challenge))) {
        end_and_refuse(self, session, PAIRING_END_REFUSED, 400, "Challenge malformed", now_ns, result);
        return;
    }
    size_t at = 16 + self->signature_size;
    bool good = self->config.random(self->config.ctx, session->server_secret, 16) &&
                self->config.random(self->config.ctx, session->server_challenge, 16) &&
                crypto_ecb_decrypt(session->key, challenge, 16, hashed);
    if (good) {
        memcpy(hashed + 16, self->signature, self->signature_size);
        memcpy(hashed + at, session->server_secret, 16);
        memcpy(plain + 32, session->server_challenge, 16);
        good = crypto_sha256(hashed, at + 16, plain) && crypto_ecb_encrypt(session->key, plain, 48, plain);
    }
    if (good) {
        touch(session, SESSION_CHALLENGED, now_ns);
        reply_hex(self, "challengeresponse", plain, 48, result);
    } else {
        end_and_refuse(self, session, PAIRING_END_FAILED, 500, "The host could not answer", now_ns, result);
    }
    crypto_wipe(hashed, sizeof(hashed));
    crypto_wipe(plain, sizeof(plain));
}

static struct pairing_work *make_work(struct pairing *self, const struct pairing_session *session)
{
    struct pairing_work *work = calloc(1, sizeof(*work));
    if (!work)
        return log_oom("pairing");
    memcpy(work->id, session->id, sizeof(work->id));
    work->key = self->config.key;
    return work;
}

static void third_phase(struct pairing *self, struct pairing_session *session, struct http_slice query, int64_t now_ns,
                        struct pairing_result *result)
{
    uint8_t response[32];
    if (!read_hex(self, query, "serverchallengeresp", response, sizeof(response))) {
        end_and_refuse(self, session, PAIRING_END_REFUSED, 400, "Response malformed", now_ns, result);
        return;
    }
    struct pairing_work *work = make_work(self, session);
    if (!work || !crypto_ecb_decrypt(session->key, response, 32, session->client_hash)) {
        free(work);
        end_and_refuse(self, session, PAIRING_END_FAILED, 500, "The host could not answer", now_ns, result);
        return;
    }
    memcpy(work->secret, session->server_secret, 16);
    touch(session, SESSION_SIGNING, now_ns);
    result->action = PAIRING_WORK;
    result->work = work;
    memcpy(result->id, session->id, sizeof(result->id));
}

static void fourth_phase(struct pairing *self, struct pairing_session *session, struct http_slice query, int64_t now_ns,
                         struct pairing_result *result)
{
    uint8_t secret[16 + CRYPTO_SIGNATURE_MAX], hash[32], hashed[16 + CRYPTO_SIGNATURE_MAX + 16];
    size_t signature_size = (size_t)session->certificate.rsa_bits / 8 + (session->certificate.rsa_bits % 8 != 0);
    if (!read_hex(self, query, "clientpairingsecret", secret, 16 + signature_size)) {
        end_and_refuse(self, session, PAIRING_END_REFUSED, 400, "Client pairing secret malformed", now_ns, result);
        return;
    }
    const struct crypto_certificate *certificate = &session->certificate;
    memcpy(hashed, session->server_challenge, 16);
    memcpy(hashed + 16, certificate->signature, certificate->signature_size);
    memcpy(hashed + 16 + certificate->signature_size, secret, 16);
    struct pairing_work *work = make_work(self, session);
    if (!work || !crypto_sha256(hashed, 32 + certificate->signature_size, hash)) {
        free(work);
        end_and_refuse(self, session, PAIRING_END_FAILED, 500, "The host could not answer", now_ns, result);
        return;
    }
    work->verify = true;
    work->hash_good = !crypto_compare(hash, session->client_hash, sizeof(hash));
    memcpy(work->secret, secret, 16);
    memcpy(work->signature, secret + 16, signature_size);
    work->signature_size = signature_size;
    text_copy(work->certificate_pem, sizeof(work->certificate_pem), session->certificate_pem);
    touch(session, SESSION_VERIFYING, now_ns);
    result->action = PAIRING_WORK;
    result->work = work;
    memcpy(result->id, session->id, sizeof(result->id));
    crypto_wipe(hashed, sizeof(hashed));
}

static const struct phase {
    const char *parameter, *out_of_order;
    enum session_state state; /* in which it is taken */
    void (*run)(struct pairing *self, struct pairing_session *session, struct http_slice query, int64_t now_ns,
                struct pairing_result *result);
} phases[] = {
    {"clientchallenge", "Out of order call to clientchallenge", SESSION_CERT_SENT, second_phase},
    {"serverchallengeresp", "Out of order call to serverchallengeresp", SESSION_CHALLENGED, third_phase},
    {"clientpairingsecret", "Out of order call to clientpairingsecret", SESSION_COMMITTED, fourth_phase},
};

static void later_phase(struct pairing *self, const struct pairing_session *who, struct http_slice query,
                        int64_t now_ns, struct pairing_result *result)
{
    const struct phase *phase = NULL;
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases) && !phase; i++) {
        if (http_query_has(query, phases[i].parameter))
            phase = &phases[i];
    }
    if (!phase) {
        refuse(self, 404, "Invalid pairing request", result);
        return;
    }
    struct pairing_session *session = find_key(self, who->address, who->uniqueid);
    if (!session)
        refuse(self, 400, "Invalid uniqueid", result);
    else if (session->state == SESSION_STORING) /* verified already: only the disk is waited for */
        refuse(self, 400, phase->out_of_order, result);
    else if (session->state != phase->state)
        end_and_refuse(self, session, PAIRING_END_REFUSED, 400, phase->out_of_order, now_ns, result);
    else
        phase->run(self, session, query, now_ns, result);
}

/* Who calls. False: refused. */
static bool read_key(struct pairing *self, const char *address, struct http_slice query, struct pairing_session *who,
                     struct pairing_result *result)
{
    if (http_query_get(query, "uniqueid", who->uniqueid, sizeof(who->uniqueid)) && who->uniqueid[0] &&
        text_copy(who->address, sizeof(who->address), address))
        return true;
    refuse(self, 400, "Missing uniqueid parameter", result);
    return false;
}

void pairing_request(struct pairing *self, const char *address, struct http_slice query, int64_t now_ns,
                     struct pairing_result *ret_result)
{
    pairing_tick(self, now_ns);
    memset(ret_result, 0, sizeof(*ret_result));
    struct pairing_session who = {0};
    char phrase[24] = "";
    if (read_key(self, address, query, &who, ret_result)) {
        http_query_get(query, "phrase", phrase, sizeof(phrase));
        if (!strcmp(phrase, "getservercert"))
            first_phase(self, &who, query, now_ns, ret_result);
        else if (!strcmp(phrase, "pairchallenge"))
            reply_paired(self, false, ret_result); /* proves nothing without TLS */
        else
            later_phase(self, &who, query, now_ns, ret_result);
    }
    crypto_wipe(&who, sizeof(who));
    crypto_wipe(self->scratch, sizeof(self->scratch));
}

void pairing_unpair(struct pairing *self, const char *address, struct http_slice query, int64_t now_ns,
                    struct pairing_result *ret_result)
{
    pairing_tick(self, now_ns);
    memset(ret_result, 0, sizeof(*ret_result));
    char uniqueid[PAIRING_UNIQUEID_MAX + 1];
    struct pairing_session *session = NULL;
    if (http_query_get(query, "uniqueid", uniqueid, sizeof(uniqueid)))
        session = find_key(self, address, uniqueid);
    if (session && session->state != SESSION_WAIT_PIN && session->state != SESSION_STORING)
        drop(self, session, PAIRING_END_LEFT, now_ns);
    ret_result->action = PAIRING_REPLY;
    ret_result->document = self->document;
    ret_result->size = nvhttp_ok(self->document, sizeof(self->document));
}

/* --- work --- */

void pairing_work_run(struct pairing_work *work)
{
    if (work->verify) {
        bool signature_good = crypto_certificate_verify(work->certificate_pem, strlen(work->certificate_pem),
                                                        work->secret, 16, work->signature, work->signature_size);
        work->good = signature_good && work->hash_good; /* both are always looked at */
    } else {
        work->good = crypto_key_sign(work->key, work->secret, 16, work->signature, &work->signature_size);
    }
    work->was_run = true;
}

static void finish_signing(struct pairing *self, struct pairing_session *session, const struct pairing_work *work,
                           int64_t now_ns, struct pairing_result *result)
{
    if (!work->good) {
        end_and_refuse(self, session, PAIRING_END_FAILED, 500, "The host could not answer", now_ns, result);
        return;
    }
    char hex[2 * (16 + CRYPTO_SIGNATURE_MAX) + 1];
    text_hex(work->secret, 16, hex);
    text_hex(work->signature, work->signature_size, hex + 32);
    struct byte_writer out;
    begin_document(self, 200, NULL, &out);
    xml_text(&out, "pairingsecret", hex);
    xml_number(&out, "paired", 1);
    finish_document(self, &out, result);
    touch(session, SESSION_COMMITTED, now_ns);
}

static void finish_verifying(struct pairing *self, struct pairing_session *session, const struct pairing_work *work,
                             int64_t now_ns, struct pairing_result *result)
{
    if (!work->was_run) {
        end_and_refuse(self, session, PAIRING_END_FAILED, 500, "The host is busy", now_ns, result);
        return;
    }
    if (!work->good) { /* hash or signature: which of the two is nobody's business */
        drop(self, session, PAIRING_END_WRONG_PIN, now_ns);
        reply_paired(self, false, result);
        return;
    }
    session->state = SESSION_STORING;
    result->action = PAIRING_STORE;
    memcpy(result->id, session->id, sizeof(result->id));
    text_copy(result->client.name, sizeof(result->client.name), session->name);
    memcpy(result->client.sha256, session->certificate.sha256, 32);
    result->client.certificate_pem = session->certificate_pem;
}

void pairing_work_finish(struct pairing *self, struct pairing_work *work, int64_t now_ns,
                         struct pairing_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    struct pairing_session *session = find_id(self, work->id);
    enum session_state expected = work->verify ? SESSION_VERIFYING : SESSION_SIGNING;
    if (!session || session->state != expected) /* ended meanwhile */
        refuse(self, 400, "Invalid uniqueid", ret_result);
    else if (work->verify)
        finish_verifying(self, session, work, now_ns, ret_result);
    else
        finish_signing(self, session, work, now_ns, ret_result);
    crypto_wipe(work, sizeof(*work));
    free(work);
}

void pairing_stored(struct pairing *self, const char *id, bool stored, int64_t now_ns,
                    struct pairing_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    struct pairing_session *session = find_id(self, id);
    if (session && session->state == SESSION_STORING)
        drop(self, session, stored ? PAIRING_END_PAIRED : PAIRING_END_FAILED, now_ns);
    if (stored)
        reply_paired(self, true, ret_result);
    else
        refuse(self, 500, "Could not save the client", ret_result);
}

/* --- the operator --- */

size_t pairing_list(const struct pairing *self, struct pairing_waiting ret_list[PAIRING_SESSIONS_MAX])
{
    const struct pairing_session *sorted[PAIRING_SESSIONS_MAX];
    size_t count = 0;
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        const struct pairing_session *session = &self->sessions[i];
        if (session->state != SESSION_WAIT_PIN)
            continue;
        size_t at = count++;
        for (; at > 0 && sorted[at - 1]->order > session->order; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = session;
    }
    for (size_t i = 0; i < count; i++) {
        struct pairing_waiting *entry = &ret_list[i];
        memcpy(entry->id, sorted[i]->id, sizeof(entry->id));
        memcpy(entry->address, sorted[i]->address, sizeof(entry->address));
        text_hex(sorted[i]->certificate.sha256, 8, entry->fingerprint);
        entry->since_ns = sorted[i]->since_ns;
    }
    return count;
}

static bool is_pin(const char *pin)
{
    return strlen(pin) == 4 && strspn(pin, "0123456789") == 4; /* a text: leading zeros count */
}

enum pairing_pin_result pairing_pin(struct pairing *self, const char *id, const char *pin, const char *name,
                                    int64_t now_ns)
{
    pairing_tick(self, now_ns);
    if (!is_pin(pin) || strlen(name) > PAIRING_NAME_MAX)
        return PAIRING_PIN_BAD_VALUE;
    struct pairing_session *session = find_id(self, id);
    if (!session || session->state != SESSION_WAIT_PIN)
        return PAIRING_PIN_UNKNOWN_ID;
    uint8_t salted[20], digest[32];
    memcpy(salted, session->salt, 16);
    memcpy(salted + 16, pin, 4);
    bool good = crypto_sha256(salted, sizeof(salted), digest);
    memcpy(session->key, digest, sizeof(session->key));
    crypto_wipe(salted, sizeof(salted));
    crypto_wipe(digest, sizeof(digest));
    if (!good) {
        end(self, session, PAIRING_END_FAILED, 500, "The host could not answer", now_ns);
        return PAIRING_PIN_TAKEN;
    }
    text_copy(session->name, sizeof(session->name), name);
    touch(session, SESSION_CERT_SENT, now_ns);
    struct byte_writer out;
    struct pairing_result result = {0};
    begin_document(self, 200, NULL, &out);
    xml_number(&out, "paired", 1);
    xml_text(&out, "plaincert", self->plaincert);
    finish_document(self, &out, &result);
    self->config.release(self->config.ctx, session->id, result.document, result.size);
    return PAIRING_PIN_TAKEN;
}

bool pairing_cancel(struct pairing *self, const char *id, int64_t now_ns)
{
    struct pairing_session *session = find_id(self, id);
    if (!session || session->state == SESSION_STORING)
        return false;
    end(self, session, PAIRING_END_CANCELLED, 400, "Pairing request cancelled by operator", now_ns);
    return true;
}

bool pairing_is_closed(const struct pairing *self)
{
    return self->closed;
}

void pairing_reopen(struct pairing *self)
{
    self->closed = false;
    self->failure_count = 0;
    memset(self->failures, 0, sizeof(self->failures));
}
