/* JSON from outside; see jsontext.h. */
#include "checkpoint/jsontext.h"

#include <string.h>

#include "checkpoint/kind.h"
#include "sys/why.h"

int
jsontext_fault(char *why, const json_error_t *error)
{
	char text[2 * JSON_ERROR_TEXT_LENGTH];

	if (json_error_code(error) == json_error_out_of_memory) {
		why_memory(why);
		return -1;
	}
	why_escape(text, sizeof(text), error->text, strlen(error->text));
	return why_set(
	    why, "line %d column %d: %s", error->line, error->column, text);
}

json_t *
jsontext_parse(const uint8_t *data, size_t size, size_t limit, char *why)
{
	const char *kind;
	json_error_t error;
	json_t *root;

	if (size > limit) {
		why_set(why, "larger than %zu bytes", limit);
		return NULL;
	}
	root = json_loadb(
	    (const char *)data, size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(root))
		return root;
	if (root)
		why_set(why, "want a JSON object");
	else if ((kind = kind_describe(data, size)))
		why_set(why, "is %s", kind);
	else
		jsontext_fault(why, &error);
	json_decref(root);
	return NULL;
}
