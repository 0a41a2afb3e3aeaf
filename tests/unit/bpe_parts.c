/* bpe-decode prints a record's parts as they come, but no half character. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpe/bpe.h"
#include "stream/stream.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/why.h"
#include "tap.h"

struct sender {
	struct bpe_encoder *encoder;
	struct stream_writer *out;
	int from; /* what bpe-decode prints */
	uint32_t part;
};

/* Sends the text as the next part; parts 0: how many is open. */
static void
send_part(struct sender *s, const char *text, uint32_t parts)
{
	struct record r = { .part = ++s->part, .parts = parts };
	struct buffer tokens = { 0 };
	char why[WHYSZ];

	bpe_encode(
	    s->encoder, (const uint8_t *)text, strlen(text), &tokens, why);
	r.tokens = (const void *)tokens.data;
	r.n_tokens = tokens.len / sizeof(uint32_t);
	if (stream_write(s->out, &r, why) < 0 || stream_flush(s->out, why) < 0)
		printf("# %s\n", why);
	free(tokens.data);
	if (parts == s->part)
		s->part = 0;
}

/* The next bytes printed are these. */
static void
expect(struct sender *s, const char *want, const char *name)
{
	char got[64] = "";
	size_t len = 0;

	while (len < strlen(want)) {
		ssize_t n = read(s->from, got + len, sizeof(got) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (!ok(strcmp(got, want) == 0, "%s", name))
		printf("# got \"%s\"\n", got);
}

/* Starts bpe-decode between two pipes; the stream goes to our stdout's. */
static pid_t
start_decoder(const char *model, int to[2], int from[2])
{
	pid_t pid = pipe(to) < 0 || pipe(from) < 0 ? -1 : fork();

	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		execlp("bpe-decode", "bpe-decode", "-m", model, (char *)0);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	return pid;
}

int
main(void)
{
	struct stream_header h = { .kind = STREAM_TOKENS,
		.preparation = { true, "", "", SPECIAL_LITERAL },
		.model_name = "" };
	const char *model = "tests/tiny";
	char why[WHYSZ], path[32], c;
	struct bpe *b = bpe_open(model, why);
	struct sender s = { 0 };
	struct file_out *file;
	int to[2], from[2], status;
	pid_t pid;

	if (!ok(b != NULL, "the tiny model's vocabulary"))
		return done_testing();
	alarm(20); /* should nothing be printed */
	pid = start_decoder(model, to, from);
	snprintf(path, sizeof(path), "/dev/fd/%d", to[1]);
	file = file_create(path, why);
	strcpy(h.vocabulary, bpe_vocabulary(b));
	h.vocab_size = bpe_vocab_size(b);
	s.encoder = bpe_encoder_open(b, why);
	s.out = stream_writer_open(file, &h, why);
	s.from = from[0];
	send_part(&s, "one", 0);
	expect(&s, "one", "an open part at once");
	send_part(&s, " caf\xc3", 0);
	expect(&s, " caf", "no half character");
	send_part(&s, "\xa9!", 0);
	expect(&s, "\xc3\xa9!", "but with its other half");
	send_part(&s, "\xe2\x82", 4);
	expect(&s, "\xe2\x82\n", "the last part ends the line");
	send_part(&s, "two", 2);
	send_part(&s, " halves", 2);
	expect(&s, "two halves\n", "two of two parts");
	stream_end(s.out, true, why);
	file_commit(file, why);
	close(to[1]);
	waitpid(pid, &status, 0);
	ok(status == 0 && read(from[0], &c, 1) == 0, "then the end");
	stream_writer_free(s.out);
	bpe_encoder_free(s.encoder);
	bpe_free(b);
	return done_testing();
}
