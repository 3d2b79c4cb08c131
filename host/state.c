/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state in memory, and its files. state.json is replaced as a whole; the one before it stays as state.json.1, but
 * only a file that we could read (or wrote ourselves) is allowed to become the previous generation.
 */
#include "host/state.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "host/state_data.h"
#include "input/seat.h"
#include "protocol/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct state {
    char folder[PATH_MAX - 64]; /* constant */
    char file[PATH_MAX], previous[PATH_MAX];
    int lock_fd;
    bool is_new;

    struct state_data data; /* main thread only, as is the next */
    uint64_t generation;    /* of the newest snapshot */

    struct mutex lock; /* guards the next two; held while writing, by workers only */
    uint64_t written;  /* generation on disk */
    bool file_is_good; /* state.json may become state.json.1 */
};

struct state_snapshot {
    char *text;
    uint64_t generation;
};

/* --- opening --- */

static bool lock_folder(struct state *self)
{
    char path[PATH_MAX];
    if (!file_make_folder(self->folder))
        return false;
    struct stat info;
    if (stat(self->folder, &info) != 0 || !S_ISDIR(info.st_mode) ||
        ((info.st_mode & 077) && chmod(self->folder, 0700) != 0)) {
        log_error("state: the folder %s cannot be made private (0700)", self->folder);
        return false;
    }
    snprintf(path, sizeof(path), "%s/lock", self->folder);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock_fd < 0) {
        log_error("state: cannot open %s: %s", path, strerror(errno));
        return false;
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    log_error("state: the folder %s is in use by another process: a host runs already; a second one needs "
              "--set state_dir=... --set port=...",
              self->folder);
    return false;
}

enum loaded { LOADED, LOADED_MISSING, LOADED_BAD, LOADED_NEWER };

static enum loaded load_file(const char *path, struct state_data *ret_data)
{
    char *text = NULL;
    size_t size = 0;
    const char *why = NULL;
    switch (file_read(path, STATE_FILE_MAX, &text, &size)) {
    case FILE_MISSING:
        return LOADED_MISSING;
    case FILE_FAILED:
        return LOADED_BAD;
    case FILE_OK:
        break;
    }
    enum state_data_result result = state_data_parse(text, size, ret_data, &why);
    crypto_wipe(text, size);
    free(text);
    if (result == STATE_DATA_OK)
        return LOADED;
    if (result == STATE_DATA_NEWER) {
        log_error("state: %s was written by a newer version of Earthshine; it is left as it is", path);
        return LOADED_NEWER;
    }
    log_error("state: %s cannot be used: %s", path, why ? why : "damaged");
    return LOADED_BAD;
}

static bool make_uuid(char ret_text[STATE_ID_TEXT])
{
    uint8_t bytes[16];
    char hex[33];
    if (!random_bytes(bytes, sizeof(bytes)))
        return false;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4, RFC 9562 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    text_hex(bytes, sizeof(bytes), hex);
    snprintf(ret_text, STATE_ID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return true;
}

static bool make_setup_code(char ret_code[STATE_SETUP_CODE_TEXT])
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* 32; none looks like another */
    uint8_t bytes[8];
    if (!random_bytes(bytes, sizeof(bytes)))
        return false;
    char *at = ret_code;
    for (int i = 0; i < 8; i++) {
        if (i == 4)
            *at++ = '-';
        *at++ = letters[bytes[i] % 32];
    }
    *at = 0;
    return true;
}

static bool make_new(struct state *self)
{
    self->is_new = true;
    return make_uuid(self->data.uniqueid) && make_setup_code(self->data.setup_code);
}

static bool load(struct state *self)
{
    enum loaded main_file = load_file(self->file, &self->data);
    self->file_is_good = main_file == LOADED;
    if (main_file == LOADED)
        return true;
    if (main_file == LOADED_NEWER)
        return false;
    switch (load_file(self->previous, &self->data)) {
    case LOADED:
        log_warn("state: %s is %s; going on with its previous generation %s", self->file,
                 main_file == LOADED_BAD ? "damaged" : "missing", self->previous);
        return true;
    case LOADED_MISSING:
        if (main_file == LOADED_MISSING)
            return make_new(self);
        log_error("state: there is no previous generation %s; mend or remove %s", self->previous, self->file);
        return false;
    default:
        log_error("state: neither %s nor its previous generation can be used; nothing was changed", self->file);
        return false;
    }
}

