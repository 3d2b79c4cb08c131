/* SPDX-License-Identifier: Apache-2.0 */
/* Built without X11: nobody can be asked. */
#include "capture/x11_windows.h"

struct x11_windows *x11_windows_create(int number, const uint8_t *cookie, size_t cookie_size)
{
    (void)number, (void)cookie, (void)cookie_size;
    return NULL;
}

enum x11_windows_answer x11_windows_ask(struct x11_windows *self)
{
    (void)self;
    return X11_WINDOWS_UNKNOWN;
}

void x11_windows_cancel(struct x11_windows *self)
{
    (void)self;
}

void x11_windows_destroy(struct x11_windows *self)
{
    (void)self;
}
