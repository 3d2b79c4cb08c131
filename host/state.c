/* SPDX-License-Identifier: Apache-2.0 */
#include "host/state.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "protocol/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

bool state_make_uuid(char ret_uuid[STATE_ID_TEXT])
{
    uint8_t b[16];
    if (!random_bytes(b, sizeof(b)))
        return false;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char hex[33];
    text_hex(b, sizeof(b), hex);
    snprintf(ret_uuid, STATE_ID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return true;
}

/* --- clients --- */

struct state_client *state_find_client(struct state *self, const uint8_t sha256[32], bool enabled_only)
{
    struct state_client *found = NULL;
    for (int i = 0; i < self->client_count;
         i++) { /* always to the end: one entry's mismatch says nothing of the rest */
        struct state_client *client = &self->clients[i];
        if (crypto_compare(client->sha256, sha256, 32) == 0 && (client->enabled || !enabled_only))
            found = client;
    }
    return found;
}

struct state_client *state_find_client_id(struct state *self, const char *id)
{
    for (int i = 0; i < self->client_count; i++) {
        if (!strcmp(self->clients[i].id, id))
            return &self->clients[i];
    }
    return NULL;
}

bool state_set_name(struct state_client *client, const char *name)
{
    json_t *as_json = json_string(name); /* NULL unless it is UTF-8 */
    bool good = as_json && name[0] && strlen(name) <= STATE_NAME_MAX;
    json_decref(as_json);
    return good && text_copy(client->name, sizeof(client->name), name);
}

struct state_client *state_add_client(struct state *self, const char *name, const char *certificate_pem, int64_t now_ms)
{
    struct crypto_certificate certificate;
    if (!crypto_certificate_parse(certificate_pem, strlen(certificate_pem), &certificate)) {
        log_error("state: a client's certificate cannot be read");
        return NULL;
    }
    struct state_client *client = state_find_client(self, certificate.sha256, false);
    if (!client) {
        struct state_client made = {.enabled = true};
        if (self->client_count == STATE_CLIENTS_MAX) {
            log_error("state: %d clients are paired, no more fit; remove some", STATE_CLIENTS_MAX);
            return NULL;
        }
        made.certificate_pem = strdup(certificate_pem);
        if (!made.certificate_pem || !state_make_uuid(made.id)) {
            free(made.certificate_pem);
            return NULL;
        }
        memcpy(made.sha256, certificate.sha256, sizeof(made.sha256));
        snprintf(made.name, sizeof(made.name), "Client %d", self->client_count + 1);
        self->clients[self->client_count] = made;
        client = &self->clients[self->client_count++];
    }
    if (name[0])
        state_set_name(client, name);
    client->paired_ms = now_ms;
    return client;
}

void state_remove_client(struct state *self, struct state_client *client)
{
    free(client->certificate_pem);
    struct state_client *last = &self->clients[--self->client_count];
    memmove(client, client + 1, (size_t)((char *)last - (char *)client));
    *last = (struct state_client){0};
}

bool state_set_password(struct state *self, const char *record)
{
    if (strlen(record) >= sizeof(self->password_record))
        return false;
    return text_copy(self->password_record, sizeof(self->password_record), record);
}

/* --- to and from JSON --- */

static json_t *client_to_json(const struct state_client *client)
{
    char hex[65];
    text_hex(client->sha256, sizeof(client->sha256), hex);
    return json_pack("{ss ss ss ss sI sI sb}", "id", client->id, "name", client->name, "certificate",
                     client->certificate_pem, "sha256", hex, "paired_ms", (json_int_t)client->paired_ms, "seen_ms",
                     (json_int_t)client->seen_ms, "enabled", client->enabled);
}

char *state_serialise(const struct state *self)
{
    json_t *clients = json_array(), *gso_off = json_array();
    for (int i = 0; i < self->client_count; i++)
        json_array_append_new(clients, client_to_json(&self->clients[i]));
    for (int i = 0; i < self->gso_off_count; i++)
        json_array_append_new(gso_off, json_string(self->gso_off[i]));
    json_t *root =
        json_pack("{si ss so ss so s{ss ss ss}}", "schema", STATE_SCHEMA, "uniqueid", self->uniqueid, "clients",
                  clients, "password", self->password_record, "gso_off", gso_off, "machine", "salt", self->machine.salt,
                  "smbios", self->machine.smbios, "machine_id", self->machine.machine_id);
    bool whole = root && json_array_size(clients) == (size_t)self->client_count;
    char *text = whole ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text ? text : log_oom("state");
}

static bool copy_text(const json_t *object, const char *name, char *ret_text, size_t capacity)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && text_copy(ret_text, capacity, text);
}

