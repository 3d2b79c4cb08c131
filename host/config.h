/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: the settings, from defaults, then the file, then `--set key=value`. Strict: an unknown key or a bad value is
 * an error that names file, line and what was expected. packaging/earthshine.conf explains every key.
 */
#pragma once

#include "base/log.h"
#include "web/web.h"

#include <stdbool.h>
#include <stddef.h>

enum config_match_mode { CONFIG_MATCH_VIRTUAL, CONFIG_MATCH_CLIENT, CONFIG_MATCH_ALWAYS, CONFIG_MATCH_NEVER };
enum config_encryption { CONFIG_ENCRYPTION_OFF, CONFIG_ENCRYPTION_OPPORTUNISTIC, CONFIG_ENCRYPTION_MANDATORY };
/* The numbers of encode/encoder.h, enum encoder_rate. */
enum config_rate_control { CONFIG_RATE_QUANTISER, CONFIG_RATE_BITRATE };
enum config_codecs { CONFIG_CODECS_AUTO, CONFIG_CODECS_H264, CONFIG_CODECS_HEVC, CONFIG_CODECS_AV1 };
enum config_audio { CONFIG_AUDIO_AUTO, CONFIG_AUDIO_OFF };
enum config_input { CONFIG_INPUT_AUTO, CONFIG_INPUT_UINPUT, CONFIG_INPUT_XTEST, CONFIG_INPUT_OFF };
enum config_identity { CONFIG_IDENTITY_AUTO, CONFIG_IDENTITY_FIXED };

enum {
    CONFIG_PATH_MAX = 1024,
    CONFIG_TEXT_MAX = 128,
    CONFIG_COMMAND_MAX = 1024,
    CONFIG_ERROR_MAX = 1536,
    CONFIG_PORT_MIN = 1029, /* -5 and +21 must stay valid and unprivileged */
    CONFIG_PORT_MAX = 65514,
    CONFIG_APPS_MAX = 64,
    CONFIG_ENVIRONMENT_MAX = 2048,
};

/* When an app's commands run; see host/apps.h. */
enum config_moment { CONFIG_CONNECT, CONFIG_FIRST_PICTURE, CONFIG_DISCONNECT, CONFIG_QUIT, CONFIG_MOMENTS };
const char *config_moment_name(enum config_moment moment); /* "first_picture" */

struct config_hook {
    char run[CONFIG_COMMAND_MAX], undo[CONFIG_COMMAND_MAX]; /* "": none */
};

/* An [app "Name"] section. Texts are "" when they are not given. */
struct config_app {
    char name[CONFIG_TEXT_MAX + 1]; /* UTF-8 without control characters and < > & " */
    char command[CONFIG_COMMAND_MAX];
    char directory[CONFIG_PATH_MAX], image[CONFIG_PATH_MAX]; /* from / */
    char user[CONFIG_TEXT_MAX];
    char environment[CONFIG_ENVIRONMENT_MAX]; /* NAME=value, each with its NUL, one after another; then an empty one */
    struct config_hook hooks[CONFIG_MOMENTS];
};
bool config_is_environment(const char *text); /* NAME=value */

struct config {
    int port;                   /* base: HTTP */
    char bind[CONFIG_TEXT_MAX]; /* IPv4, "0.0.0.0": all */
    char name[CONFIG_TEXT_MAX]; /* "": the host name */
    char state_dir[CONFIG_PATH_MAX];
    char display[CONFIG_TEXT_MAX];            /* "auto", ":N", "none" */
    char output[CONFIG_TEXT_MAX];             /* "auto": primary, NAME, "all" */
    int virtual_width, virtual_height;        /* 0: off */
    char session_command[CONFIG_COMMAND_MAX]; /* run in the private display; "": nothing */
    char session_user[CONFIG_TEXT_MAX];       /* as this user; "": as the host, which must not be root then */
    enum config_match_mode match_mode;
    char encoder[CONFIG_TEXT_MAX]; /* "auto", "software" or a backend's name */
    enum config_codecs codecs;     /* offered besides H.264; AUTO: what a GPU makes */
    enum config_rate_control rate_control;
    enum config_audio audio;
    enum config_input input;
    int bitrate_max_kbps; /* 0: no limit of ours */
    int fec_percent;
    int idle_fps;
    enum config_encryption video_encryption, video_encryption_wan;
    enum web_allow web_allow;
    enum config_identity identity;
    enum log_level log_level;
    struct config_app *apps; /* in the order of the file, names and nvhttp_app_id() unique; NULL: no section */
    size_t app_count;
};

bool config_is_service(void); /* we are root */

/* Defaults. The state folder as DESIGN says: a user's own, or /var/lib/earthshine for root. False: no home folder, and
 * `state_dir` must be set. */
void config_init(struct config *ret_config);
void config_finish(struct config *config); /* frees the apps; the memory itself is the caller's */

/* Where the file is when --config is not given: /etc/earthshine/earthshine.conf for root,
 * else $XDG_CONFIG_HOME/earthshine/earthshine.conf. False: no home folder. */
bool config_default_path(char ret_path[CONFIG_PATH_MAX]);

/* Text of a file, `name` for messages; its apps take the place of those there were. False: `ret_error` tells file,
 * line, what was expected; `config` is unchanged. */
bool config_parse(struct config *config, const char *name, const char *text, size_t size,
                  char ret_error[CONFIG_ERROR_MAX]);
/* "key=value" of the command line; of no app. */
bool config_set(struct config *config, const char *assignment, char ret_error[CONFIG_ERROR_MAX]);
/* Reads the file at `path`. `must_exist`: it was named on the command line; else a missing file is fine. */
bool config_read(struct config *config, const char *path, bool must_exist, char ret_error[CONFIG_ERROR_MAX]);
/* What only the whole can show: state_dir is set. After all of the above. */
bool config_check(const struct config *config, char ret_error[CONFIG_ERROR_MAX]);
