// SPDX-License-Identifier: Apache-2.0
/*
 * intaked(8): the command line.
 */
#include "server/lifecycle.h"

#include <getopt.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONF "/etc/intaked/intaked.conf"

static void print_usage(FILE *out)
{
	fputs("usage: intaked [-c FILE] [-t [--no-database]]\n"
	      "       intaked -V | --help\n"
	      "\n"
	      "Takes in incident reports over mutual TLS and stores them in PostgreSQL.\n"
	      "\n"
	      "  -c FILE        configuration, default " DEFAULT_CONF "\n"
	      "  -t             check configuration, certificates, taxonomy and the database's "
	      "schema\n"
	      "  --no-database  with -t: leave out the database, which may be away\n"
	      "  -V             print the version\n"
	      "  --help         print this\n",
		out);
}

/*
 * The connection string alone says where the database is: what a shell happens to have exported
 * must not.
 */
static void forget_libpq_environment(void)
{
	extern char **environ;
	char name[64];
	for (char **variable = environ; *variable != NULL;) {
		size_t len = strcspn(*variable, "=");
		if (strncmp(*variable, "PG", 2) == 0 && len < sizeof(name)) {
			memcpy(name, *variable, len);
			name[len] = '\0';
			unsetenv(name);
			variable = environ;
		} else {
			variable++;
		}
	}
}

/*
 * libpq resolves names in threads that serve: with the resolver's own patience a name server that
 * does not answer would hold the start back, and starve the watchdog. Who connects tries again
 * soon.
 */
static void bound_the_resolver(void)
{
	setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
}

/*
 * glibc's allocator sets itself up in its first call, which two threads must not make at once.
 * Where another one serves in its place, a sanitizer's or one that is preloaded, the first calls
 * would be malloc_trim in the workers.
 */
static void set_up_allocator(void)
{
	malloc_trim(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
		{"no-database", no_argument, NULL, 'D'}, {"version", no_argument, NULL, 'V'}, {0}};
	const char *path = DEFAULT_CONF;
	bool only_checks = false;
	bool with_database = true;
	int option;

	while ((option = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			only_checks = true;
			break;
		case 'D':
			with_database = false;
			break;
		case 'V':
			puts("intaked " INTAKED_VERSION);
			return 0;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "intaked: unexpected argument \"%s\"\n", argv[optind]);
		print_usage(stderr);
		return 2;
	}
	if (!with_database && !only_checks) {
		fputs("intaked: --no-database goes with -t\n", stderr);
		return 2;
	}
	forget_libpq_environment();
	bound_the_resolver();
	set_up_allocator();
	return only_checks ? lifecycle_check(path, with_database) : lifecycle_run(path);
}
