/* SPDX-License-Identifier: Apache-2.0 */
/* Documents and launch parameters of the GameStream API; rikeyid and surround from tests/vectors/pairing.json. */
#include "protocol/nvhttp.h"

#include "base/bytes.h"
#include "base/text.h"
#include "protocol/xml.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define KEYS "&rikey=000102030405060708090A0B0C0D0E0F&rikeyid=1"

static char text[NVHTTP_DOCUMENT_MAX];

static struct http_slice slice(const char *value)
{
    return (struct http_slice){value, strlen(value)};
}

static struct nvhttp_serverinfo example(void)
{
    return (struct nvhttp_serverinfo){
        .hostname = "vm-desk-07",
        .uniqueid = "6e1f0c52-8b7d-4d4e-9d1a-3f5a7c2b9e10",
        .mac = "52:54:00:12:34:56",
        .local_ip = "192.168.1.20",
        .base_port = 47989,
        .codecs = 197377,
        .authorised = true,
    };
}

static void serverinfo_is_as_documented(void **state)
{
    (void)state;
    struct nvhttp_serverinfo info = example();
    size_t size = nvhttp_serverinfo(&info, text, sizeof(text));
    const char *expected = HEAD
        "<root status_code=\"200\"><hostname>vm-desk-07</hostname><appversion>7.1.431.-1</appversion>"
        "<GfeVersion>3.23.0.74</GfeVersion><uniqueid>6e1f0c52-8b7d-4d4e-9d1a-3f5a7c2b9e10</uniqueid>"
        "<HttpsPort>47984</HttpsPort><ExternalPort>47989</ExternalPort><MaxLumaPixelsHEVC>1869449984</"
        "MaxLumaPixelsHEVC>"
        "<mac>52:54:00:12:34:56</mac><LocalIP>192.168.1.20</LocalIP>"
        "<ServerCodecModeSupport>197377</ServerCodecModeSupport><PairStatus>1</PairStatus><currentgame>0</currentgame>"
        "<state>SUNSHINE_SERVER_FREE</state></root>";
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    for (size_t capacity = 0; capacity < size; capacity++)
        assert_int_equal(nvhttp_serverinfo(&info, text, capacity), 0);
}

static void strangers_see_neither_mac_nor_game(void **state)
{
    (void)state;
    struct nvhttp_serverinfo info = example();
    info.current_app = 7;
    assert_true(nvhttp_serverinfo(&info, text, sizeof(text)));
    assert_non_null(strstr(text, "<currentgame>7</currentgame><state>SUNSHINE_SERVER_BUSY</state>"));
    info.authorised = false;
    info.codecs = NVHTTP_CODEC_H264;
    assert_true(nvhttp_serverinfo(&info, text, sizeof(text)));
    assert_non_null(strstr(text, "<mac>00:00:00:00:00:00</mac>"));
    assert_non_null(strstr(text, "<PairStatus>0</PairStatus><currentgame>0</currentgame><state>SUNSHINE_SERVER_FREE"));
    assert_non_null(strstr(text, "<MaxLumaPixelsHEVC>0<"));
}

