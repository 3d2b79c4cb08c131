/* SPDX-License-Identifier: Apache-2.0 */
#include "host/commands.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static void reply_json(struct local_call *call, json_t *reply)
{
    char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    local_call_reply(call, text ? text : "{\"error\":\"out of memory\"}");
    free(text);
}

static void reply_error(struct local_call *call, const char *error)
{
    reply_json(call, json_pack("{ss}", "error", error));
}

static const char *result_text(enum web_result result)
{
    switch (result) {
    case WEB_OK:
        return NULL;
    case WEB_NOT_FOUND:
        return "there is nothing with this id";
    case WEB_BAD_VALUE:
        return "the value was refused";
    case WEB_BUSY:
        return "busy, try again";
    case WEB_FAILED:
        break;
    }
    return "it failed; the host's log says why";
}

static const char *text_field(const json_t *request, const char *name)
{
    const char *value = json_string_value(json_object_get(request, name));
    return value ? value : "";
}

static void do_pin(const struct commands *self, struct local_call *call, const json_t *request)
{
    json_t *waiting = self->backend->pairings(self->backend->ctx);
    const char *id = text_field(request, "id"), *address = "";
    size_t count = json_array_size(waiting), index;
    json_t *entry;
    if (!*id && count == 1)
        id = text_field(json_array_get(waiting, 0), "id");
    json_array_foreach(waiting, index, entry)
    {
        if (!strcmp(text_field(entry, "id"), id))
            address = text_field(entry, "address");
    }
    if (!*id && count > 1) {
        reply_json(call, json_pack("{sO}", "waiting", waiting));
    } else if (!count) {
        reply_error(call, "no client waits for a PIN; start pairing in Moonlight first");
    } else {
        enum web_result result =
            self->backend->pairing_pin(self->backend->ctx, id, text_field(request, "pin"), text_field(request, "name"));
        if (result == WEB_OK)
            reply_json(call, json_pack("{ss}", "address", address));
        else
            reply_error(call, result_text(result));
    }
    json_decref(waiting);
}

struct pending_store {
    const struct commands *commands;
    struct local_call *call;
};

static void password_stored(void *arg, bool stored)
{
    struct pending_store *pending = arg;
    if (stored) {
        pending->commands->password_changed(pending->commands->ctx);
        reply_json(pending->call, json_object());
    } else {
        reply_error(pending->call, result_text(WEB_FAILED));
    }
    free(pending);
}

static void do_passwd(const struct commands *self, struct local_call *call, const json_t *request)
{
    struct pending_store *pending = malloc(sizeof(*pending));
    if (!pending) {
        reply_error(call, "out of memory");
        return;
    }
    *pending = (struct pending_store){self, call};
    self->backend->password_store(self->backend->ctx, text_field(request, "record"), password_stored, pending);
}

static void removal_stored(void *arg, bool stored)
{
    struct local_call *call = arg;
    if (stored)
        reply_json(call, json_object());
    else
        reply_error(call, "it was removed, but that could not be saved: it is back when the host starts again; the "
                          "host's log says why");
}

static void do_client_remove(const struct commands *self, struct local_call *call, const json_t *request)
{
    enum web_result result =
        self->backend->client_remove(self->backend->ctx, text_field(request, "id"), removal_stored, call);
    if (result != WEB_OK)
        reply_error(call, result_text(result));
}

static void do_setup_code(const struct commands *self, struct local_call *call)
{
    const char *code = self->setup_code(self->ctx);
    if (code)
        reply_json(call, json_pack("{ss}", "setup_code", code));
    else
        reply_error(call, "a password is set already; to change it: earthshine passwd");
}

void commands_handle(void *ctx, struct local_call *call, const char *text)
{
    const struct commands *self = ctx;
    json_t *request = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *command = text_field(request, "command");
    if (!strcmp(command, "pin")) {
        do_pin(self, call, request);
    } else if (!strcmp(command, "clients")) {
        reply_json(call, json_pack("{so}", "clients", self->backend->clients(self->backend->ctx)));
    } else if (!strcmp(command, "client_remove")) {
        do_client_remove(self, call, request);
    } else if (!strcmp(command, "passwd")) {
        do_passwd(self, call, request);
    } else if (!strcmp(command, "setup_code")) {
        do_setup_code(self, call);
    } else {
        reply_error(call, "the host does not know this command; is it another version?");
    }
    json_decref(request);
}
