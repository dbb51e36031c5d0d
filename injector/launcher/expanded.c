// Where does the text of a reference stand that nobody resolves? The kubelet expands $(NAME) before the launcher runs,
// and only here it is known whether a variable from a Secret held a reference. Pure.
#include "exec.h"

#include <string.h>

// strstr() is 1 KB of program.
static bool stands_in(const char *words, const char *text) {
    size_t length = strlen(text);
    while (*words != '\0' && strncmp(words, text, length) != 0) words++;
    return *words != '\0';
}

// The name of the variable whose text it is, or NULL: there is none. `before` is the environment that the launcher was
// given, `after` the application's.
const char *expanded_find(const struct exec_arguments *asked, char *const *before, char *const *after) {
    for (char *const *flag = asked->flags; strcmp(*flag, "--") != 0; flag++) {
        if (strncmp(*flag, EXPANDED_FLAG "=", sizeof EXPANDED_FLAG) != 0) continue;
        const char *name = *flag + sizeof EXPANDED_FLAG;
        const char *text = entries_find(before, name), *value = entries_find(after, name);
        if (text == NULL || *text == '\0' || (value != NULL && strcmp(text, value) == 0)) continue;
        for (char *const *word = asked->command; *word != NULL; word++)
            if (stands_in(*word, text)) return name;
        for (char *const *entry = after; *entry != NULL; entry++)
            if (*entry + strlen(name) + 1 != value && stands_in(*entry, text)) return name;
    }
    return NULL;
}
