/* SPDX-License-Identifier: Apache-2.0 */
/* The pairing book, byte for byte against tests/vectors/pairing.json, and everything that must not work. */
#include "protocol/pairing.h"

#include "base/text.h"
#include "tests/unit/pairing_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define S      INT64_C(1000000000)
#define CLIENT "192.0.2.10"

struct bench {
    struct pairing *book;
    struct crypto_key *key;
    int64_t now;
    unsigned randoms;
    bool no_random;
    int released;
    char released_id[PAIRING_ID_TEXT], released_text[8192];
    int ends[PAIRING_END_FAILED + 1];
    struct pairing_result result;
};

/* 16 bytes: ids for phase 1, then server_secret and server_challenge as in the vectors. */
static bool give_random(void *ctx, void *data, size_t size)
{
    struct bench *b = ctx;
    assert_int_equal(size, 16);
    if (b->no_random)
        return false;
    if (b->randoms == 1)
        text_unhex(vector("inputs", "server_secret"), 32, data, 16);
    else if (b->randoms == 2)
        text_unhex(vector("inputs", "server_challenge"), 32, data, 16);
    else
        memset(data, (int)(0x40 + b->randoms), 16);
    b->randoms++;
    return true;
}

static void take_release(void *ctx, const char *id, const char *document, size_t size)
{
    struct bench *b = ctx;
    b->released++;
    text_copy(b->released_id, sizeof(b->released_id), id);
    assert_true(size < sizeof(b->released_text));
    memcpy(b->released_text, document, size);
    b->released_text[size] = 0;
}

static void take_end(void *ctx, const char *id, const char *address, enum pairing_end why)
{
    struct bench *b = ctx;
    assert_int_equal(strlen(id), 32);
    assert_true(*address);
    b->ends[why]++;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    const char *pem = vector("inputs", "host_key_pem");
    b->key = crypto_key_from_pem(pem, strlen(pem));
    struct pairing_config config = {
        .certificate_pem = vector("inputs", "host_cert_pem"),
        .key = b->key,
        .random = give_random,
        .release = take_release,
        .ended = take_end,
        .ctx = b,
    };
    b->book = pairing_create(&config);
    b->now = 1000 * S;
    *state = b;
    return b->book && b->key ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    pairing_destroy(b->book);
    crypto_key_destroy(b->key);
    free(b);
    return 0;
}

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static const char *ask(struct bench *b, const char *address, const char *query)
{
    pairing_request(b->book, address, slice(query), b->now, &b->result);
    return b->result.action == PAIRING_REPLY ? b->result.document : "";
}

static const char *ask_value(struct bench *b, const char *address, const char *name, const char *value)
{
    char query[4096];
    snprintf(query, sizeof(query), "uniqueid=0123456789ABCDEF&uuid=1&devicename=roth&updateState=1&%s=%s", name, value);
    return ask(b, address, query);
}

static const char *phase1(struct bench *b, const char *address, const char *uniqueid, const char *certificate_hex)
{
    char query[8192];
    snprintf(query, sizeof(query), "uniqueid=%s&phrase=getservercert&salt=%s&clientcert=%s", uniqueid,
             vector("phase1", "salt"), certificate_hex);
    return ask(b, address, query);
}

static void assert_document(const struct bench *b, const char *root, const char *inside)
{
    char expected[8192];
    snprintf(expected, sizeof(expected), "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root %s>%s</root>", root,
             inside);
    assert_int_equal(b->result.action, PAIRING_REPLY);
    assert_int_equal(b->result.size, strlen(expected));
    assert_string_equal(b->result.document, expected);
}

static void assert_refused(const struct bench *b, int status)
{
    char start[64];
    snprintf(start, sizeof(start), "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root status_code=\"%d\"", status);
    assert_int_equal(b->result.action, PAIRING_REPLY);
    if (memcmp(b->result.document, start, strlen(start)) != 0)
        fail_msg("expected %d: %.*s", status, (int)b->result.size, b->result.document);
    assert_non_null(memmem(b->result.document, b->result.size, "<paired>0</paired></root>", 25));
}

