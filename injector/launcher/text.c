// How is a line for a person put together without stdio? Pure; what does not fit is cut, and the newline always fits.
#include "launcher.h"

#include <string.h>

static void put(struct text *text, char byte) {
    if (text->length < LINE_LIMIT - 1) text->bytes[text->length++] = byte;
}

void text_put(struct text *text, const char *words) {
    for (; *words != '\0'; words++) put(text, *words);
}

// Foreign bytes must not move a terminal's cursor or begin a second log line.
void text_put_foreign(struct text *text, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) put(text, bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?');
}

void text_put_number(struct text *text, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0) put(text, digits[--count]);
}

void text_put_seconds(struct text *text, uint64_t milliseconds) {
    text_put_number(text, milliseconds / 1000);
    put(text, '.');
    put(text, (char)('0' + milliseconds / 100 % 10));
    put(text, (char)('0' + milliseconds / 10 % 10));
    put(text, (char)('0' + milliseconds % 10));
}