struct state *state_open(const char *folder)
{
    struct state *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("state");
    self->lock_fd = -1;
    mutex_init(&self->lock);
    if (!text_copy(self->folder, sizeof(self->folder), folder) || !*folder) {
        log_error("state: the folder's name is empty or too long");
        state_close(self);
        return NULL;
    }
    snprintf(self->file, sizeof(self->file), "%s/state.json", self->folder);
    snprintf(self->previous, sizeof(self->previous), "%s/state.json.1", self->folder);
    if (lock_folder(self) && load(self))
        return self;
    state_close(self);
    return NULL;
}

void state_close(struct state *self)
{
    if (!self)
        return;
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    state_data_finish(&self->data);
    mutex_finish(&self->lock);
    free(self);
}

const char *state_folder(const struct state *self)
{
    return self->folder;
}

bool state_is_new(const struct state *self)
{
    return self->is_new;
}

/* --- writing --- */

struct state_snapshot *state_serialise(struct state *self)
{
    struct state_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    char *text = snapshot ? state_data_serialise(&self->data) : NULL;
    if (!text) {
        free(snapshot);
        return log_oom("state");
    }
    snapshot->text = text;
    snapshot->generation = ++self->generation;
    return snapshot;
}

void state_snapshot_destroy(struct state_snapshot *self)
{
    if (!self)
        return;
    crypto_wipe(self->text, strlen(self->text));
    free(self->text);
    free(self);
}

/* A second name for the current file, put in the place of the previous one: no moment without a whole file. */
static bool keep_previous(const struct state *self)
{
    char second[PATH_MAX + 8];
    snprintf(second, sizeof(second), "%s.new", self->previous);
    unlink(second); /* of a crash */
    if (link(self->file, second) != 0) {
        if (errno == ENOENT)
            return true;
        char *text = NULL; /* a file system without hard links */
        size_t size = 0;
        if (file_read(self->file, STATE_FILE_MAX, &text, &size) != FILE_OK)
            return false;
        bool good = file_write_atomic(self->previous, text, size, 0600);
        crypto_wipe(text, size);
        free(text);
        return good;
    }
    if (rename(second, self->previous) == 0) {
        unlink(second); /* rename leaves it when both were the same file already */
        return true;
    }
    log_error("state: cannot rename %s: %s", second, strerror(errno));
    unlink(second);
    return false;
}

bool state_write(struct state *self, const struct state_snapshot *snapshot)
{
    mutex_lock(&self->lock);
    bool good = true;
    if (snapshot->generation > self->written) {
        good = (!self->file_is_good || keep_previous(self)) &&
               file_write_atomic(self->file, snapshot->text, strlen(snapshot->text), 0600);
        if (good) {
            self->written = snapshot->generation;
            self->file_is_good = true;
        }
    }
    mutex_unlock(&self->lock);
    return good;
}

bool state_save_now(struct state *self)
{
    struct state_snapshot *snapshot = state_serialise(self);
    bool good = snapshot && state_write(self, snapshot);
    state_snapshot_destroy(snapshot);
    return good;
}

/* --- identity --- */

const char *state_uniqueid(const struct state *self)
{
    return self->data.uniqueid;
}

struct state_machine *state_machine(struct state *self)
{
    return &self->data.machine;
}

bool state_start_anew(struct state *self)
{
    const char *files[] = {self->file, self->previous};
    for (int i = 0; i < 2; i++) {
        char aside[PATH_MAX + 8];
        snprintf(aside, sizeof(aside), "%s.clone", files[i]);
        if (rename(files[i], aside) != 0 && errno != ENOENT) {
            log_error("state: cannot rename %s: %s", files[i], strerror(errno));
            return false;
        }
    }
    self->file_is_good = false;
    state_data_finish(&self->data); /* also zeroes it */
    return make_new(self);
}

/* --- clients --- */

static struct state_client *client_by_id(struct state *self, const char *id)
{
    for (size_t i = 0; i < self->data.client_count; i++) {
        if (!strcmp(self->data.clients[i].id, id))
            return &self->data.clients[i];
    }
    return NULL;
}

