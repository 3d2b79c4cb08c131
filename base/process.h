/* SPDX-License-Identifier: Apache-2.0 */
/* process: settings of the whole process. At start. */
#pragma once

/* As many open files as the system lets us have: floods of connections must not use up what streams need. */
void process_raise_file_limit(void);
