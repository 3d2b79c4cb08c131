/* SPDX-License-Identifier: Apache-2.0 */
/* Which keycodes we have filled stands on the root window: after a crash they are known to be ours, and put back. */
#include "input/xtest_keys_internal.h"

#include <stdlib.h>
#include <string.h>

#define NOTE "_EARTHSHINE_TEXT_KEYS"

bool xtest_note_read(struct xtest_keys *self, struct xtest_link *link)
{
    void *answer;
    unsigned sequence = xcb_intern_atom(link->connection, 0, sizeof(NOTE) - 1, NOTE).sequence;
    if (!xtest_link_wait(link, sequence, &answer))
        return false;
    xcb_intern_atom_reply_t *atom = answer;
    self->note = atom ? atom->atom : XCB_NONE;
    free(atom);
    sequence = xcb_get_property(link->connection, 0, link->root, self->note, XCB_ATOM_CARDINAL, 0, 2 * XTEST_SPARES_MAX)
                   .sequence;
    if (self->note == XCB_NONE || !xtest_link_wait(link, sequence, &answer))
        return false;
    xcb_get_property_reply_t *reply = answer;
    bool good = reply && reply->format == 32 && reply->value_len <= 2 * XTEST_SPARES_MAX &&
                xtest_link_reply_holds(reply, reply + 1, 4ull * reply->value_len);
    const uint32_t *pairs = reply ? xcb_get_property_value(reply) : NULL;
    for (uint32_t i = 0; good && i + 1 < reply->value_len; i += 2)
        self->spares[self->spare_count++] = (struct xtest_spare){.keycode = (uint8_t)pairs[i], .keysym = pairs[i + 1]};
    free(reply);
    return true;
}

void xtest_note_write(const struct xtest_keys *self, struct xtest_link *link)
{
    uint32_t pairs[2 * XTEST_SPARES_MAX], count = 0;
    for (int i = 0; i < self->spare_count; i++)
        if (self->spares[i].keysym) {
            pairs[count++] = self->spares[i].keycode;
            pairs[count++] = self->spares[i].keysym;
        }
    if (count)
        xcb_change_property(link->connection, XCB_PROP_MODE_REPLACE, link->root, self->note, XCB_ATOM_CARDINAL, 32,
                            count, pairs);
    else
        xcb_delete_property(link->connection, link->root, self->note);
}
