/* SPDX-License-Identifier: Apache-2.0 */
/* discovery_main NAME PORT: announces until SIGTERM. For tests/e2e/test_discovery.sh. */
#include "net/discovery.h"

#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    sigset_t set;
    int signal_number;
    if (argc != 3)
        return 2;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct discovery *discovery = discovery_start(argv[1], (uint16_t)atoi(argv[2]));
    if (!discovery)
        return 1;
    sigwait(&set, &signal_number);
    discovery_stop(discovery);
    return 0;
}
