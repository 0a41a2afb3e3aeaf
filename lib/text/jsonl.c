/* Rows as JSON objects. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "sys/why.h"
#include "text/parse.h"

/* A value as text: a string, or a whole number or truth value as written. */
static int
take_value(
    json_t *root, const char *key, const char **text, size_t *len, char *why)
{
	json_t *value = json_object_get(root, key);

	*text = NULL;
	*len = 0;
	if (value == NULL || json_is_null(value))
		return 0;
	if (json_is_integer(value)) {
		char digits[32];

		snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(value));
		if (json_object_set_new(root, key, json_string(digits)) < 0) {
			why_memory(why);
			return ROWS_ERROR;
		}
		value = json_object_get(root, key);
	} else if (json_is_boolean(value)) {
		value = NULL;
		*text =
		    json_is_true(json_object_get(root, key)) ? "true" : "false";
		*len = strlen(*text);
		return 1;
	}
	if (!json_is_string(value)) {
		why_set(
		    why, "\"%.100s\" is neither text nor a whole number", key);
		return ROWS_BAD;
	}
	*text = json_string_value(value);
	*len = json_string_length(value);
	return 1;
}

static int
take_text(struct row *row, json_t *root, const char *key, char *why)
{
	int rc = take_value(root, key, &row->text, &row->text_len, why);

	if (rc == 0) {
		why_set(why, "no \"%.100s\"", key);
		return ROWS_BAD;
	}
	return rc;
}

int
parse_json(struct row *row, json_t **root, const struct rows_options *o,
    const uint8_t *p, size_t len, char *why)
{
	const char *key = o->text;
	json_error_t error;
	int rc;

	*root = json_loadb((const char *)p, len,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (*root == NULL) {
		char shown[2 * JSON_ERROR_TEXT_LENGTH];

		why_set(why, "column %d: %s", error.column,
		    why_escape(
			shown, sizeof(shown), error.text, strlen(error.text)));
		return ROWS_BAD;
	}
	if (!json_is_object(*root)) {
		why_set(why, "want a JSON object");
		return ROWS_BAD;
	}
	if (key == NULL)
		key = json_object_get(*root, "sentence") ? "sentence" : "text";
	if ((rc = take_text(row, *root, key, why)) < 0)
		return rc;
	rc = take_value(*root, o->label ? o->label : "label", &row->label,
	    &row->label_len, why);
	if (rc >= 0 && o->id)
		rc = take_value(*root, o->id, &row->id, &row->id_len, why);
	return rc < 0 ? rc : 1;
}
