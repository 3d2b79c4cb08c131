/* SPDX-License-Identifier: Apache-2.0 */
/* selftest: the client judged without a host: vectors, FEC, depacketiser, pairing. Arguments: VECTORS_DIR. */
#pragma once

int selftest_run(int argc, char **argv);
