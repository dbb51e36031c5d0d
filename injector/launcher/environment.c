// Which variables are asked for, and which does the application get? Pure. What nobody sets or unsets stays as it was,
// byte for byte and in its order.
#include "exec.h"

#include <string.h>

static bool is_named(const char *entry, const char *name, size_t length) {
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

// Those that the launcher itself reads, here or in the injected container. They are not the application's.
static bool is_ours(const char *entry) {
    static const char *const ours[] = {TERMINATION_LOG_VARIABLE, TIME_DIVISOR, PLAN, SOCKETS};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (is_named(entry, ours[i], strlen(ours[i]))) return true;
    return false;
}

static bool is_marked(const char *at) {
    static const char *const markers[] = MARKERS;
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++)
        if (strncmp(at, markers[i], strlen(markers[i])) == 0) return true;
    return false;
}

static bool is_asked_for(const char *entry) {
    const char *value = strchr(entry, '=');
    if (value == NULL || value == entry || is_ours(entry)) return false;
    while (*++value != '\0')
        if (is_marked(value)) return true;
    return false;
}

size_t request_length(char *const *entries, bool aside) {
    size_t length = sizeof MAGIC + (aside ? sizeof ASIDE : 0);  // and the empty record
    for (; *entries != NULL; entries++)
        if (is_asked_for(*entries)) length += strlen(*entries) + 1;
    return length;
}

void request_write(char *const *entries, bool aside, char *bytes) {
    memcpy(bytes, MAGIC, sizeof MAGIC - 1);
    bytes += sizeof MAGIC - 1;
    if (aside) {
        memcpy(bytes, ASIDE, sizeof ASIDE);
        bytes += sizeof ASIDE;
    }
    for (; *entries != NULL; entries++) {
        if (!is_asked_for(*entries)) continue;
        memcpy(bytes, *entries, strlen(*entries) + 1);
        bytes += strlen(*entries) + 1;
    }
    *bytes = '\0';
}

size_t entries_count(char *const *entries) {
    size_t count = 0;
    while (entries[count] != NULL) count++;
    return count;
}

// Takes out every entry of that name; the first one's place is the new entry's, if there is one.
static size_t replace(char **entries, size_t count, const char *name, size_t length, char *entry) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_named(entries[i], name, length)) {
            entries[kept++] = entries[i];
            continue;
        }
        if (entry != NULL) entries[kept++] = entry;
        entry = NULL;
    }
    if (entry != NULL) entries[kept++] = entry;
    return kept;
}

// The answer is a whole one. Room for entries_count() and its variables is needed, and for the NULL.
void entries_merge(char *const *entries, char *answer, char **merged) {
    size_t count = 0;
    for (; *entries != NULL; entries++)
        if (!is_ours(*entries)) merged[count++] = *entries;
    for (char *record = answer + sizeof MAGIC - 1; *record != *RECORD_END; record += strlen(record) + 1) {
        char *entry = record + sizeof RECORD_SET - 1;
        count = replace(merged, count, entry, strcspn(entry, "="), *record == *RECORD_SET ? entry : NULL);
    }
    merged[count] = NULL;
}

const char *entries_find(char *const *entries, const char *name) {
    size_t length = strlen(name);
    for (; *entries != NULL; entries++)
        if (is_named(*entries, name, length)) return *entries + length + 1;
    return NULL;
}
