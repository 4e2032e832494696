/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A program's arguments. Windows passes one line; how it is cut is a convention: white space
 * separates, double quotes keep it, and backslashes are themselves but before a double quote, where
 * two stand for one and an odd one makes the quote a plain character.
 */
#include <stdbool.h>

#include "test/windows/nt.h"

unsigned nt_arguments(char **words, unsigned max, char *text, size_t size)
{
    const struct UNICODE_STRING *line = &RtlGetCurrentPeb()->parameters->command_line;
    uint32_t length = 0;
    /* A text that does not fit is cut, and what there is of it is good. */
    RtlUnicodeToUTF8N(text, (uint32_t)size - 1, &length, line->text, line->length);
    text[length] = '\0';

    unsigned count = 0;
    char *from = text, *to = text;
    while (count < max) {
        while (*from == ' ' || *from == '\t')
            from++;
        if (*from == '\0')
            break;
        words[count++] = to; /* written in place: a word never grows */
        bool quoted = false;
        while (*from != '\0' && (quoted || (*from != ' ' && *from != '\t'))) {
            size_t slashes = 0;
            while (from[slashes] == '\\')
                slashes++;
            bool before_quote = from[slashes] == '"';
            from += slashes;
            for (size_t n = before_quote ? slashes / 2 : slashes; n != 0; n--)
                *to++ = '\\';
            if (before_quote && slashes % 2 == 0) {
                quoted = !quoted;
                from++;
            } else if (before_quote || slashes == 0) {
                *to++ = *from++;
            }
        }
        bool last = *from == '\0';
        *to++ = '\0';
        if (last)
            break;
        from++;
    }
    return count;
}
