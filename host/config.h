/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: the settings: key = value lines of one file, then `--set key=value` words, checked strictly.
 * The table in config.c names every key, what it takes and its default; packaging/earthshine.conf explains them.
 */
#pragma once

#include "base/log.h"
#include "net/address.h"
#include "protocol/sdp.h"
#include "web/web.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum config_match_mode { CONFIG_MATCH_VIRTUAL, CONFIG_MATCH_CLIENT, CONFIG_MATCH_ALWAYS, CONFIG_MATCH_NEVER };
enum config_identity { CONFIG_IDENTITY_AUTO, CONFIG_IDENTITY_FIXED };

struct config {
    int port;                      /* base port, 1029..65514 */
    struct address bind;           /* without a port */
    char state_dir[PATH_MAX - 64]; /* room for the names of the files in it */
    char display[64];              /* "auto", ":N", "none" */
    char output[64];               /* "auto", "all", a name */
    char encoder[16];              /* "auto", "x264", "nvenc", "vaapi" */
    int bitrate_max_kbps;          /* 0: as the client wishes */
    int fec_percent;               /* 0..255 */
    int idle_fps;                  /* 0..60 */
    enum sdp_policy video_encryption, video_encryption_wan;
    enum web_allow web_allow;
    char name[64]; /* shown by clients; the host name when not set */
    enum log_level log_level;
    enum config_identity identity;
};

enum { CONFIG_ERROR_MAX = 512 };

/* Defaults, with the folders of a service (root) or of this user. False: no home folder is known; the reason in
 * ret_error. */
bool config_init(struct config *ret_config, char ret_error[CONFIG_ERROR_MAX]);

/* The default file of this user: "/etc/earthshine/earthshine.conf" or below XDG_CONFIG_HOME. */
void config_default_path(char *ret_path, size_t capacity);

/* Reads a file into `self`. A missing one is an error only when `required`. False: ret_error names file, line, what is
 * wrong and what was expected. */
bool config_read_file(struct config *self, const char *path, bool required, char ret_error[CONFIG_ERROR_MAX]);
/* The same from memory; `name` stands for the file in errors. */
bool config_read_text(struct config *self, const char *text, const char *name, char ret_error[CONFIG_ERROR_MAX]);
/* One "key=value". */
bool config_set(struct config *self, const char *assignment, char ret_error[CONFIG_ERROR_MAX]);
