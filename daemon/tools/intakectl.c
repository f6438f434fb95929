// SPDX-License-Identifier: Apache-2.0
/*
 * The operator's program: takes the command line apart, reads the configuration, runs one command
 * of the table. Partners and keys change in the database, from where daemons learn of it; what is
 * asked of a daemon itself goes over its control socket.
 */
#include "base/standard_fds.h"
#include "intakectl_command_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_conf_path[] = "/etc/intaked/intaked.conf";

enum outcome outcome_failed(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("intakectl: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return OUTCOME_FAILED;
}

static void on_conf_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	outcome_failed("%s", sentence);
}

static void ignore_conf_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	(void)sentence;
}

/* Without the file that was named, another daemon would be asked. Not read here: it may be a pipe.
 */
static bool is_readable(const char *path)
{
	struct stat status;
	bool is_there = stat(path, &status) == 0;
	if (is_there && S_ISDIR(status.st_mode)) {
		errno = EISDIR;
	} else if (is_there && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0) {
		return true;
	}
	outcome_failed("%s cannot be read: %s", path, strerror(errno));
	return false;
}

static enum outcome run_command(const struct command *command, struct request *request)
{
	struct conf *conf = NULL;
	if (command->conf_need == CONF_WHOLE) {
		conf = conf_load(request->conf_path, on_conf_fault, NULL);
	} else if (command->conf_need == CONF_IN_PART &&
		(request->conf_path == default_conf_path || is_readable(request->conf_path))) {
		conf = conf_load_in_part(request->conf_path, ignore_conf_fault, NULL);
	}
	if (conf == NULL && command->conf_need != CONF_NONE) {
		return OUTCOME_FAILED;
	}
	request->conf = conf;
	enum outcome outcome = command->run(request);
	conf_unref(&conf);
	if (fflush(stdout) != 0) {
		return outcome_failed("standard output cannot be written");
	}
	return outcome;
}

int main(int argc, char **argv)
{
	static struct request request = {.conf_path = default_conf_path};
	const struct command *command = NULL;
	standard_fds_hold();
	enum outcome outcome = command_line_parse(argc, argv, &request, &command);
	if (outcome != OUTCOME_DONE) {
		return (int)outcome;
	}
	if (request.wants_version) {
		puts("intakectl " INTAKED_VERSION);
	} else if (request.wants_help) {
		command_print_help(stdout);
	} else {
		outcome = run_command(command, &request);
	}
	return (int)outcome;
}
