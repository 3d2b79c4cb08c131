/* SPDX-License-Identifier: Apache-2.0 */
/* clock: time for code outside protocol/ (which gets it as an argument). Any thread. */
#pragma once

#include <stdint.h>

#define CLOCK_SECOND_NS INT64_C(1000000000)
#define CLOCK_MS_NS     INT64_C(1000000)
#define CLOCK_US_NS     INT64_C(1000)

int64_t clock_now_ns(void);                  /* monotonic */
int64_t clock_wall_ms(void);                 /* since 1970, UTC */
void clock_sleep_until_ns(int64_t until_ns); /* monotonic; returns at once when it is past */
/* CPU time this whole process has used so far, user and system. */
int64_t clock_process_cpu_ns(void);
