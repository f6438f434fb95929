// SPDX-License-Identifier: Apache-2.0
#include "report_number_int.h"

#include "report_json_int.h"

#include <math.h>
#include <stdlib.h>

#define REAL_MAX_LEN 40
#define REAL_MAX_EXPONENT 300
#define INT64_DIGITS 19

static size_t count_digits(struct str token, size_t from)
{
	size_t at = from;
	while (at < token.len && token.data[at] >= '0' && token.data[at] <= '9') {
		at++;
	}
	return at - from;
}

/* The exponent from its sign on, held within a few digits. */
static long read_exponent(struct str token, size_t from)
{
	bool is_negative = token.data[from] == '-';
	long value = 0;
	if (is_negative || token.data[from] == '+') {
		from++;
	}
	for (size_t i = from; i < token.len && value < 100000; i++) {
		value = value * 10 + (token.data[i] - '0');
	}
	return is_negative ? -value : value;
}

static enum report_number_kind judge_integer(struct str digits, bool is_negative)
{
	const char *limit = is_negative ? "9223372036854775808" : "9223372036854775807";
	bool is_big = digits.len > INT64_DIGITS ||
		(digits.len == INT64_DIGITS && memcmp(digits.data, limit, INT64_DIGITS) > 0);
	return is_big ? NUMBER_BIG_INTEGER : NUMBER_HELD;
}

static enum report_number_kind judge_real(struct str token, long exponent)
{
	char terminated[REAL_MAX_LEN + 1];
	if (token.len > REAL_MAX_LEN || labs(exponent) > REAL_MAX_EXPONENT) {
		return NUMBER_BAD_REAL;
	}
	memcpy(terminated, token.data, token.len);
	terminated[token.len] = '\0';
	double value = strtod(terminated, NULL);
	return isinf(value) || value == REPORT_JSON_BAD_REAL ? NUMBER_ODD_REAL : NUMBER_HELD;
}

/* Tokens that are no JSON numbers are left to the parser, which refuses them. */
enum report_number_kind report_number_judge(struct str token)
{
	bool is_negative = token.data[0] == '-';
	size_t at = is_negative ? 1 : 0;
	size_t whole = count_digits(token, at);
	long exponent = 0;
	if (whole == 0 || (whole > 1 && token.data[at] == '0')) {
		return NUMBER_HELD;
	}
	at += whole;
	if (at == token.len) {
		return judge_integer((struct str){token.data + is_negative, whole}, is_negative);
	}
	if (token.data[at] == '.') {
		size_t fraction = count_digits(token, at + 1);
		if (fraction == 0) {
			return NUMBER_HELD;
		}
		at += 1 + fraction;
	}
	if (at < token.len && (token.data[at] == 'e' || token.data[at] == 'E')) {
		size_t digits_at = at + 1;
		if (digits_at < token.len &&
			(token.data[digits_at] == '+' || token.data[digits_at] == '-')) {
			digits_at++;
		}
		size_t digits = count_digits(token, digits_at);
		if (digits == 0) {
			return NUMBER_HELD;
		}
		exponent = read_exponent((struct str){token.data, digits_at + digits}, at + 1);
		at = digits_at + digits;
	}
	return at == token.len ? judge_real(token, exponent) : NUMBER_HELD;
}

/* Different integers stay different, near enough, and equal ones equal. */
static void replace_integer(char *token, size_t len)
{
	uint32_t hash = 2166136261U;
	bool is_negative = token[0] == '-';
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ (unsigned char)token[i]) * 16777619U;
	}
	uint64_t value = (uint64_t)INT64_MAX - hash;
	memset(token + is_negative, ' ', len - is_negative);
	for (size_t i = INT64_DIGITS + is_negative; i > (size_t)is_negative; i--) {
		token[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
}

void report_number_replace(char *token, size_t len, enum report_number_kind kind)
{
	switch (kind) {
	case NUMBER_BIG_INTEGER:
		replace_integer(token, len);
		break;
	case NUMBER_BAD_REAL:
	case NUMBER_ODD_REAL:
		memset(token, ' ', len);
		token[0] = kind == NUMBER_BAD_REAL ? '1' : '2';
		token[1] = 'e';
		token[2] = '4';
		token[3] = '1';
		break;
	default:
		break;
	}
}