static void small_documents_are_exact(void **state)
{
    (void)state;
    nvhttp_not_authorised(slice("/serverinfo"), text, sizeof(text));
    assert_string_equal(text, HEAD "<root status_code=\"401\" query=\"/serverinfo\" status_message=\"The client is not "
                                   "authorized. Certificate verification failed.\"/>");
    nvhttp_not_authorised(slice("/\"><x a='&"), text, sizeof(text));
    assert_non_null(strstr(text, "query=\"/&quot;&gt;&lt;x a=&apos;&amp;\""));
    nvhttp_not_found(text, sizeof(text));
    assert_string_equal(text, HEAD "<root status_code=\"404\"/>");
    nvhttp_error(503, "No running app to resume", "resume", text, sizeof(text));
    assert_string_equal(
        text, HEAD "<root status_code=\"503\" status_message=\"No running app to resume\"><resume>0</resume></root>");
    nvhttp_cancelled(text, sizeof(text));
    assert_string_equal(text, HEAD "<root status_code=\"200\"><cancel>1</cancel></root>");
    nvhttp_launched(false, true, "192.168.1.20", 48010, text, sizeof(text));
    assert_string_equal(text, HEAD "<root status_code=\"200\"><sessionUrl0>rtspenc://192.168.1.20:48010</sessionUrl0>"
                                   "<gamesession>1</gamesession></root>");
    nvhttp_launched(true, false, "2001:db8::1", 48010, text, sizeof(text));
    assert_non_null(strstr(text, "<sessionUrl0>rtsp://[2001:db8::1]:48010</sessionUrl0><resume>1</resume>"));
    struct nvhttp_app app = {.name = "Desktop", .id = nvhttp_app_id("Desktop")};
    nvhttp_applist(&app, 1, text, sizeof(text));
    assert_string_equal(text, HEAD "<root status_code=\"200\"><App><IsHdrSupported>0</IsHdrSupported>"
                                   "<AppTitle>Desktop</AppTitle><ID>958645192</ID></App></root>");
}

static void app_ids_are_stable_and_positive(void **state)
{
    (void)state;
    assert_int_equal(nvhttp_app_id("123456789"), 0x100000000 - 0xcbf43926); /* the check value of CRC-32 */
    assert_int_equal(nvhttp_app_id(""), 1);
}

static void escaping_leaves_valid_xml(void **state)
{
    (void)state;
    struct byte_writer out;
    const char odd[] = "a\x01\x7f\t\xc3\xa4\xff\xc0\x80\xed\xa0\x80\xef\xbf\xbf\xe2\x82";
    byte_writer_init(&out, text, sizeof(text));
    xml_escape(&out, odd, sizeof(odd) - 1);
    assert_int_equal(out.used, 4);
    assert_memory_equal(text, "a\t\xc3\xa4", 4);
}

static bool parse(const char *query, bool resume, const struct nvhttp_launch *previous, struct nvhttp_launch *launch)
{
    const char *why = NULL;
    bool good = nvhttp_launch_parse(slice(query), resume, previous, launch, &why);
    assert_true(good == !why);
    return good;
}

static void a_launch_is_read(void **state)
{
    (void)state;
    struct nvhttp_launch launch;
    assert_true(parse("appid=881448767&mode=1920x1080x60&additionalStates=1&sops=1" KEYS
                      "&localAudioPlayMode=1&surroundAudioInfo=4128774&surroundParams=642012453&hdrMode=1"
                      "&remoteControllersBitmap=3&gcmap=3&gcpersist=1&corever=1",
                      false, NULL, &launch));
    assert_int_equal(launch.app_id, 881448767);
    assert_int_equal(launch.width, 1920);
    assert_int_equal(launch.height, 1080);
    assert_int_equal(launch.fps_x100, 6000);
    assert_int_equal(launch.rikey[15], 15);
    assert_int_equal(launch.channels, 6);
    assert_string_equal(launch.surround_params, "642012453");
    assert_int_equal(launch.gamepads, 3);
    assert_true(launch.change_mode && launch.play_locally && launch.hdr && launch.keep_gamepads && launch.corever == 1);
}

static void rikeyid_and_surround_match_the_vectors(void **state)
{
    (void)state;
    json_t *vectors = json_load_file(VECTORS_DIR "/pairing.json", 0, NULL), *entry;
    size_t index;
    char query[256];
    struct nvhttp_launch launch;
    json_array_foreach(json_object_get(vectors, "launch_rikeyid"), index, entry)
    {
        uint8_t iv[16];
        text_unhex(json_string_value(json_object_get(entry, "iv16")), 32, iv, 16);
        snprintf(query, sizeof(query), "appid=1&rikey=000102030405060708090a0b0c0d0e0f&rikeyid=%s",
                 json_string_value(json_object_get(entry, "rikeyid_ascii")));
        assert_true(parse(query, false, NULL, &launch));
        assert_memory_equal(launch.iv, iv, 16);
    }
    json_array_foreach(json_object_get(vectors, "surround_audio_info"), index, entry)
    {
        snprintf(query, sizeof(query), "appid=1" KEYS "&surroundAudioInfo=%d",
                 (int)json_integer_value(json_object_get(entry, "value")));
        assert_true(parse(query, false, NULL, &launch));
        assert_int_equal(launch.channels, json_integer_value(json_object_get(entry, "channels")));
        assert_int_equal(launch.channel_mask, json_integer_value(json_object_get(entry, "mask")));
    }
    json_decref(vectors);
    assert_true(parse("appid=1&rikey=000102030405060708090a0b0c0d0e0f&rikeyid=4294967295", false, NULL, &launch));
    assert_int_equal(launch.iv[0], 0xff);
}

