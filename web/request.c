/* SPDX-License-Identifier: Apache-2.0 */
#include "web/request.h"

#include "base/text.h"
#include "net/address.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>

bool slice_is(struct http_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.text, text, slice.size) == 0;
}

static bool slice_is_any_case(struct http_slice slice, const char *text)
{
    return slice.size == strlen(text) && strncasecmp(slice.text, text, slice.size) == 0;
}

static bool ipv6_in_brackets(struct http_slice host)
{
    char text[64];
    struct in6_addr address;
    if (host.size < 4 || host.size - 2 >= sizeof(text))
        return false;
    memcpy(text, host.text + 1, host.size - 2);
    text[host.size - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_port(struct http_slice text)
{
    int64_t port;
    return text.size > 0 && isdigit((unsigned char)text.text[0]) &&
           text_parse_i64(text.text, text.size, 1, 65535, &port);
}

/* Splits "host:port", "host" and "[v6]:port". False: malformed. */
static bool take_host(struct http_slice whole, struct http_slice *ret_host)
{
    size_t end = 0;
    if (whole.size > 0 && whole.text[0] == '[') {
        while (end < whole.size && whole.text[end] != ']')
            end++;
        if (end == whole.size)
            return false;
        end++;
    } else {
        while (end < whole.size && whole.text[end] != ':')
            end++;
    }
    struct http_slice rest = {whole.text + end, whole.size - end};
    if (end == 0 ||
        (rest.size > 0 && (rest.text[0] != ':' || !is_port((struct http_slice){rest.text + 1, rest.size - 1}))))
        return false;
    *ret_host = (struct http_slice){whole.text, end};
    return true;
}

static bool is_name(struct http_slice host, const char *name)
{
    if (slice_is_any_case(host, name))
        return true;
    size_t size = strlen(name);
    return !strchr(name, '.') && host.size == size + 6 && strncasecmp(host.text, name, size) == 0 &&
           strncasecmp(host.text + size, ".local", 6) == 0;
}

bool request_host_allowed(struct http_slice whole, const char (*names)[256], size_t count)
{
    struct http_slice host;
    char text[64];
    struct in_addr address;
    if (!take_host(whole, &host))
        return false;
    if (host.text[0] == '[')
        return ipv6_in_brackets(host);
    if (slice_is_any_case(host, "localhost"))
        return true;
    if (host.size < sizeof(text)) {
        memcpy(text, host.text, host.size);
        text[host.size] = '\0';
        if (memchr(text, '\0', host.size) == NULL && inet_pton(AF_INET, text, &address) == 1)
            return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_name(host, names[i]))
            return true;
    }
    return false;
}

bool request_same_origin(const struct http_request *request)
{
    const struct http_slice *site = http_header_find(request, "Sec-Fetch-Site");
    const struct http_slice *origin = http_header_find(request, "Origin");
    const struct http_slice *host = http_header_find(request, "Host");
    if (site && !slice_is(*site, "same-origin"))
        return false;
    if (!origin)
        return site != NULL;
    return host && origin->size == host->size + 8 && memcmp(origin->text, "https://", 8) == 0 &&
           strncasecmp(origin->text + 8, host->text, host->size) == 0;
}

bool request_cookie(const struct http_request *request, const char *name, struct http_slice *ret_value)
{
    const struct http_slice *header = http_header_find(request, "Cookie");
    size_t name_size = strlen(name);
    const char *at = header ? header->text : NULL, *end = header ? at + header->size : NULL;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == ';'))
            at++;
        const char *stop = memchr(at, ';', (size_t)(end - at));
        if (!stop)
            stop = end;
        if ((size_t)(stop - at) > name_size && memcmp(at, name, name_size) == 0 && at[name_size] == '=') {
            at += name_size + 1;
            *ret_value = (struct http_slice){at, (size_t)(stop - at)};
            return true;
        }
        at = stop;
    }
    return false;
}

bool request_is_json(const struct http_request *request)
{
    const struct http_slice *type = http_header_find(request, "Content-Type");
    if (!type)
        return false;
    size_t size = 0;
    while (size < type->size && type->text[size] != ';' && type->text[size] != ' ')
        size++;
    return slice_is_any_case((struct http_slice){type->text, size}, "application/json");
}

static bool copy_field(const json_t *object, const struct request_field *field)
{
    const json_t *value = json_object_get(object, field->name);
    if (!json_is_string(value))
        return false;
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (size < field->min || size > field->max || strlen(text) != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    memcpy(field->ret_value, text, size + 1);
    return true;
}

bool request_fields(struct http_slice body, const struct request_field *fields, size_t count)
{
    json_t *object = json_loadb(body.text, body.size, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(object) && json_object_size(object) == count;
    for (size_t i = 0; good && i < count; i++)
        good = copy_field(object, &fields[i]);
    json_decref(object);
    return good;
}
