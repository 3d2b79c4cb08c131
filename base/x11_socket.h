/* SPDX-License-Identifier: Apache-2.0 */
/* x11_socket: the local socket of an X display, without waiting and without libraries of X. */
#pragma once

/* A connected socket that does not block, or -1 and the errno; EAGAIN: the server takes no connections now. */
int x11_socket_open(int number, int *ret_error);
