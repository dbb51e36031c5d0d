// What was the launcher asked for? Pure. It knows the seed's flags and hands every other one on to the refresher.
#include "launcher.h"

#include <string.h>

static const struct problem NONE = {.argument = NULL};
const char FLAG_SYNTAX[] = "flags are --name, --name=value or --name value";
const char BOOLEAN_FORM[] = "expected true or false (or 1, t, T, TRUE, True, 0, f, F, ...)";
const char SECONDS_FORM[] = "expected a whole number of seconds, for example --timeout=120";
static const char AWAIT_FORM[] = "expected files, for example: await /var/run/secrets/aws/token/token --timeout=120";

bool words_add(struct words *words, const char *word) {
    if (words->count >= WORDS_LIMIT - 1) return false;
    words->at[words->count++] = word;
    words->at[words->count] = NULL;
    return true;
}

// Ends each word in the text with a NUL.
bool words_split(struct words *words, char *text) {
    for (;;) {
        text += strspn(text, " ");
        if (*text == '\0') return true;
        if (!words_add(words, text)) return false;
        text += strcspn(text, " ");
        if (*text != '\0') *text++ = '\0';
    }
}

bool take_switch(const struct flag *flag, bool *value) {
    if (flag->value != NULL) return parse_boolean(flag->value, value);
    *value = true;
    return true;
}

// The value may be the next argument.
struct problem take_seconds(char *const **next, const struct flag *flag, uint64_t *seconds) {
    const char *argument = **next, *value = flag->value;
    if (value == NULL && (*next)[1] != NULL) value = *++*next;
    bool taken = value != NULL && parse_number(value, strlen(value), 999999999, seconds);
    return taken ? NONE : (struct problem){argument, SECONDS_FORM};
}

static struct problem take_refresher_flag(
    char *const **next, const struct flag *flag, struct refresher_arguments *found) {
    const char *argument = **next;
    bool version = flag_is(flag, "version") || flag_is(flag, "v"), help = flag_is(flag, "help") || flag_is(flag, "h");
    bool asked;
    if (flag_is(flag, "refresh"))
        return take_switch(flag, &found->refresh) ? NONE : (struct problem){argument, BOOLEAN_FORM};
    if (help || version) {
        if (!take_switch(flag, &asked)) return (struct problem){argument, BOOLEAN_FORM};
        if (asked) found->show = help ? "--help" : "--version";
        return NONE;
    }
    if (!words_add(&found->handed_on, argument)) return (struct problem){argument, "too many arguments"};
    if (!flag_is(flag, "file")) return NONE;
    found->file = flag->value;
    if (found->file != NULL) return NONE;
    if ((*next)[1] == NULL) return (struct problem){argument, "needs a value: write --file=PATH"};
    found->file = *++*next;
    return words_add(&found->handed_on, found->file) ? NONE : (struct problem){found->file, "too many arguments"};
}

// Of a repeated flag the last counts. Words that are no flags may be the values of flags that only the refresher knows.
struct problem parse_refresher_arguments(char *const *arguments, struct refresher_arguments *found) {
    struct flag flag;
    for (; *arguments != NULL; arguments++) {
        struct problem problem = NONE;
        enum argument_kind kind = parse_argument(*arguments, &flag);
        if (kind == ARGUMENT_WRONG) return (struct problem){*arguments, FLAG_SYNTAX};
        if (kind == ARGUMENT_FLAG) problem = take_refresher_flag(&arguments, &flag, found);
        else if (!words_add(&found->handed_on, *arguments))
            return (struct problem){*arguments, "too many arguments"};
        if (problem.argument != NULL) return problem;
    }
    if (found->show == NULL && found->refresh && !found->secrets && (found->file == NULL || *found->file == '\0'))
        return (struct problem){"--refresh=true", "needs a file for the token: add --file=PATH"};
    return NONE;
}

static struct problem take_await_flag(char *const **next, const struct flag *flag, struct await_arguments *found) {
    if (flag_is(flag, "help") || flag_is(flag, "h"))
        return take_switch(flag, &found->help) ? NONE : (struct problem){**next, BOOLEAN_FORM};
    if (flag_is(flag, "timeout")) return take_seconds(next, flag, &found->timeout);
    return (struct problem){**next, "unknown flag; await knows --timeout=SECONDS"};
}

struct problem parse_await_arguments(char *const *arguments, struct await_arguments *found) {
    struct flag flag;
    for (; *arguments != NULL; arguments++) {
        struct problem problem = NONE;
        enum argument_kind kind = parse_argument(*arguments, &flag);
        if (kind == ARGUMENT_WRONG) return (struct problem){*arguments, FLAG_SYNTAX};
        if (kind == ARGUMENT_FLAG) problem = take_await_flag(&arguments, &flag, found);
        else if (**arguments == '\0') return (struct problem){AWAIT_COMMAND, AWAIT_FORM};
        else if (!words_add(&found->files, *arguments)) return (struct problem){*arguments, "too many files"};
        if (problem.argument != NULL) return problem;
    }
    return found->files.count > 0 || found->help ? NONE : (struct problem){AWAIT_COMMAND, AWAIT_FORM};
}
