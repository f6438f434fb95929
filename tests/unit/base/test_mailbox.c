// SPDX-License-Identifier: Apache-2.0
#include "base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SENDERS = 4, MAILS = 2000 };

struct numbered {
	struct mail mail;
	int sender;
	int number;
};

static bool is_readable(const struct mailbox *box)
{
	struct pollfd pollfd = {.fd = box->event_fd, .events = POLLIN};
	return poll(&pollfd, 1, 0) == 1;
}

static void test_mails_come_oldest_first_and_once(void **state)
{
	struct mailbox box;
	struct mail mails[3] = {{.kind = 1}, {.kind = 2}, {.kind = 3}};
	(void)state;
	assert_true(mailbox_open(&box));
	assert_null(mailbox_take(&box));
	for (size_t i = 0; i < 3; i++) {
		mailbox_send(&box, &mails[i]);
	}
	struct mail *mail = mailbox_take(&box);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(mail, &mails[i]);
		assert_int_equal(mail->kind, i + 1);
		mail = mail->next;
	}
	assert_null(mail);
	assert_null(mailbox_take(&box));
	mailbox_close(&box);
}

static void test_the_descriptor_is_readable_while_mail_lies_there(void **state)
{
	struct mailbox box;
	struct mail mails[2] = {{.kind = 1}, {.kind = 2}};
	(void)state;
	assert_true(mailbox_open(&box));
	assert_false(is_readable(&box));
	mailbox_send(&box, &mails[0]);
	mailbox_send(&box, &mails[1]);
	assert_true(is_readable(&box));
	assert_non_null(mailbox_take(&box));
	assert_false(is_readable(&box));
	mailbox_close(&box);
}

static void test_a_mailbox_closes_once(void **state)
{
	struct mailbox box;
	(void)state;
	assert_true(mailbox_open(&box));
	mailbox_close(&box);
	assert_int_equal(box.event_fd, -1);
	mailbox_close(&box);
}

struct sender {
	struct mailbox *box;
	struct numbered mails[MAILS];
};

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	for (size_t i = 0; i < MAILS; i++) {
		mailbox_send(sender->box, &sender->mails[i].mail);
	}
	return NULL;
}

/* Takes until every mail came; each sender's in its order. */
static void receive_all(struct mailbox *box)
{
	int next[SENDERS] = {0};
	int received = 0;
	while (received < SENDERS * MAILS) {
		struct pollfd pollfd = {.fd = box->event_fd, .events = POLLIN};
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		for (struct mail *mail = mailbox_take(box); mail != NULL; mail = mail->next) {
			const struct numbered *numbered = (struct numbered *)(void *)mail;
			assert_int_equal(numbered->number, next[numbered->sender]);
			next[numbered->sender]++;
			received++;
		}
	}
	assert_null(mailbox_take(box));
}

static void test_no_mail_of_many_senders_is_lost_or_doubled(void **state)
{
	static struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	struct mailbox box;
	(void)state;
	assert_true(mailbox_open(&box));
	for (int i = 0; i < SENDERS; i++) {
		senders[i].box = &box;
		for (int k = 0; k < MAILS; k++) {
			senders[i].mails[k] = (struct numbered){.sender = i, .number = k};
		}
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	receive_all(&box);
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
	}
	mailbox_close(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mails_come_oldest_first_and_once),
		cmocka_unit_test(test_the_descriptor_is_readable_while_mail_lies_there),
		cmocka_unit_test(test_a_mailbox_closes_once),
		cmocka_unit_test(test_no_mail_of_many_senders_is_lost_or_doubled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
