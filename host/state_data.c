/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file decides who may connect, so it is taken whole or not at all: one odd value makes it bad. Unknown keys are
 * left out silently; a version that needs them counts up the schema.
 */
#include "host/state_data.h"

#include "base/text.h"
#include "host/rights.h"
#include "input/seat.h"
#include "protocol/crypto.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void state_data_finish(struct state_data *self)
{
    for (size_t i = 0; i < self->client_count; i++)
        free(self->clients[i].certificate_pem);
    free(self->owed);
    crypto_wipe(self, sizeof(*self));
}

bool state_data_is_uuid(const char *text)
{
    for (int i = 0; i < STATE_ID_TEXT - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return !text[STATE_ID_TEXT - 1];
}

/* UTF-8 without control characters, tabs aside when `tabs`. */
static bool is_plain(const char *text, bool tabs)
{
    for (const char *at = text; *at; at++) {
        if (((unsigned char)*at < 0x20 && !(tabs && *at == '\t')) || *at == 0x7f)
            return false;
    }
    json_t *value = json_string(text); /* refuses what is not UTF-8 */
    json_decref(value);
    return value;
}

bool state_data_is_name(const char *text)
{
    size_t length = strlen(text);
    return length && length <= STATE_NAME_MAX && is_plain(text, false);
}

static bool is_assignment(const char *text)
{
    return *text && *text != '=' && strchr(text, '=') && is_plain(text, true);
}

bool state_data_is_owed(const struct state_owed *owed)
{
    for (const char *at = owed->environment; *at; at += strlen(at) + 1) {
        if (!is_assignment(at))
            return false;
    }
    return state_data_is_name(owed->app) && owed->moment[0] &&
           !owed->moment[strspn(owed->moment, "abcdefghijklmnopqrstuvwxyz_")] && owed->command[0] &&
           is_plain(owed->command, true) && is_plain(owed->directory, true) &&
           (!owed->directory[0] || owed->directory[0] == '/') && is_plain(owed->user, false);
}

/* A text of `object`; NULL when it is absent, no text, or does not fit. */
static const char *get_text(const json_t *object, const char *name, size_t capacity)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text && json_string_length(value) < capacity && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool get_hash(const json_t *object, const char *name, uint8_t *ret_data, size_t size)
{
    const char *hex = get_text(object, name, 65);
    return hex && text_unhex(hex, strlen(hex), ret_data, size);
}

/* Without the key: all of them. */
static bool read_rights(const json_t *object, unsigned *ret_rights)
{
    *ret_rights = SEAT_EVERYTHING;
    if (!json_object_get(object, "rights"))
        return true;
    const char *text = get_text(object, "rights", RIGHTS_TEXT);
    return text && rights_parse(text, ret_rights);
}

static const char *read_client(const json_t *object, struct state_client *ret_client)
{
    const char *id = get_text(object, "id", STATE_ID_TEXT);
    const char *name = get_text(object, "name", STATE_NAME_MAX + 1);
    const char *pem = get_text(object, "certificate", CRYPTO_CERTIFICATE_PEM_MAX);
    const json_t *paired = json_object_get(object, "paired_ms"), *seen = json_object_get(object, "seen_ms");
    const json_t *enabled = json_object_get(object, "enabled");
    struct crypto_certificate certificate;
    uint8_t sha256[32];
    unsigned rights;
    if (!id || !state_data_is_uuid(id))
        return "a client's id";
    if (!name || !state_data_is_name(name))
        return "a client's name";
    if (!json_is_integer(paired) || !json_is_integer(seen) || !json_is_boolean(enabled))
        return "a client's times or its enabled flag";
    if (!read_rights(object, &rights))
        return "a client's rights";
    if (!pem || !get_hash(object, "sha256", sha256, sizeof(sha256)) ||
        !crypto_certificate_parse(pem, strlen(pem), &certificate) ||
        crypto_compare(certificate.sha256, sha256, sizeof(sha256)) != 0)
        return "a client's certificate";
    *ret_client = (struct state_client){.paired_ms = json_integer_value(paired),
                                        .seen_ms = json_integer_value(seen),
                                        .rights = rights,
                                        .enabled = json_is_true(enabled)};
    text_copy(ret_client->id, sizeof(ret_client->id), id);
    text_copy(ret_client->name, sizeof(ret_client->name), name);
    memcpy(ret_client->sha256, sha256, sizeof(sha256));
    ret_client->certificate_pem = strdup(pem);
    return ret_client->certificate_pem ? NULL : "out of memory";
}

static const char *read_clients(const json_t *root, struct state_data *data)
{
    const json_t *list = json_object_get(root, "clients");
    if (!json_is_array(list) || json_array_size(list) > STATE_CLIENTS_MAX)
        return "the list of clients";
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct state_client *client = &data->clients[data->client_count];
        const char *why = read_client(json_array_get(list, i), client);
        if (why)
            return why;
        data->client_count++;
        for (size_t other = 0; other + 1 < data->client_count; other++) {
            if (!strcmp(data->clients[other].id, client->id) ||
                !memcmp(data->clients[other].sha256, client->sha256, 32))
                return "a client that is there twice";
        }
    }
    return NULL;
}

