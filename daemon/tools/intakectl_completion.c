// SPDX-License-Identifier: Apache-2.0
/*
 * Prints a script with which bash completes this program's words. The tables in it are those that
 * the command line is taken apart by, so it offers nothing that is not there.
 */
#include "intakectl_completion_int.h"

#include "intakectl_command_int.h"

static const char *const kinds[VALUE_COUNT] = {
	[VALUE_TEXT] = "text",
	[VALUE_TEXTS] = "text",
	[VALUE_NUMBER] = "text",
	[VALUE_FILE] = "file",
	[VALUE_FOLDER] = "folder",
	[VALUE_CHOICE] = "words",
	[VALUE_PERHAPS] = "perhaps",
	[VALUE_PARTNER] = "partner",
	[VALUE_KEY] = "key",
};

static void print_options(const struct command *command)
{
	for (int id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
		bool is_taken = command == NULL ? option_is_common((enum option_id)id)
						: command_takes(command, (enum option_id)id);
		if (is_taken) {
			printf(" --%s", option_rows[id].name);
		}
	}
}

/* Tables are global: the shell may read the script from within a function. */
static void print_command_tables(void)
{
	char name[32];
	fputs("_intakectl_common='", stdout);
	print_options(NULL);
	fputs("'\ndeclare -gA _intakectl_options=(\n", stdout);
	for (size_t i = 0; i < command_count; i++) {
		printf("\t['%s']='", command_name(&commands[i], name, sizeof(name)));
		print_options(&commands[i]);
		fputs("'\n", stdout);
	}
	fputs(")\ndeclare -gA _intakectl_operands=(\n", stdout);
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		if (command->operand == VALUE_NONE) {
			continue;
		}
		printf("\t['%s']='%s%s%s'\n", command_name(command, name, sizeof(name)),
			kinds[command->operand], command->operand_choice == NULL ? "" : " ",
			command->operand_choice == NULL ? "" : command->operand_choice);
	}
	fputs(")\n", stdout);
}

static void print_kind(const struct option_row *row)
{
	printf("='%s", kinds[row->value]);
	for (size_t i = 0; row->choices[i] != NULL; i++) {
		printf(" %s", row->choices[i]);
	}
	fputs("'\n", stdout);
}

static void print_value_table(void)
{
	fputs("declare -gA _intakectl_values=(\n", stdout);
	for (int id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
		const struct option_row *row = &option_rows[id];
		if (row->value == VALUE_NONE) {
			continue;
		}
		if (row->letter != '\0') {
			printf("\t['-%c']", row->letter);
			print_kind(row);
		}
		printf("\t['--%s']", row->name);
		print_kind(row);
	}
	fputs(")\n", stdout);
}

enum outcome completion_command_print(const struct request *request)
{
	(void)request;
	fputs("# SPDX-License-Identifier: Apache-2.0\n"
	      "# Completes the words of intakectl in bash; made by \"intakectl completion "
	      "bash\".\n",
		stdout);
	print_command_tables();
	print_value_table();
	fputs(completion_script, stdout);
	return OUTCOME_DONE;
}