/* Always looks at all entries; a mismatch of one must not end the search, and time tells nothing. */
static size_t client_by_certificate(const struct state *self, const uint8_t sha256[32])
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < self->data.client_count; i++) {
        if (!crypto_compare(self->data.clients[i].sha256, sha256, 32))
            found = i;
    }
    return found;
}

size_t state_client_count(const struct state *self)
{
    return self->data.client_count;
}

const struct state_client *state_client_at(const struct state *self, size_t index)
{
    return index < self->data.client_count ? &self->data.clients[index] : NULL;
}

const struct state_client *state_find_client(const struct state *self, const uint8_t sha256[32])
{
    const struct state_client *client = state_client_at(self, client_by_certificate(self, sha256));
    return client && client->enabled && !client->pending ? client : NULL;
}

bool state_put_client(struct state *self, const char *name, const char *certificate_pem, const uint8_t sha256[32],
                      int64_t now_ms, char ret_id[STATE_ID_TEXT])
{
    struct state_data *data = &self->data;
    size_t index = client_by_certificate(self, sha256);
    struct state_client fresh = {
        .paired_ms = now_ms, .seen_ms = now_ms, .rights = SEAT_EVERYTHING, .enabled = true, .pending = true};
    if (index == SIZE_MAX) {
        if (data->client_count == STATE_CLIENTS_MAX) {
            log_error("state: %d clients are paired, no more fit; remove one", STATE_CLIENTS_MAX);
            return false;
        }
        fresh.certificate_pem = strdup(certificate_pem);
        if (!fresh.certificate_pem || !make_uuid(fresh.id)) {
            free(fresh.certificate_pem);
            return false;
        }
        memcpy(fresh.sha256, sha256, sizeof(fresh.sha256));
        snprintf(fresh.name, sizeof(fresh.name), "Client %02x%02x%02x%02x", sha256[0], sha256[1], sha256[2], sha256[3]);
        index = data->client_count++;
        data->clients[index] = fresh;
    }
    struct state_client *client = &data->clients[index];
    if (state_data_is_name(name))
        text_copy(client->name, sizeof(client->name), name);
    client->paired_ms = now_ms;
    memcpy(ret_id, client->id, STATE_ID_TEXT);
    return true;
}

void state_confirm_client(struct state *self, const char *id, bool stored)
{
    struct state_client *client = client_by_id(self, id);
    if (!client || !client->pending)
        return;
    if (stored)
        client->pending = false;
    else
        state_remove_client(self, id);
}

bool state_remove_client(struct state *self, const char *id)
{
    struct state_client *client = client_by_id(self, id);
    if (!client)
        return false;
    struct state_client *end = self->data.clients + self->data.client_count--;
    free(client->certificate_pem);
    memmove(client, client + 1, (size_t)(end - client - 1) * sizeof(*client));
    memset(end - 1, 0, sizeof(*client));
    return true;
}

bool state_rename_client(struct state *self, const char *id, const char *name)
{
    struct state_client *client = client_by_id(self, id);
    return client && state_data_is_name(name) && text_copy(client->name, sizeof(client->name), name);
}

bool state_enable_client(struct state *self, const char *id, bool enabled)
{
    struct state_client *client = client_by_id(self, id);
    if (client)
        client->enabled = enabled;
    return client;
}

bool state_set_rights(struct state *self, const char *id, unsigned rights)
{
    struct state_client *client = client_by_id(self, id);
    if (client)
        client->rights = rights;
    return client;
}

void state_saw_client(struct state *self, const uint8_t sha256[32], int64_t now_ms)
{
    size_t index = client_by_certificate(self, sha256);
    if (index != SIZE_MAX)
        self->data.clients[index].seen_ms = now_ms;
}

/* --- the page --- */

const char *state_password(const struct state *self)
{
    return self->data.password[0] ? self->data.password : NULL;
}

bool state_set_password(struct state *self, const char *record)
{
    if (!record) {
        crypto_wipe(self->data.password, sizeof(self->data.password));
        return true;
    }
    if (!*record || strlen(record) >= sizeof(self->data.password))
        return false;
    text_copy(self->data.password, sizeof(self->data.password), record);
    crypto_wipe(self->data.setup_code, sizeof(self->data.setup_code));
    return true;
}

