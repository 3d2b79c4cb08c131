/* SPDX-License-Identifier: Apache-2.0 */
#include "input/keymap.h"

static const struct keymap_key keys[] = {
    {0x03, KEYMAP_PLAIN, 119, 0xff6b, 0x48},     /* CANCEL: KEY_PAUSE */
    {0x08, KEYMAP_PLAIN, 14, 0xff08, 0x2a},      /* BACK: KEY_BACKSPACE */
    {0x09, KEYMAP_PLAIN, 15, 0xff09, 0x2b},      /* TAB: KEY_TAB */
    {0x0c, KEYMAP_PLAIN, 355, 0xff0b, 0x9c},     /* CLEAR: KEY_CLEAR */
    {0x0d, KEYMAP_PLAIN, 28, 0xff0d, 0x28},      /* RETURN: KEY_ENTER */
    {0x0d, KEYMAP_EXTENDED, 96, 0xff8d, 0x58},   /* RETURN: KEY_KPENTER */
    {0x10, KEYMAP_PLAIN, 42, 0xffe1, 0xe1},      /* SHIFT: KEY_LEFTSHIFT */
    {0x11, KEYMAP_PLAIN, 29, 0xffe3, 0xe0},      /* CONTROL: KEY_LEFTCTRL */
    {0x12, KEYMAP_PLAIN, 56, 0xffe9, 0xe2},      /* MENU: KEY_LEFTALT */
    {0x13, KEYMAP_PLAIN, 119, 0xff13, 0x48},     /* PAUSE: KEY_PAUSE */
    {0x14, KEYMAP_PLAIN, 58, 0xffe5, 0x39},      /* CAPITAL: KEY_CAPSLOCK */
    {0x15, KEYMAP_PLAIN, 93, 0xff27, 0x88},      /* KANA / HANGUL: KEY_KATAKANAHIRAGANA */
    {0x16, KEYMAP_PLAIN, 122, 0xff31, 0x90},     /* IME_ON: KEY_HANGEUL */
    {0x17, KEYMAP_PLAIN, 123, 0xff38, 0x91},     /* JUNJA: KEY_HANJA */
    {0x19, KEYMAP_PLAIN, 85, 0xff2a, 0x94},      /* KANJI / HANJA: KEY_ZENKAKUHANKAKU */
    {0x1b, KEYMAP_PLAIN, 1, 0xff1b, 0x29},       /* ESCAPE: KEY_ESC */
    {0x1c, KEYMAP_PLAIN, 92, 0xff23, 0x8a},      /* CONVERT: KEY_HENKAN */
    {0x1d, KEYMAP_PLAIN, 94, 0xff22, 0x8b},      /* NONCONVERT: KEY_MUHENKAN */
    {0x20, KEYMAP_PLAIN, 57, 0x20, 0x2c},        /* SPACE: KEY_SPACE */
    {0x21, KEYMAP_PLAIN, 104, 0xff55, 0x4b},     /* PRIOR: KEY_PAGEUP */
    {0x22, KEYMAP_PLAIN, 109, 0xff56, 0x4e},     /* NEXT: KEY_PAGEDOWN */
    {0x23, KEYMAP_PLAIN, 107, 0xff57, 0x4d},     /* END: KEY_END */
    {0x24, KEYMAP_PLAIN, 102, 0xff50, 0x4a},     /* HOME: KEY_HOME */
    {0x25, KEYMAP_PLAIN, 105, 0xff51, 0x50},     /* LEFT: KEY_LEFT */
    {0x26, KEYMAP_PLAIN, 103, 0xff52, 0x52},     /* UP: KEY_UP */
    {0x27, KEYMAP_PLAIN, 106, 0xff53, 0x4f},     /* RIGHT: KEY_RIGHT */
    {0x28, KEYMAP_PLAIN, 108, 0xff54, 0x51},     /* DOWN: KEY_DOWN */
    {0x29, KEYMAP_PLAIN, 353, 0xff60, 0x77},     /* SELECT: KEY_SELECT */
    {0x2a, KEYMAP_PLAIN, 210, 0xff61, 0x00},     /* PRINT: KEY_PRINT */
    {0x2b, KEYMAP_PLAIN, 134, 0xff62, 0x74},     /* EXECUTE: KEY_OPEN */
    {0x2c, KEYMAP_PLAIN, 99, 0xff61, 0x46},      /* SNAPSHOT: KEY_SYSRQ */
    {0x2d, KEYMAP_PLAIN, 110, 0xff63, 0x49},     /* INSERT: KEY_INSERT */
    {0x2e, KEYMAP_PLAIN, 111, 0xffff, 0x4c},     /* DELETE: KEY_DELETE */
    {0x2f, KEYMAP_PLAIN, 138, 0xff6a, 0x75},     /* HELP: KEY_HELP */
    {0x30, KEYMAP_PLAIN, 11, 0x30, 0x27},        /* 0: KEY_0 */
    {0x31, KEYMAP_PLAIN, 2, 0x31, 0x1e},         /* 1: KEY_1 */
    {0x32, KEYMAP_PLAIN, 3, 0x32, 0x1f},         /* 2: KEY_2 */
    {0x33, KEYMAP_PLAIN, 4, 0x33, 0x20},         /* 3: KEY_3 */
    {0x34, KEYMAP_PLAIN, 5, 0x34, 0x21},         /* 4: KEY_4 */
    {0x35, KEYMAP_PLAIN, 6, 0x35, 0x22},         /* 5: KEY_5 */
    {0x36, KEYMAP_PLAIN, 7, 0x36, 0x23},         /* 6: KEY_6 */
    {0x37, KEYMAP_PLAIN, 8, 0x37, 0x24},         /* 7: KEY_7 */
    {0x38, KEYMAP_PLAIN, 9, 0x38, 0x25},         /* 8: KEY_8 */
    {0x39, KEYMAP_PLAIN, 10, 0x39, 0x26},        /* 9: KEY_9 */
    {0x41, KEYMAP_PLAIN, 30, 0x61, 0x04},        /* A: KEY_A */
    {0x42, KEYMAP_PLAIN, 48, 0x62, 0x05},        /* B: KEY_B */
    {0x43, KEYMAP_PLAIN, 46, 0x63, 0x06},        /* C: KEY_C */
    {0x44, KEYMAP_PLAIN, 32, 0x64, 0x07},        /* D: KEY_D */
    {0x45, KEYMAP_PLAIN, 18, 0x65, 0x08},        /* E: KEY_E */
    {0x46, KEYMAP_PLAIN, 33, 0x66, 0x09},        /* F: KEY_F */
    {0x47, KEYMAP_PLAIN, 34, 0x67, 0x0a},        /* G: KEY_G */
    {0x48, KEYMAP_PLAIN, 35, 0x68, 0x0b},        /* H: KEY_H */
    {0x49, KEYMAP_PLAIN, 23, 0x69, 0x0c},        /* I: KEY_I */
    {0x4a, KEYMAP_PLAIN, 36, 0x6a, 0x0d},        /* J: KEY_J */
    {0x4b, KEYMAP_PLAIN, 37, 0x6b, 0x0e},        /* K: KEY_K */
    {0x4c, KEYMAP_PLAIN, 38, 0x6c, 0x0f},        /* L: KEY_L */
    {0x4d, KEYMAP_PLAIN, 50, 0x6d, 0x10},        /* M: KEY_M */
    {0x4e, KEYMAP_PLAIN, 49, 0x6e, 0x11},        /* N: KEY_N */
    {0x4f, KEYMAP_PLAIN, 24, 0x6f, 0x12},        /* O: KEY_O */
    {0x50, KEYMAP_PLAIN, 25, 0x70, 0x13},        /* P: KEY_P */
    {0x51, KEYMAP_PLAIN, 16, 0x71, 0x14},        /* Q: KEY_Q */
    {0x52, KEYMAP_PLAIN, 19, 0x72, 0x15},        /* R: KEY_R */
    {0x53, KEYMAP_PLAIN, 31, 0x73, 0x16},        /* S: KEY_S */
    {0x54, KEYMAP_PLAIN, 20, 0x74, 0x17},        /* T: KEY_T */
    {0x55, KEYMAP_PLAIN, 22, 0x75, 0x18},        /* U: KEY_U */
    {0x56, KEYMAP_PLAIN, 47, 0x76, 0x19},        /* V: KEY_V */
    {0x57, KEYMAP_PLAIN, 17, 0x77, 0x1a},        /* W: KEY_W */
    {0x58, KEYMAP_PLAIN, 45, 0x78, 0x1b},        /* X: KEY_X */
    {0x59, KEYMAP_PLAIN, 21, 0x79, 0x1c},        /* Y: KEY_Y */
    {0x5a, KEYMAP_PLAIN, 44, 0x7a, 0x1d},        /* Z: KEY_Z */
    {0x5b, KEYMAP_PLAIN, 125, 0xffeb, 0xe3},     /* LWIN: KEY_LEFTMETA */
    {0x5c, KEYMAP_PLAIN, 126, 0xffec, 0xe7},     /* RWIN: KEY_RIGHTMETA */
    {0x5d, KEYMAP_PLAIN, 127, 0xff67, 0x65},     /* APPS: KEY_COMPOSE */
    {0x5f, KEYMAP_PLAIN, 142, 0x1008ff2f, 0x00}, /* SLEEP: KEY_SLEEP */
    {0x60, KEYMAP_PLAIN, 82, 0xffb0, 0x62},      /* NUMPAD0: KEY_KP0 */
    {0x61, KEYMAP_PLAIN, 79, 0xffb1, 0x59},      /* NUMPAD1: KEY_KP1 */
    {0x62, KEYMAP_PLAIN, 80, 0xffb2, 0x5a},      /* NUMPAD2: KEY_KP2 */
    {0x63, KEYMAP_PLAIN, 81, 0xffb3, 0x5b},      /* NUMPAD3: KEY_KP3 */
    {0x64, KEYMAP_PLAIN, 75, 0xffb4, 0x5c},      /* NUMPAD4: KEY_KP4 */
    {0x65, KEYMAP_PLAIN, 76, 0xffb5, 0x5d},      /* NUMPAD5: KEY_KP5 */
    {0x66, KEYMAP_PLAIN, 77, 0xffb6, 0x5e},      /* NUMPAD6: KEY_KP6 */
    {0x67, KEYMAP_PLAIN, 71, 0xffb7, 0x5f},      /* NUMPAD7: KEY_KP7 */
    {0x68, KEYMAP_PLAIN, 72, 0xffb8, 0x60},      /* NUMPAD8: KEY_KP8 */
    {0x69, KEYMAP_PLAIN, 73, 0xffb9, 0x61},      /* NUMPAD9: KEY_KP9 */
    {0x6a, KEYMAP_PLAIN, 55, 0xffaa, 0x55},      /* MULTIPLY: KEY_KPASTERISK */
    {0x6b, KEYMAP_PLAIN, 78, 0xffab, 0x57},      /* ADD: KEY_KPPLUS */
    {0x6c, KEYMAP_PLAIN, 121, 0xffac, 0x85},     /* SEPARATOR: KEY_KPCOMMA */
    {0x6d, KEYMAP_PLAIN, 74, 0xffad, 0x56},      /* SUBTRACT: KEY_KPMINUS */
    {0x6e, KEYMAP_PLAIN, 83, 0xffae, 0x63},      /* DECIMAL: KEY_KPDOT */
    {0x6f, KEYMAP_PLAIN, 98, 0xffaf, 0x54},      /* DIVIDE: KEY_KPSLASH */
    {0x70, KEYMAP_PLAIN, 59, 0xffbe, 0x3a},      /* F1: KEY_F1 */
    {0x71, KEYMAP_PLAIN, 60, 0xffbf, 0x3b},      /* F2: KEY_F2 */
    {0x72, KEYMAP_PLAIN, 61, 0xffc0, 0x3c},      /* F3: KEY_F3 */
    {0x73, KEYMAP_PLAIN, 62, 0xffc1, 0x3d},      /* F4: KEY_F4 */
    {0x74, KEYMAP_PLAIN, 63, 0xffc2, 0x3e},      /* F5: KEY_F5 */
    {0x75, KEYMAP_PLAIN, 64, 0xffc3, 0x3f},      /* F6: KEY_F6 */
    {0x76, KEYMAP_PLAIN, 65, 0xffc4, 0x40},      /* F7: KEY_F7 */
    {0x77, KEYMAP_PLAIN, 66, 0xffc5, 0x41},      /* F8: KEY_F8 */
    {0x78, KEYMAP_PLAIN, 67, 0xffc6, 0x42},      /* F9: KEY_F9 */
    {0x79, KEYMAP_PLAIN, 68, 0xffc7, 0x43},      /* F10: KEY_F10 */
    {0x7a, KEYMAP_PLAIN, 87, 0xffc8, 0x44},      /* F11: KEY_F11 */
    {0x7b, KEYMAP_PLAIN, 88, 0xffc9, 0x45},      /* F12: KEY_F12 */
    {0x7c, KEYMAP_PLAIN, 183, 0xffca, 0x68},     /* F13: KEY_F13 */
    {0x7d, KEYMAP_PLAIN, 184, 0xffcb, 0x69},     /* F14: KEY_F14 */
    {0x7e, KEYMAP_PLAIN, 185, 0xffcc, 0x6a},     /* F15: KEY_F15 */
    {0x7f, KEYMAP_PLAIN, 186, 0xffcd, 0x6b},     /* F16: KEY_F16 */
    {0x80, KEYMAP_PLAIN, 187, 0xffce, 0x6c},     /* F17: KEY_F17 */
    {0x81, KEYMAP_PLAIN, 188, 0xffcf, 0x6d},     /* F18: KEY_F18 */
    {0x82, KEYMAP_PLAIN, 189, 0xffd0, 0x6e},     /* F19: KEY_F19 */
    {0x83, KEYMAP_PLAIN, 190, 0xffd1, 0x6f},     /* F20: KEY_F20 */
    {0x84, KEYMAP_PLAIN, 191, 0xffd2, 0x70},     /* F21: KEY_F21 */
    {0x85, KEYMAP_PLAIN, 192, 0xffd3, 0x71},     /* F22: KEY_F22 */
    {0x86, KEYMAP_PLAIN, 193, 0xffd4, 0x72},     /* F23: KEY_F23 */
    {0x87, KEYMAP_PLAIN, 194, 0xffd5, 0x73},     /* F24: KEY_F24 */
    {0x90, KEYMAP_PLAIN, 69, 0xff7f, 0x53},      /* NUMLOCK: KEY_NUMLOCK */
    {0x91, KEYMAP_PLAIN, 70, 0xff14, 0x47},      /* SCROLL: KEY_SCROLLLOCK */
    {0x9a, KEYMAP_PLAIN, 99, 0xff61, 0x46},      /* not a Windows code: KEY_SYSRQ */
    {0xa0, KEYMAP_PLAIN, 42, 0xffe1, 0xe1},      /* LSHIFT: KEY_LEFTSHIFT */
    {0xa1, KEYMAP_PLAIN, 54, 0xffe2, 0xe5},      /* RSHIFT: KEY_RIGHTSHIFT */
    {0xa2, KEYMAP_PLAIN, 29, 0xffe3, 0xe0},      /* LCONTROL: KEY_LEFTCTRL */
    {0xa3, KEYMAP_PLAIN, 97, 0xffe4, 0xe4},      /* RCONTROL: KEY_RIGHTCTRL */
    {0xa4, KEYMAP_PLAIN, 56, 0xffe9, 0xe2},      /* LMENU: KEY_LEFTALT */
    {0xa5, KEYMAP_PLAIN, 100, 0xffea, 0xe6},     /* RMENU: KEY_RIGHTALT */
    {0xa6, KEYMAP_PLAIN, 158, 0x1008ff26, 0x00}, /* BROWSER_BACK: KEY_BACK */
    {0xa7, KEYMAP_PLAIN, 159, 0x1008ff27, 0x00}, /* BROWSER_FORWARD: KEY_FORWARD */
    {0xa8, KEYMAP_PLAIN, 173, 0x1008ff73, 0x00}, /* BROWSER_REFRESH: KEY_REFRESH */
    {0xa9, KEYMAP_PLAIN, 128, 0x1008ff28, 0x00}, /* BROWSER_STOP: KEY_STOP */
    {0xaa, KEYMAP_PLAIN, 217, 0x1008ff1b, 0x00}, /* BROWSER_SEARCH: KEY_SEARCH */
    {0xab, KEYMAP_PLAIN, 156, 0x1008ff30, 0x00}, /* BROWSER_FAVORITES: KEY_BOOKMARKS */
    {0xac, KEYMAP_PLAIN, 172, 0x1008ff18, 0x00}, /* BROWSER_HOME: KEY_HOMEPAGE */
    {0xad, KEYMAP_PLAIN, 113, 0x1008ff12, 0x00}, /* VOLUME_MUTE: KEY_MUTE */
    {0xae, KEYMAP_PLAIN, 114, 0x1008ff11, 0x00}, /* VOLUME_DOWN: KEY_VOLUMEDOWN */
    {0xaf, KEYMAP_PLAIN, 115, 0x1008ff13, 0x00}, /* VOLUME_UP: KEY_VOLUMEUP */
    {0xb0, KEYMAP_PLAIN, 163, 0x1008ff17, 0x00}, /* MEDIA_NEXT_TRACK: KEY_NEXTSONG */
    {0xb1, KEYMAP_PLAIN, 165, 0x1008ff16, 0x00}, /* MEDIA_PREV_TRACK: KEY_PREVIOUSSONG */
    {0xb2, KEYMAP_PLAIN, 166, 0x1008ff15, 0x00}, /* MEDIA_STOP: KEY_STOPCD */
    {0xb3, KEYMAP_PLAIN, 164, 0x1008ff14, 0x00}, /* MEDIA_PLAY_PAUSE: KEY_PLAYPAUSE */
    {0xb4, KEYMAP_PLAIN, 155, 0x1008ff19, 0x00}, /* LAUNCH_MAIL: KEY_MAIL */
    {0xb5, KEYMAP_PLAIN, 226, 0x1008ff32, 0x00}, /* LAUNCH_MEDIA_SELECT: KEY_MEDIA */
    {0xb6, KEYMAP_PLAIN, 157, 0x1008ff33, 0x00}, /* LAUNCH_APP1: KEY_COMPUTER */
    {0xb7, KEYMAP_PLAIN, 140, 0x1008ff1d, 0x00}, /* LAUNCH_APP2: KEY_CALC */
    {0xba, KEYMAP_PLAIN, 39, 0x3b, 0x33},        /* OEM_1: KEY_SEMICOLON */
    {0xbb, KEYMAP_PLAIN, 13, 0x3d, 0x2e},        /* OEM_PLUS: KEY_EQUAL */
    {0xbc, KEYMAP_PLAIN, 51, 0x2c, 0x36},        /* OEM_COMMA: KEY_COMMA */
    {0xbd, KEYMAP_PLAIN, 12, 0x2d, 0x2d},        /* OEM_MINUS: KEY_MINUS */
    {0xbe, KEYMAP_PLAIN, 52, 0x2e, 0x37},        /* OEM_PERIOD: KEY_DOT */
    {0xbf, KEYMAP_PLAIN, 53, 0x2f, 0x38},        /* OEM_2: KEY_SLASH */
    {0xc0, KEYMAP_PLAIN, 41, 0x60, 0x35},        /* OEM_3: KEY_GRAVE */
    {0xc1, KEYMAP_PLAIN, 89, 0x2f, 0x87},        /* ABNT_C1: KEY_RO */
    {0xc2, KEYMAP_PLAIN, 121, 0xffac, 0x85},     /* ABNT_C2: KEY_KPCOMMA */
    {0xdb, KEYMAP_PLAIN, 26, 0x5b, 0x2f},        /* OEM_4: KEY_LEFTBRACE */
    {0xdc, KEYMAP_PLAIN, 43, 0x5c, 0x31},        /* OEM_5: KEY_BACKSLASH */
    {0xdc, KEYMAP_JAPANESE, 124, 0xa5, 0x89},    /* OEM_5: KEY_YEN */
    {0xdd, KEYMAP_PLAIN, 27, 0x5d, 0x30},        /* OEM_6: KEY_RIGHTBRACE */
    {0xde, KEYMAP_PLAIN, 40, 0x27, 0x34},        /* OEM_7: KEY_APOSTROPHE */
    {0xe2, KEYMAP_PLAIN, 86, 0x3c, 0x64},        /* OEM_102: KEY_102ND */
    {0xe2, KEYMAP_JAPANESE, 89, 0x5c, 0x87},     /* OEM_102: KEY_RO */
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

const struct keymap_key *keymap_find(uint8_t vk, enum keymap_case when)
{
    const struct keymap_key *plain = NULL;
    for (size_t i = 0; i < KEY_COUNT && keys[i].vk <= vk; i++) {
        if (keys[i].vk == vk && keys[i].when == (uint8_t)when)
            return &keys[i];
        if (keys[i].vk == vk && keys[i].when == KEYMAP_PLAIN)
            plain = &keys[i];
    }
    return plain;
}

const struct keymap_key *keymap_at(size_t index)
{
    return index < KEY_COUNT ? &keys[index] : NULL;
}

uint8_t keymap_hid(uint16_t code)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (keys[i].code == code)
            return keys[i].hid;
    return 0;
}