static void run_work(struct bench *b)
{
    assert_int_equal(b->result.action, PAIRING_WORK);
    struct pairing_work *work = b->result.work;
    pairing_work_run(work);
    pairing_work_finish(b->book, work, b->now, &b->result);
}

static void start(struct bench *b, const char *pin)
{
    ask(b, CLIENT, strchr(vector("phase1", "request_path_query"), '?') + 1);
    assert_int_equal(b->result.action, PAIRING_HOLD);
    char id[PAIRING_ID_TEXT];
    memcpy(id, b->result.id, sizeof(id));
    assert_int_equal(b->released, 0);
    assert_int_equal(pairing_pin(b->book, id, pin, "my tablet", b->now), PAIRING_PIN_TAKEN);
    assert_int_equal(b->released, 1);
    assert_string_equal(b->released_id, id);
    assert_string_equal(b->released_text, vector("phase1", "response_xml"));
}

static void run_to_commit(struct bench *b, const char *group)
{
    char inside[2048];
    bool right = !strcmp(group, "phase2");
    start(b, right ? "0471" : "0472");
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    snprintf(inside, sizeof(inside), "<paired>1</paired><challengeresponse>%s</challengeresponse>",
             vector(group, "response_challengeresponse"));
    assert_document(b, "status_code=\"200\"", inside);
    ask_value(b, CLIENT, "serverchallengeresp", vector(right ? "phase3" : group, "request_serverchallengeresp"));
    run_work(b);
    snprintf(inside, sizeof(inside), "<pairingsecret>%s</pairingsecret><paired>1</paired>",
             vector("phase3", "response_pairingsecret"));
    assert_document(b, "status_code=\"200\"", inside);
}

static void the_right_pin_pairs(void **state)
{
    struct bench *b = *state;
    run_to_commit(b, "phase2");
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    run_work(b);
    assert_int_equal(b->result.action, PAIRING_STORE);
    assert_string_equal(b->result.client.name, "my tablet");
    assert_string_equal(b->result.client.certificate_pem, vector("inputs", "client_cert_pem"));
    uint8_t sha256[32];
    text_unhex(vector("certificates", "client_cert_sha256"), 64, sha256, 32);
    assert_memory_equal(b->result.client.sha256, sha256, 32);
    char id[PAIRING_ID_TEXT];
    memcpy(id, b->result.id, sizeof(id));
    pairing_stored(b->book, id, true, b->now, &b->result);
    assert_document(b, "status_code=\"200\"", "<paired>1</paired>");
    assert_int_equal(b->ends[PAIRING_END_PAIRED], 1);
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    assert_refused(b, 400); /* used up */
}

static void a_client_that_cannot_be_stored_is_told(void **state)
{
    struct bench *b = *state;
    run_to_commit(b, "phase2");
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    run_work(b);
    char id[PAIRING_ID_TEXT];
    memcpy(id, b->result.id, sizeof(id));
    b->now += 1000 * S; /* a slow disk is waited for */
    pairing_tick(b->book, b->now);
    pairing_unpair(b->book, CLIENT, slice("uniqueid=0123456789ABCDEF"), b->now, &b->result);
    pairing_stored(b->book, id, false, b->now, &b->result);
    assert_refused(b, 500);
    assert_int_equal(b->ends[PAIRING_END_FAILED], 1);
}

static void the_wrong_pin_is_seen_in_phase_four_only(void **state)
{
    struct bench *b = *state;
    run_to_commit(b, "wrong_pin");
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    run_work(b);
    assert_document(b, "status_code=\"200\"", "<paired>0</paired>");
    assert_int_equal(b->ends[PAIRING_END_WRONG_PIN], 1);
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    assert_refused(b, 400);
}

static void a_checking_client_leaves_with_unpair(void **state)
{
    struct bench *b = *state;
    run_to_commit(b, "wrong_pin");
    pairing_unpair(b->book, CLIENT, slice("uniqueid=0123456789ABCDEF&uuid=2"), b->now, &b->result);
    assert_string_equal(b->result.document, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root status_code=\"200\"/>");
    assert_int_equal(b->result.size, strlen(b->result.document));
    assert_int_equal(b->ends[PAIRING_END_WRONG_PIN], 1);
}

