/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what must outlive the process: id, paired clients, the page's password, what was learned about the network.
 * One JSON file, state.json, with its previous generation state.json.1, in a 0700 folder locked by the one process that
 * writes. Main thread, but for state_write().
 */
#pragma once

#include "web/web.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATE_SCHEMA = 1,
    STATE_CLIENTS_MAX = 256,
    STATE_NAME_MAX = 128, /* bytes of a client's name */
    STATE_ID_TEXT = 37,   /* a UUID and NUL */
    STATE_INTERFACES_MAX = 32,
    STATE_FILE_MAX = 4 * 1024 * 1024,
};

struct state_client {
    char id[STATE_ID_TEXT];
    char name[STATE_NAME_MAX + 1];
    char *certificate_pem;      /* as received */
    uint8_t sha256[32];         /* of its DER */
    int64_t paired_ms, seen_ms; /* wall clock; seen 0: never */
    bool enabled;
};

/* The machine this state belongs to, as salted hashes; see identity.h. Empty texts: not known. */
struct state_machine {
    char salt[33], smbios[65], machine_id[65];
};

struct state {
    char uniqueid[STATE_ID_TEXT]; /* the host's */
    struct state_client clients[STATE_CLIENTS_MAX];
    int client_count;
    char password_record[WEB_RECORD_MAX];   /* empty: none set yet */
    char gso_off[STATE_INTERFACES_MAX][16]; /* interface names */
    int gso_off_count;
    struct state_machine machine;

    char folder[PATH_MAX - 64];
    int lock_fd;
    bool is_new;         /* no file was there */
    bool current_is_bad; /* state.json could not be read: do not make it the previous generation */
};

/* Makes and locks the folder, reads the state; a new one when there is no file. NULL: logged (locked by another host,
 * both generations unreadable, newer schema): nothing was written. */
struct state *state_open(const char *folder);
void state_close(struct state *self); /* wipes, unlocks; NULL is fine */

/* Constant-time compare with every client; the entry, or NULL. `enabled_only`: as authorisation wants it. */
struct state_client *state_find_client(struct state *self, const uint8_t sha256[32], bool enabled_only);
struct state_client *state_find_client_id(struct state *self, const char *id);
/* A new client, or the known one with this certificate renewed (its name stays when `name` is empty). NULL: full, or
 * not a certificate; logged. */
struct state_client *state_add_client(struct state *self, const char *name, const char *certificate_pem,
                                      int64_t now_ms);
void state_remove_client(struct state *self, struct state_client *client);
bool state_set_name(struct state_client *client, const char *name); /* false: empty, too long or not UTF-8 */
bool state_set_password(struct state *self, const char *record);    /* false: too long */

/* The file's text; freed by the caller (wipe it first). NULL: out of memory, logged. */
char *state_serialise(const struct state *self);
/* Any thread: one call at a time. Nothing changes on disk when it fails (logged). */
bool state_write(const char *folder, const char *text, bool current_is_bad);
/* Both at once, blocking: at start and for the command line. */
bool state_save_now(struct state *self);

/* Fills the contents from JSON text; strict. False: the reason in words. For state_open and its fuzzer. */
bool state_parse(struct state *self, const char *text, size_t size, const char **ret_reason);
void state_clear(struct state *self); /* frees what parse filled in */

/* A random UUID (version 4). False: no random numbers. */
bool state_make_uuid(char ret_uuid[STATE_ID_TEXT]);
