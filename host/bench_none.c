/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench.h"

#include "host/cli.h"

#include <stdio.h>

int bench_run(const struct config *config, int count, char **arguments)
{
    (void)config, (void)count, (void)arguments;
    fprintf(stderr, "earthshine: bench needs an X server to paint on, and this program was built without X11\n");
    return EXIT_FAILED;
}
