// SPDX-License-Identifier: Apache-2.0
/*
 * A datagram socket stands for the service manager.
 */
#include "server/systemd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct manager {
	int fd;
	char folder[32];
	char path[64];
	char heard[4096];
	ssize_t heard_len;
};

/* name: a file in the manager's folder, or an abstract name with its leading @. */
static void manager_open(struct manager *manager, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(manager, 0, sizeof(*manager));
	strcpy(manager->folder, "/tmp/test-systemd-XXXXXX");
	assert_non_null(mkdtemp(manager->folder));
	snprintf(manager->path, sizeof(manager->path), "%s%s%s", name[0] == '@' ? "@" : "",
		manager->folder, name[0] == '@' ? name + 1 : name);
	size_t len = strlen(manager->path);
	memcpy(address.sun_path, manager->path, len);
	if (address.sun_path[0] == '@') {
		address.sun_path[0] = '\0';
	}
	manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(manager->fd >= 0);
	assert_int_equal(bind(manager->fd, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	setenv("NOTIFY_SOCKET", manager->path, 1);
}

/* The next datagram as text; empty when there is none. */
static const char *manager_hear(struct manager *manager)
{
	manager->heard_len = recv(manager->fd, manager->heard, sizeof(manager->heard) - 1, 0);
	manager->heard[manager->heard_len > 0 ? manager->heard_len : 0] = '\0';
	return manager->heard;
}

static void manager_close(struct manager *manager)
{
	close(manager->fd);
	if (manager->path[0] == '/') {
		unlink(manager->path);
	}
	rmdir(manager->folder);
	unsetenv("NOTIFY_SOCKET");
}

static void test_a_state_arrives_as_one_datagram(void **state)
{
	static const char *const names[] = {"/notify", "@/notify"};
	struct manager manager;
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		manager_open(&manager, names[i]);
		systemd_notify("READY=1\nSTATUS=%s %d", "workers", 2);
		assert_string_equal(manager_hear(&manager), "READY=1\nSTATUS=workers 2");
		assert_string_equal(manager_hear(&manager), "");
		manager_close(&manager);
	}
}

static void test_a_long_state_is_cut(void **state)
{
	struct manager manager;
	char text[2000];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	manager_open(&manager, "/notify");
	systemd_notify("STATUS=%s", text);
	assert_int_equal(strlen(manager_hear(&manager)), 511);
	assert_int_equal(manager.heard_len, 511);
	manager_close(&manager);
}

static void test_a_manager_that_does_not_listen_holds_nothing_up(void **state)
{
	struct manager manager;
	(void)state;
	manager_open(&manager, "/notify");
	/* Far more than the kernel queues for a socket nobody reads. */
	for (int i = 0; i < 10000; i++) {
		systemd_notify("STATUS=%d", i);
	}
	assert_string_equal(manager_hear(&manager), "STATUS=0");
	manager_close(&manager);
}

static void test_without_a_manager_nothing_happens(void **state)
{
	static const char *const paths[] = {"", "/nonexistent/notify"};
	char too_long[300];
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	systemd_notify("READY=1");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		setenv("NOTIFY_SOCKET", paths[i], 1);
		systemd_notify("READY=1");
	}
	memset(too_long, '/', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	setenv("NOTIFY_SOCKET", too_long, 1);
	systemd_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_state_arrives_as_one_datagram),
		cmocka_unit_test(test_a_long_state_is_cut),
		cmocka_unit_test(test_a_manager_that_does_not_listen_holds_nothing_up),
		cmocka_unit_test(test_without_a_manager_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
