/* SPDX-License-Identifier: Apache-2.0 */
/* "test_status FILE.ppm" writes the picture for eyes. */
#include "base/clock.h"
#include "capture/font.h"
#include "capture/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t area_of(const struct source_picture *picture)
{
    return region_area(&picture->damage);
}

static void the_first_picture_is_all_new_and_the_next_has_only_the_clock(void **state)
{
    (void)state;
    struct source *card = source_status_create(1280, 720);
    struct source_picture picture;
    int64_t again, now = clock_now_ns();
    source_status_set_sentence(card, "There is no X server :0.");
    assert_int_equal(card->ops->pump(card, now, &again), SOURCE_CHANGED);
    assert_true(card->ops->fetch(card, now, &picture));
    assert_true(picture.resized);
    assert_int_equal(area_of(&picture), 1280 * 720);
    assert_true(again > now && again <= now + 2 * CLOCK_SECOND_NS);

    enum source_state pumped = card->ops->pump(card, again - 1, &again);
    assert_int_equal(pumped, SOURCE_QUIET);
    clock_sleep_until_ns(again + 5 * CLOCK_MS_NS);
    assert_int_equal(card->ops->pump(card, clock_now_ns(), &again), SOURCE_CHANGED);
    assert_true(card->ops->fetch(card, clock_now_ns(), &picture));
    assert_false(picture.resized);
    assert_true(area_of(&picture) > 0 && area_of(&picture) < 1280 * 720 / 5);
    card->ops->destroy(card);
}

static void a_new_sentence_changes_only_its_band(void **state)
{
    (void)state;
    struct source *card = source_status_create(1280, 720);
    struct source_picture picture;
    source_status_set_sentence(card, "one");
    assert_true(card->ops->fetch(card, clock_now_ns(), &picture));
    uint8_t *before = malloc(1280 * 720 * 4);
    memcpy(before, picture.image.pixels, 1280 * 720 * 4);
    source_status_set_sentence(card, "The desktop :0 went away. Waiting for it to return.");
    assert_true(card->ops->fetch(card, 0, &picture));
    assert_int_equal(picture.damage.count, 1);
    assert_int_not_equal(memcmp(before, picture.image.pixels, 1280 * 720 * 4), 0);
    struct rect band = picture.damage.rects[0];
    for (int y = 0; y < 720; y++) {
        if (y < band.y || y >= band.y + band.height)
            assert_memory_equal(before + y * 1280 * 4, image_at(&picture.image, 0, y), 1280 * 4);
    }
    source_status_set_sentence(card, "The desktop :0 went away. Waiting for it to return.");
    assert_true(card->ops->fetch(card, 0, &picture));
    assert_int_equal(picture.damage.count, 0);
    free(before);
    card->ops->destroy(card);
}

static void any_size_and_any_sentence_stay_inside(void **state)
{
    (void)state;
    static const int sizes[][2] = {{64, 64}, {64, 2000}, {2000, 64}, {366, 130}};
    char sentence[300];
    memset(sentence, 'W', sizeof(sentence));
    sentence[sizeof(sentence) - 1] = 0;
    for (int i = 0; i < 4; i++) {
        struct source *card = source_status_create(sizes[i][0], sizes[i][1]);
        struct source_picture picture;
        source_status_set_sentence(card, sentence);
        source_status_set_sentence(card, "\xc3\xa4\n\x7f ok");
        assert_true(card->ops->fetch(card, clock_now_ns(), &picture));
        card->ops->destroy(card);
    }
}

static void every_letter_has_dots_and_no_two_are_alike(void **state)
{
    (void)state;
    for (char a = '!'; a <= '~'; a++) {
        for (char b = ' '; b < a; b++)
            assert_int_not_equal(memcmp(font_glyph(a), font_glyph(b), 5), 0);
    }
    assert_ptr_equal(font_glyph('\n'), font_glyph('?'));
    assert_ptr_equal(font_glyph((char)0xe4), font_glyph('?'));
}

static int write_picture(const char *path)
{
    struct source *card = source_status_create(1280, 720);
    struct source_picture picture;
    source_status_set_sentence(card, "The desktop :0 went away. Waiting for it to return.");
    card->ops->fetch(card, clock_now_ns(), &picture);
    FILE *file = fopen(path, "wb");
    if (!file)
        return 1;
    fprintf(file, "P6 1280 720 255\n");
    for (int i = 0; i < 1280 * 720; i++) {
        const uint8_t *p = picture.image.pixels + 4 * i;
        fputc(p[2], file), fputc(p[1], file), fputc(p[0], file);
    }
    fclose(file);
    card->ops->destroy(card);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return write_picture(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_picture_is_all_new_and_the_next_has_only_the_clock),
        cmocka_unit_test(a_new_sentence_changes_only_its_band),
        cmocka_unit_test(any_size_and_any_sentence_stay_inside),
        cmocka_unit_test(every_letter_has_dots_and_no_two_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
