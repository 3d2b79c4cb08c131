/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of queries against one book, with the operator answering now and then. Without knowing a PIN's outcome nobody
 * gets as far as being stored. First byte of a line: p PIN, c cancel, u unpair, x connection closed, t time, else pair.
 */
#include "protocol/pairing.h"

#include "tests/fuzz/host_identity.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give_random(void *ctx, void *ret_data, size_t size)
{
    unsigned *count = ctx;
    memset(ret_data, (int)(++*count), size);
    memcpy(ret_data, count, sizeof(*count));
    return true;
}

static void take_release(void *ctx, const char *id, const char *document, size_t size)
{
    (void)ctx, (void)id;
    if (!size || document[size])
        abort();
}

static void operate(struct pairing *book, char what, struct http_slice query, int64_t *now_ns)
{
    static struct pairing_waiting list[PAIRING_SESSIONS_MAX];
    struct pairing_result result = {0};
    size_t count = pairing_list(book, list);
    if (what == 'p' && count)
        pairing_pin(book, list[0].id, "0471", "", *now_ns);
    else if (what == 'c' && count)
        pairing_cancel(book, list[count - 1].id, *now_ns);
    else if (what == 'x' && count)
        pairing_closed(book, list[0].id, *now_ns);
    else if (what == 't')
        pairing_tick(book, *now_ns += INT64_C(20000000000));
    else if (what == 'u')
        pairing_unpair(book, "192.0.2.1", query, *now_ns, &result);
    else
        pairing_request(book, "192.0.2.1", query, *now_ns, &result);
    if (result.action == PAIRING_WORK) {
        pairing_work_run(result.work);
        pairing_work_finish(book, result.work, *now_ns, &result);
    }
    if (result.action == PAIRING_STORE)
        pairing_stored(book, result.id, true, *now_ns, &result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypto_key *key;
    unsigned count = 0;
    if (!key)
        key = crypto_key_from_pem(fuzz_host_key, strlen(fuzz_host_key));
    struct pairing_config config = {
        .certificate_pem = fuzz_host_certificate,
        .key = key,
        .random = give_random,
        .release = take_release,
        .ctx = &count,
    };
    struct pairing *book = pairing_create(&config);
    if (!key || !book)
        abort();
    int64_t now_ns = 0;
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        if (stop > at)
            operate(book, *at, (struct http_slice){at + 1, (size_t)(stop - at - 1)}, &now_ns);
        at = stop + 1;
    }
    pairing_destroy(book);
    return 0;
}
