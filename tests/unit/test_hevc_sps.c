/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of libx265 with all that it can put into one, read before and after by libavcodec's trace_headers. */
#include "encode/annexb.h"
#include "encode/hevc_sps.h"
#include "encode/rbsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavutil/opt.h>

enum { ROOM = HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX, TEXT_SIZE = 1 << 16 };

struct set {
    uint8_t bytes[ROOM];
    size_t size;
};

struct text {
    char bytes[TEXT_SIZE];
    size_t size;
};

static struct text *heard; /* what trace_headers says, while it does */

static void listen(void *object, int level, const char *format, va_list arguments)
{
    char line[400];
    (void)object, (void)level;
    vsnprintf(line, sizeof(line), format, arguments);
    const char *name = line + strspn(line, "0123456789 "), *value = strrchr(line, '=');
    if (!heard || !value || name == line)
        return;
    heard->size += (size_t)snprintf(heard->bytes + heard->size, sizeof(heard->bytes) - heard->size, "%.*s%s",
                                    (int)strcspn(name, " "), name, value);
    assert_true(heard->size < sizeof(heard->bytes));
}

/* Names and values of all that is in the set, a line each. */
static void read_set(const struct set *set, struct text *ret)
{
    static const uint8_t start[] = {0, 0, 0, 1};
    AVBSFContext *reader = NULL;
    AVPacket *packet = av_packet_alloc();
    ret->size = 0;
    assert_int_equal(av_bsf_alloc(av_bsf_get_by_name("trace_headers"), &reader), 0);
    reader->par_in->codec_id = AV_CODEC_ID_HEVC;
    assert_int_equal(av_bsf_init(reader), 0);
    assert_int_equal(av_new_packet(packet, (int)(sizeof(start) + set->size)), 0);
    memcpy(packet->data, start, sizeof(start));
    memcpy(packet->data + sizeof(start), set->bytes, set->size);
    heard = ret;
    assert_int_equal(av_bsf_send_packet(reader, packet), 0);
    assert_int_equal(av_bsf_receive_packet(reader, packet), 0);
    heard = NULL;
    av_packet_free(&packet);
    av_bsf_free(&reader);
}

static bool says(const struct text *text, const char *line)
{
    return strstr(text->bytes, line) != NULL;
}

/* Without the lines of what may differ. */
static void remove_lines(struct text *text, const char *const *names)
{
    for (; *names; names++)
        for (char *at; (at = strstr(text->bytes, *names)) != NULL;) {
            char *next = strchr(at, '\n') + 1;
            memmove(at, next, strlen(next) + 1);
        }
}

static void assert_same(const struct text *a, const struct text *b)
{
    size_t at = 0;
    while (a->bytes[at] && a->bytes[at] == b->bytes[at])
        at++;
    if (a->bytes[at] != b->bytes[at])
        fail_msg("before: %.60s after: %.60s", a->bytes + (at > 30 ? at - 30 : 0), b->bytes + (at > 30 ? at - 30 : 0));
}

static struct set find_set(const AVCodecContext *encoder)
{
    struct annexb_nal nal = {0};
    struct set set = {.size = 0};
    do
        assert_true(annexb_next(encoder->extradata, (size_t)encoder->extradata_size, nal.end, &nal));
    while ((encoder->extradata[nal.head] >> 1 & 63) != ANNEXB_HEVC_SPS);
    set.size = nal.end - nal.head;
    assert_true(set.size <= HEVC_SPS_MAX);
    memcpy(set.bytes, encoder->extradata + nal.head, set.size);
    return set;
}

static struct set make(int width, int height, enum AVPixelFormat pixels, const char *wishes)
{
    char options[300];
    AVCodecContext *encoder = avcodec_alloc_context3(avcodec_find_encoder_by_name("libx265"));
    assert_non_null(encoder);
    encoder->width = width;
    encoder->height = height;
    encoder->pix_fmt = pixels;
    encoder->time_base = (AVRational){1001, 60000};
    encoder->flags = AV_CODEC_FLAG_GLOBAL_HEADER;
    snprintf(options, sizeof(options), "log-level=none:pools=none:frame-threads=1:%s", wishes);
    assert_int_equal(av_opt_set(encoder->priv_data, "preset", "ultrafast", 0), 0);
    assert_int_equal(av_opt_set(encoder->priv_data, "x265-params", options, 0), 0);
    assert_int_equal(avcodec_open2(encoder, NULL, NULL), 0);
    struct set set = find_set(encoder);
    avcodec_free_context(&encoder);
    return set;
}

static const char *const wishes[] = {
    "bframes=0",
    "bframes=4:b-adapt=0:ref=5",
    "sar=4:overscan=crop:videoformat=pal",
    "colorprim=9:transfer=14:colormatrix=9:range=full:chromaloc=2",
    "scaling-list=default:amp=1:rect=1",
    "hrd=1:bitrate=5000:vbv-maxrate=5000:vbv-bufsize=5000:bframes=2",
    "display-window=2,4,6,8:strong-intra-smoothing=0:temporal-mvp=0",
};

static const enum AVPixelFormat kinds[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV420P10,
                                           AV_PIX_FMT_YUV444P10};

