/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/nvhttp.h"

#include "base/text.h"
#include "protocol/crypto.h"
#include "protocol/xml.h"

#include <string.h>

/* What we announce to be: 7.1.431 switches on the encrypted control stream and multiple FEC blocks, a negative fourth
 * number the extensions; GfeVersion must not be newer than Qt's compatibility list. */
#define APP_VERSION   "7.1.431.-1"
#define GFE_VERSION   "3.23.0.74"
#define MAC_UNKNOWN   "00:00:00:00:00:00" /* ignored by clients */
#define LUMA_PIXELS   1869449984          /* "HEVC is usable" */
#define SESSION_URL   "sessionUrl0"
#define UNAUTHORISED  "The client is not authorized. Certificate verification failed."
#define HTTPS_OFFSET  (-5)
#define DEFAULT_TITLE "Earthshine"

static size_t document_size(const struct byte_writer *writer)
{
    return writer->failed ? 0 : writer->used;
}

size_t nvhttp_serverinfo(const struct nvhttp_serverinfo *info, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    bool hevc = info->codecs & (NVHTTP_CODEC_HEVC | NVHTTP_CODEC_HEVC_MAIN10);
    uint32_t app = info->authorised ? info->current_app : 0;
    xml_begin(&out, 200, NULL);
    xml_text(&out, "hostname", info->hostname && *info->hostname ? info->hostname : DEFAULT_TITLE);
    xml_text(&out, "appversion", APP_VERSION);
    xml_text(&out, "GfeVersion", GFE_VERSION);
    xml_text(&out, "uniqueid", info->uniqueid);
    xml_number(&out, "HttpsPort", info->base_port + HTTPS_OFFSET);
    xml_number(&out, "ExternalPort", info->base_port);
    xml_number(&out, "MaxLumaPixelsHEVC", hevc ? LUMA_PIXELS : 0);
    xml_text(&out, "mac", info->authorised && info->mac ? info->mac : MAC_UNKNOWN);
    xml_text(&out, "LocalIP", info->local_ip);
    xml_number(&out, "ServerCodecModeSupport", info->codecs);
    xml_number(&out, "PairStatus", info->authorised);
    xml_number(&out, "currentgame", app);
    xml_text(&out, "state", app ? "SUNSHINE_SERVER_BUSY" : "SUNSHINE_SERVER_FREE"); /* iOS decides by this suffix */
    xml_end(&out);
    return document_size(&out);
}

size_t nvhttp_not_authorised(struct http_slice path, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    enum { PATH_SHOWN_MAX = 256 };
    xml_empty(&out, 401, path.text, path.size < PATH_SHOWN_MAX ? path.size : PATH_SHOWN_MAX, UNAUTHORISED);
    return document_size(&out);
}

size_t nvhttp_not_found(char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    xml_empty(&out, 404, NULL, 0, NULL);
    return document_size(&out);
}

size_t nvhttp_ok(char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    xml_empty(&out, 200, NULL, 0, NULL);
    return document_size(&out);
}

size_t nvhttp_error(int status_code, const char *message, const char *element, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    xml_begin(&out, status_code, message);
    if (element)
        xml_number(&out, element, 0);
    xml_end(&out);
    return document_size(&out);
}

static size_t one_number(const char *element, int value, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    xml_begin(&out, 200, NULL);
    xml_number(&out, element, value);
    xml_end(&out);
    return document_size(&out);
}

size_t nvhttp_paired(bool paired, char *ret_text, size_t capacity)
{
    return one_number("paired", paired, ret_text, capacity);
}

size_t nvhttp_cancelled(char *ret_text, size_t capacity)
{
    return one_number("cancel", 1, ret_text, capacity);
}

size_t nvhttp_applist(const struct nvhttp_app *apps, size_t count, char *ret_text, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    xml_begin(&out, 200, NULL);
    for (size_t i = 0; i < count; i++) {
        xml_open(&out, "App");
        xml_number(&out, "IsHdrSupported", apps[i].hdr);
        xml_text(&out, "AppTitle", apps[i].name);
        xml_number(&out, "ID", apps[i].id);
        xml_close(&out, "App");
    }
    xml_end(&out);
    return document_size(&out);
}

uint32_t nvhttp_app_id(const char *name)
{
    uint32_t crc = UINT32_MAX;
    for (; *name; name++) {
        crc ^= (uint8_t)*name;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    if (crc > INT32_MAX)
        crc = -crc;
    crc &= INT32_MAX; /* the one value whose absolute value does not fit */
    return crc ? crc : 1;
}

size_t nvhttp_launched(bool resume, bool encrypted, const char *local_ip, int rtsp_port, char *ret_text,
                       size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, capacity);
    bool v6 = strchr(local_ip, ':');
    xml_begin(&out, 200, NULL);
    xml_open(&out, SESSION_URL); /* below 100 bytes: a longer one overflowed old clients */
    byte_writer_printf(&out, "%s://%s%.45s%s:%d", encrypted ? "rtspenc" : "rtsp", v6 ? "[" : "", local_ip,
                       v6 ? "]" : "", rtsp_port);
    xml_close(&out, SESSION_URL);
    xml_number(&out, resume ? "resume" : "gamesession", 1);
    xml_end(&out);
    return document_size(&out);
}

/* --- /launch and /resume --- */

enum parameter { ABSENT, TAKEN, MALFORMED };

static enum parameter get_number(struct http_slice query, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    char text[24];
    if (!http_query_has(query, name))
        return ABSENT;
    if (!http_query_get(query, name, text, sizeof(text)) || !text_parse_i64(text, strlen(text), min, max, ret))
        return MALFORMED;
    return TAKEN;
}