static const char *read_gso(const json_t *root, struct state_data *data)
{
    const json_t *list = json_object_get(root, "gso_off");
    if (!json_is_array(list) || json_array_size(list) > STATE_GSO_OFF_MAX)
        return "gso_off";
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || !*name || !text_copy(data->gso_off[i], STATE_INTERFACE_TEXT, name))
            return "gso_off";
        data->gso_off_count++;
    }
    return NULL;
}

static const char *read_machine(const json_t *root, struct state_machine *machine)
{
    const json_t *object = json_object_get(root, "machine");
    if (!object)
        return NULL; /* not known yet */
    machine->has_uuid = json_object_get(object, "uuid");
    machine->has_machine_id = json_object_get(object, "machine_id");
    if (!get_hash(object, "salt", machine->salt, sizeof(machine->salt)) ||
        (machine->has_uuid && !get_hash(object, "uuid", machine->uuid_hash, 32)) ||
        (machine->has_machine_id && !get_hash(object, "machine_id", machine->machine_id_hash, 32)))
        return "machine";
    return NULL;
}

/* An optional text; false: there, but not one that fits. */
static bool read_optional(const json_t *root, const char *name, char *ret_text, size_t capacity)
{
    if (!json_object_get(root, name))
        return true;
    const char *text = get_text(root, name, capacity);
    if (text)
        text_copy(ret_text, capacity, text);
    return text;
}

static bool read_environment(const json_t *object, char ret_texts[STATE_ENVIRONMENT_MAX])
{
    const json_t *list = json_object_get(object, "environment");
    size_t used = 0;
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        const char *text = json_string_value(value);
        size_t size = json_string_length(value) + 1;
        if (!text || strlen(text) + 1 != size || size > STATE_ENVIRONMENT_MAX - 1 - used || !is_assignment(text))
            return false;
        memcpy(ret_texts + used, text, size);
        used += size;
    }
    return true; /* the rest is zero */
}

static bool read_owed_entry(const json_t *object, struct state_owed *ret_owed)
{
    const char *app = get_text(object, "app", sizeof(ret_owed->app));
    const char *moment = get_text(object, "moment", sizeof(ret_owed->moment));
    const char *command = get_text(object, "command", sizeof(ret_owed->command));
    if (!app || !moment || !command || !read_environment(object, ret_owed->environment) ||
        !read_optional(object, "directory", ret_owed->directory, sizeof(ret_owed->directory)) ||
        !read_optional(object, "user", ret_owed->user, sizeof(ret_owed->user)))
        return false;
    text_copy(ret_owed->app, sizeof(ret_owed->app), app);
    text_copy(ret_owed->moment, sizeof(ret_owed->moment), moment);
    text_copy(ret_owed->command, sizeof(ret_owed->command), command);
    return state_data_is_owed(ret_owed);
}

static const char *read_owed(const json_t *root, struct state_data *data)
{
    const json_t *list = json_object_get(root, "owed");
    size_t count = json_array_size(list);
    if (!list)
        return NULL;
    if (!json_is_array(list) || count > STATE_OWED_MAX)
        return "owed";
    data->owed = count ? calloc(count, sizeof(*data->owed)) : NULL;
    if (count && !data->owed)
        return "out of memory";
    for (size_t i = 0; i < count; i++) {
        const struct state_owed *fresh = &data->owed[i];
        if (!read_owed_entry(json_array_get(list, i), &data->owed[i]))
            return "owed";
        for (size_t other = 0; other < i; other++) {
            if (!strcmp(data->owed[other].app, fresh->app) && !strcmp(data->owed[other].moment, fresh->moment))
                return "owed";
        }
        data->owed_count++;
    }
    return NULL;
}

static const char *read_root(const json_t *root, struct state_data *data)
{
    const char *uniqueid = get_text(root, "uniqueid", STATE_ID_TEXT);
    if (!uniqueid || !state_data_is_uuid(uniqueid))
        return "uniqueid";
    text_copy(data->uniqueid, sizeof(data->uniqueid), uniqueid);
    if (!read_optional(root, "password", data->password, sizeof(data->password)))
        return "password";
    if (!read_optional(root, "setup_code", data->setup_code, sizeof(data->setup_code)))
        return "setup_code";
    if (!read_optional(root, "mode_note", data->mode_note, sizeof(data->mode_note)))
        return "mode_note";
    if (!read_optional(root, "sound_note", data->sound_note, sizeof(data->sound_note)))
        return "sound_note";
    const char *why = read_clients(root, data);
    if (!why)
        why = read_gso(root, data);
    if (!why)
        why = read_owed(root, data);
    return why ? why : read_machine(root, &data->machine);
}