void state_put_back_password(struct state *self, const char *record, const char *setup_code)
{
    crypto_wipe(self->data.password, sizeof(self->data.password));
    crypto_wipe(self->data.setup_code, sizeof(self->data.setup_code));
    if (record)
        text_copy(self->data.password, sizeof(self->data.password), record);
    if (setup_code)
        text_copy(self->data.setup_code, sizeof(self->data.setup_code), setup_code);
}

const char *state_setup_code(const struct state *self)
{
    return self->data.setup_code[0] && !self->data.password[0] ? self->data.setup_code : NULL;
}

bool state_new_setup_code(struct state *self)
{
    char code[STATE_SETUP_CODE_TEXT];
    if (!make_setup_code(code))
        return false;
    memcpy(self->data.setup_code, code, sizeof(code));
    crypto_wipe(code, sizeof(code));
    return state_set_password(self, NULL);
}

bool state_setup_code_matches(const struct state *self, const char *code)
{
    const char *right = state_setup_code(self);
    char typed[STATE_SETUP_CODE_TEXT] = {0};
    size_t used = 0;
    if (!right)
        return false;
    for (; *code; code++) {
        if (*code == '-' || *code == ' ')
            continue;
        if (used == sizeof(typed) - 1)
            return false;
        if (used == 4)
            typed[used++] = '-';
        typed[used++] = *code >= 'a' && *code <= 'z' ? (char)(*code - 'a' + 'A') : *code;
    }
    bool good = !crypto_compare(typed, right, sizeof(typed));
    crypto_wipe(typed, sizeof(typed));
    return good;
}

/* --- the display --- */

const char *state_mode_note(const struct state *self)
{
    return self->data.mode_note[0] ? self->data.mode_note : NULL;
}

bool state_set_mode_note(struct state *self, const char *note)
{
    return strlen(note) < STATE_NOTE_MAX && text_copy(self->data.mode_note, STATE_NOTE_MAX, note);
}

/* --- sound --- */

const char *state_sound_note(const struct state *self)
{
    return self->data.sound_note[0] ? self->data.sound_note : NULL;
}

bool state_set_sound_note(struct state *self, const char *note)
{
    return strlen(note) < STATE_NOTE_MAX && text_copy(self->data.sound_note, STATE_NOTE_MAX, note);
}

/* --- what apps owe --- */

size_t state_owed_count(const struct state *self)
{
    return self->data.owed_count;
}

const struct state_owed *state_owed_at(const struct state *self, size_t index)
{
    return index < self->data.owed_count ? &self->data.owed[index] : NULL;
}

bool state_settle(struct state *self, const char *app, const char *moment)
{
    struct state_data *data = &self->data;
    for (size_t i = 0; i < data->owed_count; i++) {
        if (strcmp(data->owed[i].app, app) != 0 || strcmp(data->owed[i].moment, moment) != 0)
            continue;
        data->owed_count--;
        memmove(&data->owed[i], &data->owed[i + 1], (data->owed_count - i) * sizeof(*data->owed));
        return true;
    }
    return false;
}

bool state_owe(struct state *self, const struct state_owed *owed)
{
    struct state_data *data = &self->data;
    const struct state_owed fresh = *owed; /* it may be one of ours */
    if (!state_data_is_owed(&fresh))
        return false;
    state_settle(self, fresh.app, fresh.moment);
    if (data->owed_count == STATE_OWED_MAX)
        return false;
    struct state_owed *list = realloc(data->owed, (data->owed_count + 1) * sizeof(*list));
    if (!list)
        return false;
    data->owed = list;
    data->owed[data->owed_count++] = fresh;
    return true;
}

/* --- interfaces --- */

size_t state_gso_off(const struct state *self, const char *ret_names[STATE_GSO_OFF_MAX])
{
    for (size_t i = 0; i < self->data.gso_off_count; i++)
        ret_names[i] = self->data.gso_off[i];
    return self->data.gso_off_count;
}

bool state_set_gso_off(struct state *self, const char *const *names, size_t count)
{
    char fresh[STATE_GSO_OFF_MAX][STATE_INTERFACE_TEXT] = {{0}}; /* `names` may be our own */
    if (count > STATE_GSO_OFF_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!*names[i] || !text_copy(fresh[i], STATE_INTERFACE_TEXT, names[i]))
            return false;
    }
    memcpy(self->data.gso_off, fresh, sizeof(fresh));
    self->data.gso_off_count = count;
    return true;
}
