/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_alarm.h"

#include "host/cli.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const char message[] =
    "\nearthshine: an encoder or its driver has not answered for 20 s, where the text above ends: it hangs\n";

static void on_alarm(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(EXIT_FAILED);
}

void bench_alarm_set(void)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(BENCH_ALARM_S);
}

void bench_alarm_clear(void)
{
    alarm(0);
}
