/* JSON strings of bytes that may be no UTF-8. */
#ifndef SYS_JSON_H
#define SYS_JSON_H

#include <jansson.h>
#include <stddef.h>

/* The bytes as a string; if they are not UTF-8, each beyond ASCII as \xNN. */
json_t *json_bytes(const char *, size_t len);

#endif
