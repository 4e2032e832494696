/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The part of the harness that is the same on every host. */
#include "test.h"

static bool contains(const char *text, const char *part)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (part[i] != '\0' && text[i] == part[i])
            i++;
        if (part[i] == '\0')
            return true;
    }
    return false;
}

/* Lines are put together first, so that those of two threads do not mix. */
struct line {
    char text[512];
    size_t length;
};

static void add_text(struct line *l, const char *text)
{
    while (*text != '\0' && l->length < sizeof l->text - 1)
        l->text[l->length++] = *text++;
    l->text[l->length] = '\0';
}

static void add_number(struct line *l, unsigned long long value)
{
    char digits[21];
    size_t i = sizeof digits - 1;
    digits[i] = '\0';
    do
        digits[--i] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    add_text(l, digits + i);
}

static void add_signed(struct line *l, long long value)
{
    if (value < 0)
        add_text(l, "-");
    add_number(l, value < 0 ? 0ull - (unsigned long long)value : (unsigned long long)value);
}

int test_run(const char *only)
{
    int ran = 0;
    for (size_t i = 0; i < test_count; i++) {
        if (only != NULL && !contains(test_list[i].name, only))
            continue;
        struct line l = {.length = 0};
        add_text(&l, test_list[i].name);
        add_text(&l, "\n");
        test_write(l.text);
        test_list[i].run();
        ran++;
    }
    struct line l = {.length = 0};
    add_number(&l, (unsigned long long)ran);
    add_text(&l, " tests passed\n");
    test_write(l.text);
    return ran == 0;
}

static void add_place(struct line *l, const char *file, int line, const char *expression)
{
    add_text(l, file);
    add_text(l, ":");
    add_signed(l, line);
    add_text(l, ": FAILED: ");
    add_text(l, expression);
}

void test_failed(const char *file, int line, const char *expression)
{
    struct line l = {.length = 0};
    add_place(&l, file, line, expression);
    add_text(&l, "\n");
    test_write(l.text);
    test_exit(1);
}

void test_failed_eq(const char *file, int line, const char *expression, long long actual,
                    long long expected)
{
    struct line l = {.length = 0};
    add_place(&l, file, line, expression);
    add_text(&l, ": ");
    add_signed(&l, actual);
    add_text(&l, " is not ");
    add_signed(&l, expected);
    add_text(&l, "\n");
    test_write(l.text);
    test_exit(1);
}

void test_report(const char *what, uint64_t value, const char *unit)
{
    struct line l = {.length = 0};
    add_text(&l, "   ");
    add_text(&l, what);
    add_text(&l, ": ");
    add_number(&l, value);
    add_text(&l, " ");
    add_text(&l, unit);
    add_text(&l, "\n");
    test_write(l.text);
}