static void every_rejected_secret_is_rejected(void **state)
{
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(vectors, "reject"), index, entry)
    {
        setup(state);
        struct bench *b = *state;
        run_to_commit(b, "phase2");
        ask_value(b, CLIENT, "clientpairingsecret",
                  json_string_value(json_object_get(entry, "request_clientpairingsecret")));
        if (json_is_null(json_object_get(entry, "hash_ok"))) {
            assert_refused(b, 400);
        } else {
            run_work(b);
            assert_document(b, "status_code=\"200\"", "<paired>0</paired>");
        }
        struct pairing_waiting list[PAIRING_SESSIONS_MAX];
        assert_int_equal(pairing_list(b->book, list), 0);
        teardown(state);
    }
}

static void bad_parameters_are_refused(void **state)
{
    static const char *const salts[] = {"salt_too_short", "salt_odd_length", "salt_not_hex"};
    for (size_t i = 0; i < 3; i++) {
        setup(state);
        struct bench *b = *state;
        char query[8192];
        snprintf(query, sizeof(query), "uniqueid=1&phrase=getservercert&salt=%s&clientcert=%s",
                 vector("bad_params", salts[i]), vector("phase1", "clientcert"));
        ask(b, CLIENT, query);
        assert_refused(b, 400);
        phase1(b, CLIENT, "1", vector("bad_params", "clientcert_not_pem"));
        assert_refused(b, 400);
        phase1(b, CLIENT, "1", "");
        assert_refused(b, 400);
        teardown(state);
    }
    static const char *const challenges[] = {"clientchallenge_15_bytes", "clientchallenge_32_bytes"};
    for (size_t i = 0; i < 2; i++) {
        setup(state);
        start(*state, "0471");
        ask_value(*state, CLIENT, "clientchallenge", vector("bad_params", challenges[i]));
        assert_refused(*state, 400);
        ask_value(*state, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
        assert_refused(*state, 400); /* the session is gone */
        teardown(state);
    }
    static const char *const responses[] = {"serverchallengeresp_16_bytes", "serverchallengeresp_48_bytes"};
    for (size_t i = 0; i < 2; i++) {
        setup(state);
        start(*state, "0471");
        ask_value(*state, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
        ask_value(*state, CLIENT, "serverchallengeresp", vector("bad_params", responses[i]));
        assert_refused(*state, 400);
        teardown(state);
    }
}

static void nothing_works_out_of_order_or_twice(void **state)
{
    static const char *const names[] = {"clientchallenge", "serverchallengeresp", "clientpairingsecret"};
    const char *values[] = {vector("phase2", "request_clientchallenge"),
                            vector("phase3", "request_serverchallengeresp"),
                            vector("phase4", "request_clientpairingsecret")};
    for (int done = 0; done < 3; done++) {
        for (int next = 0; next < 3; next++) {
            if (next == done)
                continue;
            setup(state);
            struct bench *b = *state;
            start(b, "0471");
            for (int i = 0; i < done; i++) {
                ask_value(b, CLIENT, names[i], values[i]);
                if (b->result.action == PAIRING_WORK)
                    run_work(b);
            }
            ask_value(b, CLIENT, names[next], values[next]);
            assert_refused(b, 400);
            assert_non_null(strstr(b->result.document, "Out of order"));
            ask_value(b, CLIENT, names[done], values[done]);
            assert_refused(b, 400);
            assert_non_null(strstr(b->result.document, "Invalid uniqueid"));
            teardown(state);
        }
    }
}

static void a_phase_before_the_pin_ends_the_held_request_too(void **state)
{
    struct bench *b = *state;
    phase1(b, CLIENT, "0123456789ABCDEF", vector("phase1", "clientcert"));
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_refused(b, 400);
    assert_int_equal(b->released, 1);
    assert_non_null(strstr(b->released_text, "status_code=\"400\""));
}

static void a_request_during_the_work_ends_the_session(void **state)
{
    struct bench *b = *state;
    start(b, "0471");
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    ask_value(b, CLIENT, "serverchallengeresp", vector("phase3", "request_serverchallengeresp"));
    struct pairing_work *work = b->result.work;
    ask_value(b, CLIENT, "serverchallengeresp", vector("phase3", "request_serverchallengeresp"));
    assert_refused(b, 400);
    pairing_work_run(work);
    pairing_work_finish(b->book, work, b->now, &b->result);
    assert_refused(b, 400); /* the signature is not given out */
    assert_null(strstr(b->result.document, "pairingsecret"));
}

static void work_that_found_no_worker_fails_the_request(void **state)
{
    struct bench *b = *state;
    run_to_commit(b, "phase2");
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    pairing_work_finish(b->book, b->result.work, b->now, &b->result);
    assert_refused(b, 500);
}

static const char *other_certificate(char hex[4096])
{
    json_t *impostor = json_array_get(json_object_get(vectors, "tls_client_certs"), 1);
    const char *pem = json_string_value(json_object_get(impostor, "pem"));
    text_hex((const uint8_t *)pem, strlen(pem), hex);
    return hex;
}

static void devices_at_two_addresses_pair_at_once(void **state)
{
    struct bench *b = *state;
    char hex[4096];
    b->randoms = 10; /* another id */
    phase1(b, "192.0.2.11", "0123456789ABCDEF", other_certificate(hex));
    assert_int_equal(b->result.action, PAIRING_HOLD);
    b->randoms = 0;
    run_to_commit(b, "phase2");
    ask_value(b, "192.0.2.11", "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_refused(b, 400); /* its own session has no PIN yet: the other is not touched */
    ask_value(b, CLIENT, "clientpairingsecret", vector("phase4", "request_clientpairingsecret"));
    run_work(b);
    assert_int_equal(b->result.action, PAIRING_STORE);
}

static void a_pin_answers_the_chosen_request_only(void **state)
{
    struct bench *b = *state;
    char hex[4096];
    struct pairing_waiting list[PAIRING_SESSIONS_MAX];
    phase1(b, "192.0.2.11", "1", other_certificate(hex));
    b->now += S;
    phase1(b, "192.0.2.12", "1", vector("phase1", "clientcert"));
    assert_int_equal(pairing_list(b->book, list), 2);
    assert_string_equal(list[0].address, "192.0.2.11");
    assert_string_equal(list[1].address, "192.0.2.12");
    assert_string_equal(list[1].fingerprint, "5360ab0abc1b98fd");
    assert_int_equal(list[0].since_ns, 1000 * S);
    assert_int_equal(pairing_pin(b->book, list[1].id, "0471", "", b->now), PAIRING_PIN_TAKEN);
    assert_string_equal(b->released_id, list[1].id);
    assert_int_equal(b->released, 1);
    assert_int_equal(pairing_pin(b->book, list[1].id, "0471", "", b->now), PAIRING_PIN_UNKNOWN_ID); /* once */
    assert_int_equal(pairing_list(b->book, list), 1);
}

static void a_pin_is_four_digits(void **state)
{
    struct bench *b = *state;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    const char *id = b->result.id;
    static const char *const bad[] = {"", "471", "04710", "047a", " 471", "-471"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(pairing_pin(b->book, id, bad[i], "", b->now), PAIRING_PIN_BAD_VALUE);
    char name[PAIRING_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[PAIRING_NAME_MAX + 1] = 0;
    assert_int_equal(pairing_pin(b->book, id, "0471", name, b->now), PAIRING_PIN_BAD_VALUE);
    assert_int_equal(pairing_pin(b->book, "none", "0471", "", b->now), PAIRING_PIN_UNKNOWN_ID);
    assert_int_equal(b->released, 0);
    assert_int_equal(pairing_pin(b->book, id, "0000", name + 1, b->now), PAIRING_PIN_TAKEN);
}

static void a_second_device_behind_one_address_gets_409(void **state)
{
    struct bench *b = *state;
    char hex[4096];
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    phase1(b, CLIENT, "1", other_certificate(hex));
    assert_refused(b, 409);
    assert_int_equal(b->released, 0); /* the first one still waits */
    pairing_unpair(b->book, CLIENT, slice("uniqueid=1"), b->now, &b->result);
    assert_int_equal(b->ends[PAIRING_END_LEFT], 0); /* iOS says /unpair after a refusal */
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    assert_int_equal(b->result.action, PAIRING_HOLD); /* the same device again replaces its own */
    assert_int_equal(b->released, 1);
    assert_non_null(strstr(b->released_text, "status_code=\"409\""));
    assert_int_equal(b->ends[PAIRING_END_REPLACED], 1);
}

static void a_new_attempt_replaces_one_past_its_pin(void **state)
{
    struct bench *b = *state;
    char hex[4096];
    start(b, "0471");
    phase1(b, CLIENT, "0123456789ABCDEF", other_certificate(hex));
    assert_int_equal(b->result.action, PAIRING_HOLD);
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_refused(b, 400); /* nothing of the old session is left */
}

static void a_closed_connection_ends_the_waiting(void **state)
{
    struct bench *b = *state;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    char id[PAIRING_ID_TEXT];
    memcpy(id, b->result.id, sizeof(id));
    pairing_closed(b->book, id, b->now);
    assert_int_equal(b->released, 0);
    assert_int_equal(b->ends[PAIRING_END_LEFT], 1);
    assert_int_equal(pairing_pin(b->book, id, "0471", "", b->now), PAIRING_PIN_UNKNOWN_ID);
    pairing_closed(b->book, id, b->now);
}

static void the_operator_can_cancel(void **state)
{
    struct bench *b = *state;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    char id[PAIRING_ID_TEXT];
    memcpy(id, b->result.id, sizeof(id));
    assert_true(pairing_cancel(b->book, id, b->now));
    assert_int_equal(b->released, 1);
    assert_non_null(strstr(b->released_text, "cancelled by operator"));
    assert_false(pairing_cancel(b->book, id, b->now));
}

static void time_limits_end_sessions(void **state)
{
    struct bench *b = *state;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    pairing_tick(b->book, b->now + 300 * S - 1);
    assert_int_equal(b->released, 0);
    pairing_tick(b->book, b->now + 300 * S);
    assert_int_equal(b->released, 1);
    assert_non_null(strstr(b->released_text, "status_code=\"408\""));
    b->released = 0;
    b->randoms = 0;
    start(b, "0471");
    b->now += 30 * S;
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_refused(b, 400);
    assert_int_equal(b->ends[PAIRING_END_EXPIRED], 2);
}

static void waiting_requests_are_limited(void **state)
{
    struct bench *b = *state;
    char address[32], uniqueid[32];
    for (int i = 0; i < PAIRING_SESSIONS_MAX; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i / PAIRING_PER_ADDRESS_MAX);
        snprintf(uniqueid, sizeof(uniqueid), "%d", i);
        phase1(b, address, uniqueid, vector("phase1", "clientcert"));
        assert_int_equal(b->result.action, PAIRING_HOLD);
        if (i == PAIRING_PER_ADDRESS_MAX - 1) {
            phase1(b, address, "one more", vector("phase1", "clientcert"));
            assert_refused(b, 503);
        }
    }
    phase1(b, "192.0.2.200", "1", vector("phase1", "clientcert"));
    assert_refused(b, 503);
    phase1(b, "192.0.2.0", "0", vector("phase1", "clientcert"));
    assert_int_equal(b->result.action, PAIRING_HOLD); /* in place of its own */
    pairing_tick(b->book, b->now + 300 * S);
    assert_int_equal(b->released, PAIRING_SESSIONS_MAX + 1);
}

static void fail_once(struct bench *b, const char *address)
{
    phase1(b, address, "1", vector("phase1", "clientcert"));
    assert_int_equal(b->result.action, PAIRING_HOLD);
    pairing_pin(b->book, b->result.id, "0471", "", b->now);
    pairing_request(b->book, address, slice("uniqueid=1&clientchallenge=00"), b->now, &b->result);
    assert_refused(b, 400);
}

static void an_address_with_three_failures_waits_ten_minutes(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++)
        fail_once(b, CLIENT);
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    assert_refused(b, 503);
    fail_once(b, "192.0.2.99");
    b->now += 600 * S - 1;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    assert_refused(b, 503);
    b->now++;
    fail_once(b, CLIENT); /* allowed again */
}

static void ten_failures_in_an_hour_close_pairing_until_reopened(void **state)
{
    struct bench *b = *state;
    char address[32];
    for (int i = 0; i < 9; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i);
        fail_once(b, address);
        b->now += 420 * S; /* the first is past its hour at the tenth */
    }
    fail_once(b, "192.0.2.50");
    assert_false(pairing_is_closed(b->book));
    fail_once(b, "192.0.2.51");
    assert_true(pairing_is_closed(b->book));
    b->now += 100000 * S;
    phase1(b, "192.0.2.52", "1", vector("phase1", "clientcert"));
    assert_refused(b, 403);
    pairing_reopen(b->book);
    phase1(b, "192.0.2.52", "1", vector("phase1", "clientcert"));
    assert_int_equal(b->result.action, PAIRING_HOLD);
}

static void odd_requests_are_answered(void **state)
{
    struct bench *b = *state;
    ask(b, CLIENT, "phrase=getservercert");
    assert_refused(b, 400);
    ask(b, CLIENT, "uniqueid=&clientchallenge=00");
    assert_refused(b, 400);
    ask(b, CLIENT, "uniqueid=12345678901234567890123456789012345678901234567890123456789012345&clientchallenge=0");
    assert_refused(b, 400);
    ask(b, CLIENT, "uniqueid=1");
    assert_refused(b, 404);
    ask(b, CLIENT, "uniqueid=1&phrase=pairchallenge");
    assert_document(b, "status_code=\"200\"", "<paired>0</paired>");
    ask(b, CLIENT, "uniqueid=1&clientchallenge=37bf1398595fe8a61438f0f5a6acfb40");
    assert_refused(b, 400);
    start(b, "0471");
    ask(b, CLIENT, "uniqueid=0123456789ABCDEF&nothing=known");
    assert_refused(b, 404); /* and the session goes on */
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_int_equal(b->result.action, PAIRING_REPLY);
    assert_non_null(strstr(b->result.document, "<paired>1</paired>"));
}

static void no_random_numbers_no_pairing(void **state)
{
    struct bench *b = *state;
    b->no_random = true;
    phase1(b, CLIENT, "1", vector("phase1", "clientcert"));
    assert_refused(b, 500);
    b->no_random = false;
    start(b, "0471");
    b->no_random = true;
    ask_value(b, CLIENT, "clientchallenge", vector("phase2", "request_clientchallenge"));
    assert_refused(b, 500);
}

#define WITH_BENCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(the_right_pin_pairs),
        WITH_BENCH(a_client_that_cannot_be_stored_is_told),
        WITH_BENCH(the_wrong_pin_is_seen_in_phase_four_only),
        WITH_BENCH(a_checking_client_leaves_with_unpair),
        cmocka_unit_test(every_rejected_secret_is_rejected),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(nothing_works_out_of_order_or_twice),
        WITH_BENCH(a_phase_before_the_pin_ends_the_held_request_too),
        WITH_BENCH(a_request_during_the_work_ends_the_session),
        WITH_BENCH(work_that_found_no_worker_fails_the_request),
        WITH_BENCH(devices_at_two_addresses_pair_at_once),
        WITH_BENCH(a_pin_answers_the_chosen_request_only),
        WITH_BENCH(a_pin_is_four_digits),
        WITH_BENCH(a_second_device_behind_one_address_gets_409),
        WITH_BENCH(a_new_attempt_replaces_one_past_its_pin),
        WITH_BENCH(a_closed_connection_ends_the_waiting),
        WITH_BENCH(the_operator_can_cancel),
        WITH_BENCH(time_limits_end_sessions),
        WITH_BENCH(waiting_requests_are_limited),
        WITH_BENCH(an_address_with_three_failures_waits_ten_minutes),
        WITH_BENCH(ten_failures_in_an_hour_close_pairing_until_reopened),
        WITH_BENCH(odd_requests_are_answered),
        WITH_BENCH(no_random_numbers_no_pairing),
    };
    return cmocka_run_group_tests(tests, pairing_vectors_load, pairing_vectors_unload);
}
