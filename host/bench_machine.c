/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_machine.h"

#include "base/process.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* "model name      : AMD EPYC" -> "AMD EPYC". */
static bool read_model(char ret_cpu[BENCH_TEXT_MAX])
{
    char line[256];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !found && fgets(line, sizeof(line), file)) {
        char *value = strstr(line, ": ");
        if (!value || strncmp(line, "model name", 10) != 0)
            continue;
        value[strcspn(value, "\n")] = '\0';
        text_copy(ret_cpu, BENCH_TEXT_MAX, value + 2);
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

static int memory_mb(void)
{
    return (int)((double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 20));
}

void bench_machine_read(struct bench_machine *ret_machine)
{
    struct utsname names;
    *ret_machine = (struct bench_machine){
        .cpu = "unknown processor", .kernel = "unknown", .cores = process_cores(), .memory_mb = memory_mb()};
    bool named = uname(&names) == 0;
    if (named)
        snprintf(ret_machine->kernel, BENCH_TEXT_MAX, "%s %s", names.sysname, names.release);
    if (!read_model(ret_machine->cpu) && named)
        text_copy(ret_machine->cpu, BENCH_TEXT_MAX, names.machine);
    text_make_printable(ret_machine->cpu);
}
