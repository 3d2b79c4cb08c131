/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_alarm: ends the process, with a word on stderr, when a driver does not come back from a call: nothing else
 * helps then. Main thread of a command, not of the host.
 */
#pragma once

enum { BENCH_ALARM_S = 20 };

/* From now on the process ends after BENCH_ALARM_S, unless it is set again or cleared. */
void bench_alarm_set(void);
void bench_alarm_clear(void);
