/* SPDX-License-Identifier: Apache-2.0 */
/*
 * es_client: a headless GameStream client for the tests and the bench. It shares nothing with the host but base/, so
 * that a misreading of the protocol on one side shows.
 */
#include "tests/client/pair.h"
#include "tests/client/selftest.h"
#include "tests/client/stream.h"

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(const struct options *options, struct http_target *target, struct identity *identity);
};

static void print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

/* {"http", "status", "body", "error", ...}: what a request brought. */
static int print_reply(struct http_reply *reply, bool answered)
{
    json_t *body = reply->body ? json_string(reply->body) : NULL; /* NULL when it is no text */
    json_t *object = json_pack("{s:i, s:i, s:o, s:I, s:s, s:s}", "http", reply->http_status, "status",
                               reply->status_code, "body", body ? body : json_null(), "bytes", (json_int_t)reply->size,
                               "content_type", reply->content_type, "error", reply->error);
    int code = answered && reply->status_code == 200 ? 0 : 1;
    print_json(object);
    http_reply_finish(reply);
    return code;
}

static int get(struct http_target *target, const struct identity *identity, const char *path, const char *query)
{
    struct http_reply reply;
    bool answered = http_get(target, identity, path, query, &reply);
    return print_reply(&reply, answered);
}

static int run_pair(const struct options *options, struct http_target *target, struct identity *identity)
{
    printf("PIN %s\n", options->pin);
    fflush(stdout);
    identity_forget_host(identity);
    struct pair_outcome outcome = pair_run(target, identity, options->pin, options->name, !options->unchecked);
    static const char *const names[] = {[PAIR_OK] = "ok",
                                        [PAIR_WRONG_PIN] = "wrong pin",
                                        [PAIR_REFUSED] = "refused",
                                        [PAIR_MAN_IN_THE_MIDDLE] = "man in the middle",
                                        [PAIR_FAILED] = "failed"};
    print_json(json_pack("{s:s, s:i, s:i, s:s}", "result", names[outcome.result], "phase", outcome.phase, "status",
                         outcome.status_code, "message", outcome.message));
    return outcome.result == PAIR_OK ? 0 : 1;
}

static int run_unpair(const struct options *options, struct http_target *target, struct identity *identity)
{
    return get(target, options->https ? identity : NULL, "/unpair", NULL);
}

static int run_serverinfo(const struct options *options, struct http_target *target, struct identity *identity)
{
    return get(target, options->https ? identity : NULL, "/serverinfo", options->query);
}

static int run_applist(const struct options *options, struct http_target *target, struct identity *identity)
{
    return get(target, identity, "/applist", options->query);
}

static int run_appasset(const struct options *options, struct http_target *target, struct identity *identity)
{
    char query[64];
    struct http_reply reply;
    snprintf(query, sizeof(query), "appid=%d&AssetType=2&AssetIdx=0", options->app_id);
    bool answered = http_get(target, identity, "/appasset", query, &reply);
    FILE *file = answered && options->output ? fopen(options->output, "wb") : NULL;
    if (file) {
        fwrite(reply.body, 1, reply.size, file);
        fclose(file);
    }
    int code = answered && !strncmp(reply.content_type, "image/png", 9) ? 0 : 1;
    print_reply(&reply, answered);
    return code;
}

static int run_start(const struct options *options, struct http_target *target, struct identity *identity)
{
    uint8_t key[16];
    char rikey[33], path[16];
    struct http_reply reply;
    if (!random_bytes(key, sizeof(key)))
        return 1;
    text_hex(key, sizeof(key), rikey);
    snprintf(path, sizeof(path), "/%s", options->command);
    bool answered = stream_launch(options, target, identity, path, options->app_id,
                                  options->rikey ? options->rikey : rikey, &reply);
    return print_reply(&reply, answered);
}

static int run_cancel(const struct options *options, struct http_target *target, struct identity *identity)
{
    (void)options;
    return get(target, identity, "/cancel", NULL);
}

static int run_stream(const struct options *options, struct http_target *target, struct identity *identity)
{
    return stream_run(options, target, identity);
}

static const struct command commands[] = {
    {"pair", run_pair},       {"unpair", run_unpair},     {"serverinfo", run_serverinfo},
    {"applist", run_applist}, {"appasset", run_appasset}, {"launch", run_start},
    {"resume", run_start},    {"cancel", run_cancel},     {"stream", run_stream},
};

static int run_command(const struct command *command, const struct options *options)
{
    struct http_target target = {.http_port = (uint16_t)options->port,
                                 .https_port = (uint16_t)options->https_port,
                                 .timeout_ms = options->timeout_ms};
    target.address.sin_family = AF_INET;
    text_copy(target.host, sizeof(target.host), options->host);
    text_copy(target.unique_id, sizeof(target.unique_id), options->unique_id);
    if (inet_pton(AF_INET, options->host, &target.address.sin_addr) != 1) {
        log_error("client: %s is no IPv4 address", options->host);
        return 2;
    }
    struct identity *identity = identity_open(options->state);
    if (!identity)
        return 1;
    if (options->no_pinning) {
        X509_free(identity->host);
        identity->host = NULL;
    }
    int code = command->run(options, &target, identity);
    identity_close(identity);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc >= 2 && !strcmp(argv[1], "selftest"))
        return selftest_run(argc - 2, argv + 2);
    if (!options_parse(&options, argc, argv)) {
        options_usage();
        return 2;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(options.command, commands[i].name))
            return run_command(&commands[i], &options);
    options_usage();
    return 2;
}