enum state_data_result state_data_parse(const char *text, size_t size, struct state_data *ret_data,
                                        const char **ret_why)
{
    *ret_why = "it is not JSON";
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *schema = json_object_get(root, "schema");
    enum state_data_result result = STATE_DATA_BAD;
    struct state_data *data = calloc(1, sizeof(*data));
    if (root)
        *ret_why = "schema";
    if (!data)
        *ret_why = "out of memory";
    else if (json_is_integer(schema) && json_integer_value(schema) > STATE_SCHEMA)
        result = STATE_DATA_NEWER;
    else if (json_is_integer(schema) && json_integer_value(schema) == STATE_SCHEMA &&
             !(*ret_why = read_root(root, data)))
        result = STATE_DATA_OK;
    if (result == STATE_DATA_OK)
        *ret_data = *data;
    else if (data)
        state_data_finish(data);
    free(data);
    json_decref(root);
    return result;
}

static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0; /* also false for a NULL value */
}

static bool put_hex(json_t *object, const char *name, const uint8_t *data, size_t size)
{
    char hex[65];
    text_hex(data, size, hex);
    return put(object, name, json_string(hex));
}

static bool put_rights(json_t *entry, unsigned rights)
{
    char text[RIGHTS_TEXT];
    rights_text(rights, text);
    return rights == SEAT_EVERYTHING || put(entry, "rights", json_string(text));
}

static json_t *clients_json(const struct state_data *self)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < self->client_count; i++) {
        const struct state_client *client = &self->clients[i];
        json_t *entry = json_object();
        bool good =
            entry && put(entry, "id", json_string(client->id)) && put(entry, "name", json_string(client->name)) &&
            put(entry, "certificate", json_string(client->certificate_pem)) &&
            put_hex(entry, "sha256", client->sha256, 32) && put(entry, "paired_ms", json_integer(client->paired_ms)) &&
            put(entry, "seen_ms", json_integer(client->seen_ms)) &&
            put(entry, "enabled", json_boolean(client->enabled)) && put_rights(entry, client->rights);
        if (!good || json_array_append(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
        json_decref(entry);
    }
    return list;
}

static json_t *machine_json(const struct state_machine *machine)
{
    json_t *object = json_object();
    bool good = object && put_hex(object, "salt", machine->salt, sizeof(machine->salt)) &&
                (!machine->has_uuid || put_hex(object, "uuid", machine->uuid_hash, 32)) &&
                (!machine->has_machine_id || put_hex(object, "machine_id", machine->machine_id_hash, 32));
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *gso_json(const struct state_data *self)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < self->gso_off_count; i++)
        json_array_append_new(list, json_string(self->gso_off[i])); /* a lost one is only learnt again */
    return list;
}

static json_t *environment_json(const char *texts)
{
    json_t *list = json_array();
    for (const char *at = texts; list && *at; at += strlen(at) + 1) {
        if (json_array_append_new(list, json_string(at)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *owed_json(const struct state_data *self)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < self->owed_count; i++) {
        const struct state_owed *owed = &self->owed[i];
        json_t *entry = json_object();
        bool good = entry && put(entry, "app", json_string(owed->app)) &&
                    put(entry, "moment", json_string(owed->moment)) &&
                    put(entry, "command", json_string(owed->command)) &&
                    (!owed->directory[0] || put(entry, "directory", json_string(owed->directory))) &&
                    (!owed->user[0] || put(entry, "user", json_string(owed->user))) &&
                    put(entry, "environment", environment_json(owed->environment));
        if (!good || json_array_append(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
        json_decref(entry);
    }
    return list;
}

char *state_data_serialise(const struct state_data *self)
{
    json_t *root = json_object();
    bool known = self->machine.has_uuid || self->machine.has_machine_id;
    bool good = root && put(root, "schema", json_integer(STATE_SCHEMA)) &&
                put(root, "uniqueid", json_string(self->uniqueid)) &&
                (!self->password[0] || put(root, "password", json_string(self->password))) &&
                (!self->setup_code[0] || put(root, "setup_code", json_string(self->setup_code))) &&
                (!self->mode_note[0] || put(root, "mode_note", json_string(self->mode_note))) &&
                (!self->sound_note[0] || put(root, "sound_note", json_string(self->sound_note))) &&
                put(root, "clients", clients_json(self)) && put(root, "gso_off", gso_json(self)) &&
                (!known || put(root, "machine", machine_json(&self->machine))) &&
                (!self->owed_count || put(root, "owed", owed_json(self)));
    char *text = good ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    return text;
}