static bool parse_client(const json_t *object, struct state_client *ret_client)
{
    const char *pem = json_string_value(json_object_get(object, "certificate"));
    struct crypto_certificate certificate;
    json_t *paired = json_object_get(object, "paired_ms"), *seen = json_object_get(object, "seen_ms"),
           *enabled = json_object_get(object, "enabled");
    if (!pem || !crypto_certificate_parse(pem, strlen(pem), &certificate) || !json_is_integer(paired) ||
        !json_is_integer(seen) || !json_is_boolean(enabled) ||
        !copy_text(object, "id", ret_client->id, sizeof(ret_client->id)) ||
        !copy_text(object, "name", ret_client->name, sizeof(ret_client->name)))
        return false;
    memcpy(ret_client->sha256, certificate.sha256, sizeof(ret_client->sha256)); /* the text's own word is not trusted */
    ret_client->paired_ms = json_integer_value(paired);
    ret_client->seen_ms = json_integer_value(seen);
    ret_client->enabled = json_is_true(enabled);
    ret_client->certificate_pem = strdup(pem);
    return ret_client->certificate_pem != NULL;
}

static bool parse_clients(struct state *self, const json_t *list)
{
    size_t index;
    json_t *entry;
    if (!json_is_array(list) || json_array_size(list) > STATE_CLIENTS_MAX)
        return false;
    json_array_foreach(list, index, entry)
    {
        struct state_client client = {0};
        if (!parse_client(entry, &client))
            return false;
        self->clients[self->client_count++] = client;
    }
    return true;
}

static bool parse_gso_off(struct state *self, const json_t *list)
{
    size_t index;
    json_t *entry;
    if (!json_is_array(list) || json_array_size(list) > STATE_INTERFACES_MAX)
        return false;
    json_array_foreach(list, index, entry)
    {
        const char *name = json_string_value(entry);
        if (!name || !text_copy(self->gso_off[index], sizeof(self->gso_off[index]), name))
            return false;
        self->gso_off_count++;
    }
    return true;
}

static const char *parse_root(struct state *self, const json_t *root)
{
    const json_t *machine = json_object_get(root, "machine");
    json_t *schema = json_object_get(root, "schema");
    if (!json_is_integer(schema))
        return "it has no schema number";
    if (json_integer_value(schema) > STATE_SCHEMA)
        return "it was written by a newer version";
    if (!copy_text(root, "uniqueid", self->uniqueid, sizeof(self->uniqueid)) || strlen(self->uniqueid) != 36)
        return "its uniqueid is not a UUID";
    if (!copy_text(root, "password", self->password_record, sizeof(self->password_record)))
        return "its password record is not a text";
    if (!parse_gso_off(self, json_object_get(root, "gso_off")))
        return "its list gso_off is malformed";
    if (!copy_text(machine, "salt", self->machine.salt, sizeof(self->machine.salt)) ||
        !copy_text(machine, "smbios", self->machine.smbios, sizeof(self->machine.smbios)) ||
        !copy_text(machine, "machine_id", self->machine.machine_id, sizeof(self->machine.machine_id)))
        return "its machine entry is malformed";
    if (!parse_clients(self, json_object_get(root, "clients")))
        return "one of its clients is malformed";
    return NULL;
}

