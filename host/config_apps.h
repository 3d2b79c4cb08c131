/* SPDX-License-Identifier: Apache-2.0 */
/* config_apps: the [app "Name"] sections of the configuration; for config.c. */
#pragma once

#include "host/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of the section being read. */
struct config_apps_section {
    uint64_t seen; /* bit n: key n of the table has had its value */
};

/*
 * A section line, `[app "Name"]` and nothing else, its blanks at the end cut off. Appends the app to `config`, whose
 * list is grown. False: `ret_why` says what is wrong.
 */
bool config_apps_begin(struct config *config, const char *line, char ret_why[CONFIG_ERROR_MAX]);
/* A key of the app that was begun last. `continues`: the line is indented, its text goes on from the line before. */
bool config_apps_set(struct config *config, struct config_apps_section *section, const char *name, const char *value,
                     bool continues, char ret_why[CONFIG_ERROR_MAX]);
