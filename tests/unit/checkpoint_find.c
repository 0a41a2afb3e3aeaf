/*
 * Where models are found, and the names they get: run as a copy of itself
 * from an installed tree and from a build tree.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "sys/why.h"
#include "tap.h"

static char dir[] = "/tmp/checkpoint_find.XXXXXX", real[PATH_MAX];

/* Runs a shell command in the test's directory; its output in one string. */
static const char *
run(const char *command)
{
	static char out[4096], line[2048];
	FILE *p;
	size_t n;

	snprintf(line, sizeof(line), "cd %s && { %s; } 2>&1", dir, command);
	p = popen(line, "r");
	n = p ? fread(out, 1, sizeof(out) - 1, p) : 0;
	out[n] = '\0';
	if (p)
		pclose(p);
	return out;
}

/* The command prints want, in which each @ stands for the directory. */
static void
expect(const char *command, const char *want)
{
	const char *got = run(command);
	char wanted[4096];
	size_t n = 0;

	for (; *want; want++) {
		if (*want == '@')
			n += (size_t)snprintf(
			    wanted + n, sizeof(wanted) - n, "%s", real);
		else
			wanted[n++] = *want;
	}
	wanted[n++] = '\n';
	wanted[n] = '\0';
	if (!ok(strcmp(got, wanted) == 0, "%s", command))
		printf("# got:  %s# want: %s", got, wanted);
}

/* What checkpoint_find, and then checkpoint_name, answer. */
static int
print_place(const char *name)
{
	char why[WHYSZ], *path = checkpoint_find(name, why), *again = NULL;

	if (path)
		again = checkpoint_name(path, why);
	if (again)
		printf("%s = %s\n", path, again);
	else
		printf("%s\n", why);
	free(path);
	free(again);
	return 0;
}

static void
test_shipped(void)
{
	expect("bin/find",
	    "no model: the one that ships is not in "
	    "@/bin/{../share/gpt2-filters/mini,../../examples/mini}");
	run("mkdir -p share/gpt2-filters/mini share/gpt2-filters/empty "
	    "tree/build/bin tree/examples/mini && "
	    "cp bin/find tree/build/bin && "
	    "touch share/gpt2-filters/mini/config.json "
	    "tree/examples/mini/config.json");
	expect("bin/find", "@/share/gpt2-filters/mini = mini");
	expect("tree/build/bin/find", "@/tree/examples/mini = mini");
	run("ln -s bin/find link");
	expect("./link", "@/share/gpt2-filters/mini = mini");
}

static void
test_names(void)
{
	expect("bin/find mini", "@/share/gpt2-filters/mini = mini");
	expect("bin/find ./share/gpt2-filters/mini/",
	    "./share/gpt2-filters/mini/ = mini");
	run("mkdir -p other/mini share/gpt2-filters/two && "
	    "touch share/gpt2-filters/two/config.json");
	expect("bin/find two", "@/share/gpt2-filters/two = two");
	expect("bin/find other/mini", "other/mini = @/other/mini");
	expect("cd other && ../bin/find mini", "mini = @/other/mini");
	expect("bin/find none",
	    "none: no such directory, nor in @/share/gpt2-filters, nor in "
	    "@/hub; known models: mini, two");
	expect("HF_HUB_CACHE= HF_HOME= HOME= bin/find a/b",
	    "a/b: no such directory; known models: mini, two");
	expect("bin/find ./none", "./none: No such file or directory");
	expect("bin/find a/b/c", "a/b/c: No such file or directory");
	expect("bin/find bin/find", "bin/find = @/bin/find");
	expect("bin/find bin/find/x", "bin/find/x: Not a directory");
	expect("bin/find ''", ": No such file or directory");
	expect("bin/find \"$(printf 'a\\nb')\"",
	    "a\\x0ab: No such file or directory");
}

static void
test_hub(void)
{
	run("mkdir -p hub/models--openai-community--gpt2/refs "
	    "hub/models--openai-community--gpt2/snapshots/607a "
	    "hub/models--gpt2/refs hub/datasets--x--y && cp -r hub h2 && "
	    "printf 607a > hub/models--openai-community--gpt2/refs/main");
	expect("bin/find openai-community/gpt2",
	    "@/hub/models--openai-community--gpt2/snapshots/607a = "
	    "openai-community/gpt2");
	expect("bin/find openai-community/gtp2",
	    "openai-community/gtp2: no such directory, nor in @/hub; "
	    "known models: mini, two, gpt2, openai-community/gpt2");
	expect("HF_HUB_CACHE= bin/find a/b",
	    "a/b: no such directory, nor in @/home/hub; known models: mini, "
	    "two");
	expect("HF_HUB_CACHE= HF_HOME= HOME=/h bin/find a/b",
	    "a/b: no such directory, nor in /h/.cache/huggingface/hub; "
	    "known models: mini, two");
	expect("bin/find gpt2",
	    "@/hub/models--gpt2/refs/main: No such file or directory");
	run("printf '../../../etc' > hub/models--gpt2/refs/main");
	expect("bin/find gpt2", "@/hub/models--gpt2/refs/main: not a revision");
	run("printf 'abc\\n' > hub/models--gpt2/refs/main");
	expect("bin/find gpt2",
	    "@/hub/models--gpt2/snapshots/abc: No such file or directory");
	run("mkdir hub/models--openai-community--gpt2/snapshots/12");
	expect("bin/find hub/models--openai-community--gpt2/snapshots/12",
	    "hub/models--openai-community--gpt2/snapshots/12 = "
	    "@/hub/models--openai-community--gpt2/snapshots/12");
	expect("mkdir -p a/b && bin/find a/b", "a/b = @/a/b");
}

int
main(int argc, char *argv[])
{
	char self[PATH_MAX] = "", command[PATH_MAX + 64], path[PATH_MAX + 8];

	if (argc > 1 || strstr(argv[0], "/checkpoint_find") == NULL)
		return print_place(argv[1]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 ||
	    mkdtemp(dir) == NULL || realpath(dir, real) == NULL)
		return 1;
	snprintf(command, sizeof(command), "mkdir bin && cp %s bin/find", self);
	run(command);
	snprintf(path, sizeof(path), "%s/hub", real);
	setenv("HF_HUB_CACHE", path, 1);
	snprintf(path, sizeof(path), "%s/home", real);
	setenv("HF_HOME", path, 1);
	test_shipped();
	test_names();
	test_hub();
	run("rm -rf *");
	ok(rmdir(dir) == 0, "nothing is left");
	return done_testing();
}