void state_clear(struct state *self)
{
    for (int i = 0; i < self->client_count; i++)
        free(self->clients[i].certificate_pem);
    self->client_count = 0;
    self->gso_off_count = 0;
    crypto_wipe(self->password_record, sizeof(self->password_record));
}

bool state_parse(struct state *self, const char *text, size_t size, const char **ret_reason)
{
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *reason = root ? parse_root(self, root) : "it is not JSON";
    json_decref(root);
    if (!reason)
        return true;
    state_clear(self);
    *ret_reason = reason;
    return false;
}

/* --- files --- */

bool state_write(const char *folder, const char *text, bool current_is_bad)
{
    char current[PATH_MAX], previous[PATH_MAX], fresh[PATH_MAX];
    snprintf(current, sizeof(current), "%s/state.json", folder);
    snprintf(previous, sizeof(previous), "%s/state.json.1", folder);
    snprintf(fresh, sizeof(fresh), "%s/state.json.new", folder);
    if (!file_write_atomic(fresh, text, strlen(text), 0600))
        return false; /* e.g. the disk is full: both generations are as before */
    bool kept = current_is_bad || rename(current, previous) == 0 || errno == ENOENT;
    if (!kept || rename(fresh, current) != 0) {
        log_error("state: cannot replace %s: %s", current, strerror(errno));
        unlink(fresh);
        return false;
    }
    return true;
}

bool state_save_now(struct state *self)
{
    char *text = state_serialise(self);
    bool good = text && state_write(self->folder, text, self->current_is_bad);
    if (text)
        crypto_wipe(text, strlen(text));
    free(text);
    self->current_is_bad = self->current_is_bad && !good;
    return good;
}

enum load_result { LOAD_OK, LOAD_MISSING, LOAD_BAD };

static enum load_result load(struct state *self, const char *name)
{
    char path[PATH_MAX], *text;
    size_t size;
    snprintf(path, sizeof(path), "%s/%s", self->folder, name);
    enum file_result result = file_read(path, STATE_FILE_MAX, &text, &size);
    if (result != FILE_OK)
        return result == FILE_MISSING ? LOAD_MISSING : LOAD_BAD;
    const char *reason;
    bool good = state_parse(self, text, size, &reason);
    if (!good)
        log_error("state: %s cannot be used: %s", path, reason);
    crypto_wipe(text, size);
    free(text);
    return good ? LOAD_OK : LOAD_BAD;
}

static bool load_generations(struct state *self)
{
    enum load_result current = load(self, "state.json");
    if (current == LOAD_OK)
        return true;
    self->current_is_bad = current == LOAD_BAD;
    enum load_result previous = load(self, "state.json.1");
    if (previous == LOAD_OK) {
        log_warn("state: going on with the previous generation, %s/state.json.1", self->folder);
        return true;
    }
    if (current == LOAD_MISSING && previous == LOAD_MISSING) {
        self->is_new = true;
        return state_make_uuid(self->uniqueid);
    }
    log_error("state: neither state.json nor state.json.1 in %s can be used; nothing was written. Restore them from a "
              "backup, or move both away to start anew (all clients must pair again)",
              self->folder);
    return false;
}

static bool lock_folder(struct state *self)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/lock", self->folder);
    self->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        log_error("state: cannot open %s: %s", path, strerror(errno));
        return false;
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    log_error(
        "state: the folder %s is used by another host; give this one its own: --set state_dir=FOLDER --set port=N",
        self->folder);
    return false;
}

struct state *state_open(const char *folder)
{
    struct state *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("state");
    self->lock_fd = -1;
    if (text_copy(self->folder, sizeof(self->folder), folder) && file_make_folder(folder) && lock_folder(self) &&
        load_generations(self))
        return self;
    state_close(self);
    return NULL;
}

void state_close(struct state *self)
{
    if (!self)
        return;
    state_clear(self);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    free(self);
}