static void malformed_launches_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "appid=1",
        "appid=0" KEYS,
        "appid=x" KEYS,
        "appid=2147483648" KEYS,
        "mode=1x1x1" KEYS,
        "appid=1&rikey=00&rikeyid=1",
        "appid=1&rikey=000102030405060708090a0b0c0d0e0g&rikeyid=1",
        "appid=1&rikey=000102030405060708090a0b0c0d0e0f0&rikeyid=1",
        "appid=1&rikey=000102030405060708090a0b0c0d0e0f",
        "appid=1&rikey=000102030405060708090a0b0c0d0e0f&rikeyid=4294967296",
        "appid=1&rikey=000102030405060708090a0b0c0d0e0f&rikeyid=-2147483649",
        "appid=1&mode=1920x1080" KEYS,
        "appid=1&mode=1920x1080x" KEYS,
        "appid=1&mode=0x1080x60" KEYS,
        "appid=1&mode=-1920x1080x60" KEYS,
        "appid=1&mode=99999x1080x60" KEYS,
        "appid=1&mode=1920x1080x60x1" KEYS,
        "appid=1&mode=1920x1080x60." KEYS,
        "appid=1&mode=1920x1080x60.a" KEYS,
        "appid=1&mode=1920x1080x1001" KEYS,
    };
    struct nvhttp_launch launch;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (parse(bad[i], false, NULL, &launch))
            fail_msg("taken: %s", bad[i]);
    }
    assert_true(parse("appid=1&mode=1920x1080x0&surroundAudioInfo=x&corever=-1" KEYS, false, NULL, &launch));
    assert_int_equal(launch.fps_x100, 0);
    assert_int_equal(launch.channels, 2);
    assert_int_equal(launch.corever, 0);
    assert_true(parse("appid=1&mode=1920x1080x59.94" KEYS, false, NULL, &launch));
    assert_int_equal(launch.fps_x100, 5994);
}

static void a_resume_keeps_what_it_does_not_say(void **state)
{
    (void)state;
    struct nvhttp_launch before, after;
    assert_true(parse("appid=5&mode=1280x720x60&corever=1" KEYS, false, NULL, &before));
    assert_true(parse("appid=9&rikey=ff0102030405060708090a0b0c0d0e0f&rikeyid=2&surroundAudioInfo=4128774", true,
                      &before, &after));
    assert_int_equal(after.app_id, 5);
    assert_int_equal(after.width, 1280);
    assert_int_equal(after.channels, 6);
    assert_int_equal(after.rikey[0], 0xff);
    assert_int_equal(after.iv[3], 2);
    assert_int_equal(after.corever, 0);                                     /* of this request */
    assert_false(parse("appid=5&mode=1280x720x60", true, &before, &after)); /* never the old key */
    assert_true(parse(KEYS, true, NULL, &after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serverinfo_is_as_documented),
        cmocka_unit_test(strangers_see_neither_mac_nor_game),
        cmocka_unit_test(small_documents_are_exact),
        cmocka_unit_test(app_ids_are_stable_and_positive),
        cmocka_unit_test(escaping_leaves_valid_xml),
        cmocka_unit_test(a_launch_is_read),
        cmocka_unit_test(rikeyid_and_surround_match_the_vectors),
        cmocka_unit_test(malformed_launches_are_refused),
        cmocka_unit_test(a_resume_keeps_what_it_does_not_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
