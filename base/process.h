/* SPDX-License-Identifier: Apache-2.0 */
/* process: what concerns the whole process. Main thread. */
#pragma once

/* As many open files as the system lets us have: floods of connections must not use up what streams need. */
void process_raise_file_limit(void);

/* What a session allocated goes back to the system when it ends. Before any thread; at most once. */
void process_return_freed_memory(void);

/* The process is killed if it still runs after that time. */
void process_end_within(unsigned seconds);

int process_cores(void); /* that are online; at least 1 */
