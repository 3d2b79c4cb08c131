/* SPDX-License-Identifier: Apache-2.0 */
/* stream: a whole session as a stock client runs it: serverinfo, launch or resume, RTSP, control, video, report. */
#pragma once

#include "tests/client/options.h"

/* Prints "STREAMING" at the first picture and the JSON report at the end. Exit code: 0 when pictures came. */
int stream_run(const struct options *options, const struct http_target *target, const struct identity *identity);

/* /launch or /resume with the usual parameters; the reply is to be finished by the caller. */
bool stream_launch(const struct options *options, const struct http_target *target, const struct identity *identity,
                   const char *path, int app_id, const char *rikey, struct http_reply *ret_reply);
