/* SPDX-License-Identifier: Apache-2.0 */
/* state_data: what state.json holds, and its text. Pure; used by state.c, its tests and the fuzzer. */
#pragma once

#include "host/state.h"

#include <stdbool.h>
#include <stddef.h>

struct state_data {
    char uniqueid[STATE_ID_TEXT];
    struct state_client clients[STATE_CLIENTS_MAX];
    size_t client_count;
    char password[STATE_RECORD_MAX]; /* "": none */
    char setup_code[STATE_SETUP_CODE_TEXT];
    char gso_off[STATE_GSO_OFF_MAX][STATE_INTERFACE_TEXT];
    size_t gso_off_count;
    char mode_note[STATE_NOTE_MAX];  /* "": none */
    char sound_note[STATE_NOTE_MAX]; /* "": none */
    struct state_machine machine;
    struct state_owed *owed; /* NULL: none */
    size_t owed_count;
};

/* Frees what hangs on it and wipes; the memory itself is the caller's. */
void state_data_finish(struct state_data *self);

enum state_data_result {
    STATE_DATA_OK,
    STATE_DATA_BAD,   /* not ours, damaged, or a value outside its limits: nothing of it is used */
    STATE_DATA_NEWER, /* of a version that we do not know */
};
/* `ret_data` is written on OK only. `*ret_why` (BAD): a text, or NULL. */
enum state_data_result state_data_parse(const char *text, size_t size, struct state_data *ret_data,
                                        const char **ret_why);
/* JSON text, freed (and wiped) by the caller. Pending clients are in it: being written is what they wait for. */
char *state_data_serialise(const struct state_data *self); /* NULL: out of memory */

bool state_data_is_uuid(const char *text); /* 8-4-4-4-12, lower case */
bool state_data_is_name(const char *text); /* 1..STATE_NAME_MAX bytes of UTF-8 without control characters */
bool state_data_is_owed(const struct state_owed *owed); /* every text is one that can be stored */
