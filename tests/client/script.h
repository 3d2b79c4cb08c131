/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script: what the client's user does, read line by line from a file, or a pipe that is still being written to. A line
 * is [at MS | after MS] ACTION, the time counted from the first picture, or from when the line before was sent:
 *
 *   key VK down|up [MODIFIERS [FLAGS]]   hexadecimal; the prefix 0x80 is added
 *   text STRING                          to the end of the line, a packet for each character; \n \t \\
 *   move DX DY     position X Y WIDTH HEIGHT     button N down|up     wheel AMOUNT     hwheel AMOUNT
 *   touch EVENT POINTER X Y [PRESSURE]
 *   pen EVENT X Y [PRESSURE [BUTTONS [TOOL]]]
 *   raw CHANNEL HEX                      a packet as it is
 *   hello                                what every client sends first
 */
#pragma once

#include "tests/client/input.h"

struct script;
typedef void (*script_send_fn)(void *ctx, const struct input_packet *packet);

struct script *script_open(const char *path, script_send_fn send, void *ctx); /* NULL: said on stderr */
void script_close(struct script *self);
/* Does what is due. False: a line cannot be read, said on stderr. */
bool script_run(struct script *self, int64_t start_ns, int64_t now_ns);
/* One line without a time. False: not understood; what it began is sent. */
bool script_do(const char *action, script_send_fn send, void *ctx);