static void assert_only_that_changes(const struct set *made)
{
    static const char *const may_differ[] = {"bitstream_restriction_flag",
                                             "sps_max_num_reorder_pics",
                                             "tiles_fixed_structure_flag",
                                             "motion_vectors_over_pic_boundaries_flag",
                                             "restricted_ref_pic_lists_flag",
                                             "min_spatial_segmentation_idc",
                                             "max_bytes_per_pic_denom",
                                             "max_bits_per_min_cu_denom",
                                             "log2_max_mv_length_",
                                             "rbsp_alignment_zero_bit",
                                             NULL};
    static struct text before, after;
    struct set strict, again;
    strict.size = hevc_sps_restrict(made->bytes, made->size, strict.bytes);
    assert_true(strict.size > 0 && strict.size <= made->size + HEVC_SPS_GROWTH_MAX);
    assert_int_equal(hevc_sps_restrict(strict.bytes, strict.size, again.bytes), 0);
    read_set(made, &before);
    read_set(&strict, &after);
    assert_true(says(&after, "sps_max_num_reorder_pics[0]= 0\n") && says(&after, "bitstream_restriction_flag= 1\n"));
    assert_true(says(&after, "log2_max_mv_length_vertical= 15\n") && says(&after, "sps_extension_present_flag="));
    remove_lines(&before, may_differ);
    remove_lines(&after, may_differ);
    assert_same(&before, &after);
}

static void all_else_in_a_set_stays_as_it_is(void **state)
{
    (void)state;
    static const int sizes[][2] = {{64, 64}, {1920, 1080}, {642, 362}, {4096, 2304}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t what = 0; what < sizeof(wishes) / sizeof(wishes[0]); what++) {
            struct set set = make(sizes[i][0], sizes[i][1], kinds[(i + what) % 4], wishes[what]);
            assert_only_that_changes(&set);
        }
}

/* The set of these bits, written with blanks, of profile Main and level 1. */
static struct set set_of(const char *first, const char *second, const char *third)
{
    static const uint8_t head[] = {0x42, 0x01, 0x01, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 30};
    const char *const texts[] = {first, second, third};
    uint8_t bytes[HEVC_SPS_MAX];
    struct set set = {.size = 0};
    struct rbsp out = {.data = bytes, .room = sizeof(bytes)};
    rbsp_write_bytes(&out, head, sizeof(head));
    for (int i = 0; i < 3; i++)
        for (const char *bit = texts[i]; *bit; bit++)
            if (*bit != ' ')
                rbsp_write_bits(&out, *bit == '1', 1);
    set.size = rbsp_close(&out, set.bytes, sizeof(set.bytes));
    assert_true(set.size > 0);
    return set;
}

/* Ids, 4:2:0, 64x64, 8 bits, 8 bits of order count, five pictures kept. */
static const char picture[] = "1 010 0000001000001 0000001000001 0 1 1 00101 1 00101 ";
/* Latency, block sizes, tools; two reference sets, the second told by the first; one long-term reference. */
static const char tools[] = "1 1 010 1 010 1 1 0 0 0 0  011 010 1 1 1  1 1 1 1 0 0  1 010 00001111 1  0 0 ";

static void a_set_without_vui_gets_one(void **state)
{
    (void)state;
    char reordered[sizeof(picture) + 8];
    struct set strict;
    static struct text text;
    snprintf(reordered, sizeof(reordered), "%s 011 ", picture); /* by two */
    struct set loose = set_of(reordered, tools, "0 0"), wanted;
    snprintf(reordered, sizeof(reordered), "%s 1 ", picture);
    wanted = set_of(reordered, tools, "1 000000000 1 010 1 1 1 000010000 000010000 0");
    read_set(&loose, &text);
    assert_true(says(&text, "vui_parameters_present_flag= 0\n") && says(&text, "lt_ref_pic_poc_lsb_sps[0]= 15\n"));
    strict.size = hevc_sps_restrict(loose.bytes, loose.size, strict.bytes);
    assert_int_equal(strict.size, wanted.size);
    assert_memory_equal(strict.bytes, wanted.bytes, wanted.size);
    assert_int_equal(hevc_sps_restrict(wanted.bytes, wanted.size, strict.bytes), 0);
    wanted = set_of(reordered, tools, "0 0 1"); /* something is behind its end */
    assert_int_equal(hevc_sps_restrict(wanted.bytes, wanted.size, strict.bytes), 0);
}

static void what_is_no_whole_set_is_refused(void **state)
{
    (void)state;
    uint8_t ret[ROOM];
    struct set set = make(640, 360, AV_PIX_FMT_YUV420P, "bframes=0");
    for (size_t size = 0; size + 1 < set.size; size++)
        assert_int_equal(hevc_sps_restrict(set.bytes, size, ret), 0);
    assert_true(hevc_sps_restrict(set.bytes, set.size, ret) > 0);
    set.bytes[0] = 34 << 1; /* a PPS */
    assert_int_equal(hevc_sps_restrict(set.bytes, set.size, ret), 0);
    set.bytes[0] = 33 << 1;
    set.bytes[2] |= 2; /* sub-layers */
    assert_int_equal(hevc_sps_restrict(set.bytes, set.size, ret), 0);
}

static void damage_does_no_harm(void **state)
{
    (void)state;
    uint8_t ret[ROOM];
    struct set set = make(1920, 1080, AV_PIX_FMT_YUV444P, wishes[5]);
    for (size_t bit = 0; bit < set.size * 8; bit++)
        for (size_t size = 0; size <= set.size; size++) {
            uint8_t *exact = malloc(size ? size : 1); /* what is read beyond is seen by a sanitizer */
            assert_non_null(exact);
            memcpy(exact, set.bytes, size);
            if (bit / 8 < size)
                exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(hevc_sps_restrict(exact, size, ret) <= ROOM);
            free(exact);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_without_vui_gets_one),
        cmocka_unit_test(all_else_in_a_set_stays_as_it_is),
        cmocka_unit_test(what_is_no_whole_set_is_refused),
        cmocka_unit_test(damage_does_no_harm),
    };
    av_log_set_level(AV_LOG_INFO);
    av_log_set_callback(listen);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