/* Optional ones: a malformed value counts as missing, as clients of all ages send odd things here. */
static int64_t number_or(struct http_slice query, const char *name, int64_t min, int64_t max, int64_t fallback)
{
    int64_t value = fallback;
    return get_number(query, name, min, max, &value) == TAKEN ? value : fallback;
}

/* WIDTHxHEIGHTxFPS; the rate may have a fraction ("59.94") and may be 0 (the SDP tells). */
static bool parse_mode(const char *text, struct nvhttp_launch *launch)
{
    enum { SIZE_MIN = 64, SIZE_MAX_PX = 16384, FPS_MAX = 1000 };
    const char *first = strchr(text, 'x'), *second = first ? strchr(first + 1, 'x') : NULL;
    if (!second)
        return false;
    const char *rate = second + 1, *dot = strchr(rate, '.');
    size_t whole = dot ? (size_t)(dot - rate) : strlen(rate);
    int64_t width = 0, height = 0, fps = 0, hundredths = 0;
    if (!text_parse_i64(text, (size_t)(first - text), SIZE_MIN, SIZE_MAX_PX, &width) ||
        !text_parse_i64(first + 1, (size_t)(second - first - 1), SIZE_MIN, SIZE_MAX_PX, &height) ||
        !text_parse_i64(rate, whole, 0, FPS_MAX, &fps))
        return false;
    if (dot) {
        size_t digits = strlen(dot + 1);
        if (!digits || digits > 6)
            return false;
        for (size_t i = 0; i < digits; i++) {
            if (dot[1 + i] < '0' || dot[1 + i] > '9')
                return false;
        }
        hundredths = (dot[1] - '0') * 10 + (digits > 1 ? dot[2] - '0' : 0);
    }
    launch->width = (int)width;
    launch->height = (int)height;
    launch->fps_x100 = (int)(fps * 100 + hundredths);
    return true;
}

static bool parse_keys(struct http_slice query, struct nvhttp_launch *launch)
{
    char hex[40];
    int64_t id = 0;
    bool good = http_query_get(query, "rikey", hex, sizeof(hex)) &&
                text_unhex(hex, strlen(hex), launch->rikey, sizeof(launch->rikey)) &&
                get_number(query, "rikeyid", INT32_MIN, UINT32_MAX, &id) == TAKEN;
    crypto_wipe(hex, sizeof(hex));
    memset(launch->iv, 0, sizeof(launch->iv));
    for (int i = 0; i < 4; i++)
        launch->iv[i] = (uint8_t)((uint64_t)id >> (24 - 8 * i));
    return good;
}

static void parse_audio(struct http_slice query, struct nvhttp_launch *launch)
{
    int64_t info = 0;
    if (get_number(query, "surroundAudioInfo", 0, UINT32_MAX, &info) == TAKEN) {
        int channels = (int)(info & 0xffff);
        bool known = channels == 2 || channels == 6 || channels == 8;
        launch->channels = known ? channels : 2;
        launch->channel_mask = known ? (uint32_t)info >> 16 : 3;
    }
    char text[sizeof(launch->surround_params)];
    if (http_query_get(query, "surroundParams", text, sizeof(text)) && strspn(text, "0123456789") == strlen(text))
        text_copy(launch->surround_params, sizeof(launch->surround_params), text);
    launch->play_locally = number_or(query, "localAudioPlayMode", 0, 1, launch->play_locally);
    launch->continuous_audio = number_or(query, "continuousAudio", 0, 1, launch->continuous_audio);
}

static const char *parse_into(struct http_slice query, bool resume, struct nvhttp_launch *launch)
{
    int64_t app = 0;
    if (!resume && get_number(query, "appid", 1, INT32_MAX, &app) != TAKEN)
        return "Missing or malformed launch parameter: appid";
    if (!resume)
        launch->app_id = (uint32_t)app;
    if (!parse_keys(query, launch))
        return "Missing or malformed launch parameter: rikey, rikeyid";
    char mode[40];
    if (http_query_has(query, "mode") &&
        (!http_query_get(query, "mode", mode, sizeof(mode)) || !parse_mode(mode, launch)))
        return "Malformed launch parameter: mode";
    launch->change_mode = number_or(query, "sops", 0, 1, launch->change_mode);
    launch->hdr = number_or(query, "hdrMode", 0, 1, launch->hdr);
    launch->gamepads = (uint32_t)number_or(query, "remoteControllersBitmap", 0, UINT32_MAX,
                                           number_or(query, "gcmap", 0, UINT32_MAX, launch->gamepads));
    launch->keep_gamepads = number_or(query, "gcpersist", 0, 1, launch->keep_gamepads);
    launch->corever = (int)number_or(query, "corever", 0, INT32_MAX, launch->corever);
    parse_audio(query, launch);
    return NULL;
}

bool nvhttp_launch_parse(struct http_slice query, bool resume, const struct nvhttp_launch *previous,
                         struct nvhttp_launch *ret_launch, const char **ret_why)
{
    struct nvhttp_launch launch = {.channels = 2, .channel_mask = 3};
    if (resume && previous) {
        launch = *previous;
        launch.corever = 0; /* of this request: it decides how RTSP is spoken */
    }
    const char *why = parse_into(query, resume, &launch);
    if (why)
        *ret_why = why;
    else
        *ret_launch = launch;
    crypto_wipe(&launch, sizeof(launch));
    return !why;
}
