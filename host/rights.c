/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rights.h"

#include "input/seat.h"

#include <string.h>

static const struct {
    const char *word;
    unsigned right;
} words[] = {
    {"keyboard", SEAT_KEYBOARD},
    {"mouse", SEAT_MOUSE},
    {"touch", SEAT_TOUCH_PEN},
    {"gamepad", SEAT_GAMEPAD},
};
enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };

void rights_text(unsigned rights, char ret_text[RIGHTS_TEXT])
{
    ret_text[0] = 0;
    for (int i = 0; i < (int)WORD_COUNT; i++) {
        if (!(rights & words[i].right))
            continue;
        if (ret_text[0])
            strcat(ret_text, " ");
        strcat(ret_text, words[i].word); /* all of them fit */
    }
}

static unsigned right_of(const char *word, size_t length)
{
    for (int i = 0; i < (int)WORD_COUNT; i++)
        if (strlen(words[i].word) == length && memcmp(words[i].word, word, length) == 0)
            return words[i].right;
    return 0;
}

bool rights_parse(const char *text, unsigned *ret_rights)
{
    unsigned rights = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        unsigned right = right_of(text, length);
        text += length;
        if (!right || (rights & right) || (*text && !*++text))
            return false;
        rights |= right;
    }
    *ret_rights = rights;
    return true;
}
