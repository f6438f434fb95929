// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include "base/clock.h"
#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#define CLIENTS 6

struct scene {
	struct event_base *base;
	struct listener_socket listening;
	struct listener *listener;
	int clients[CLIENTS];
	int accepted[CLIENTS];
	int accepted_count;
	int accepted_this_turn;
	bool pauses_itself;
};

static void on_accept(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct scene *scene = ctx;
	assert_int_equal(peer->ss_family, scene->listening.address.ss_family);
	scene->accepted[scene->accepted_count++] = fd;
	scene->accepted_this_turn++;
	if (scene->pauses_itself) {
		listener_pause(scene->listener);
	}
}

static void scene_open(struct scene *scene, const char *address)
{
	struct err err;
	*scene = (struct scene){.base = event_base_new()};
	if (!listener_socket_open(&scene->listening, address, 16, 0600, &err)) {
		fail_msg("%s", err.text);
	}
	scene->listener = listener_new(scene->base, scene->listening.fd, on_accept, scene);
	assert_non_null(scene->listener);
	memset(scene->clients, -1, sizeof(scene->clients));
}

static void connect_client(struct scene *scene, int index)
{
	const struct sockaddr_storage *address = &scene->listening.address;
	int fd = socket(address->ss_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (const struct sockaddr *)address,
			address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_storage) - 18),
		0);
	scene->clients[index] = fd;
}

static void scene_close(struct scene *scene)
{
	for (int i = 0; i < scene->accepted_count; i++) {
		close(scene->accepted[i]);
	}
	for (int i = 0; i < CLIENTS; i++) {
		if (scene->clients[i] >= 0) {
			close(scene->clients[i]);
		}
	}
	listener_free(&scene->listener);
	assert_null(scene->listener);
	listener_socket_close(&scene->listening);
	listener_socket_close(&scene->listening);
	event_base_free(scene->base);
}

/* Turns until so many were accepted, or for so long that nothing more will be. */
static void run_until(struct scene *scene, int accepted_count)
{
	int64_t give_up_ms = clock_monotonic_ms() + 10000;
	while (scene->accepted_count < accepted_count && clock_monotonic_ms() < give_up_ms) {
		scene->accepted_this_turn = 0;
		event_base_loop(scene->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		assert_in_range(scene->accepted_this_turn, 0, 1);
	}
	assert_int_equal(scene->accepted_count, accepted_count);
}

static void run_turns(struct scene *scene, int turns)
{
	for (int i = 0; i < turns; i++) {
		event_base_loop(scene->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
}

static void test_a_turn_accepts_one_connection(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "127.0.0.1:0");
	for (int i = 0; i < CLIENTS; i++) {
		connect_client(&scene, i);
	}
	run_until(&scene, CLIENTS);
	scene_close(&scene);
}

static void test_accepted_sockets_are_ready_for_use(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "127.0.0.1:0");
	connect_client(&scene, 0);
	run_until(&scene, 1);
	int fd = scene.accepted[0];
	int no_delay = 0;
	int keeps_alive = 0;
	int idle_s = 0;
	socklen_t len = sizeof(no_delay);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(scene.listening.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
	assert_int_equal(no_delay, 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keeps_alive, &len), 0);
	assert_int_equal(keeps_alive, 1);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &len), 0);
	assert_int_equal(idle_s, 60);
	scene_close(&scene);
}

static void test_a_paused_listener_accepts_nothing_until_resumed(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "127.0.0.1:0");
	connect_client(&scene, 0);
	listener_pause(scene.listener);
	listener_pause(scene.listener);
	run_turns(&scene, 20);
	assert_int_equal(scene.accepted_count, 0);
	listener_resume(scene.listener);
	listener_resume(scene.listener);
	run_until(&scene, 1);
	scene_close(&scene);
}

static void test_a_pause_within_the_callback_holds(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "127.0.0.1:0");
	scene.pauses_itself = true;
	connect_client(&scene, 0);
	connect_client(&scene, 1);
	run_until(&scene, 1);
	run_turns(&scene, 20);
	assert_int_equal(scene.accepted_count, 1);
	listener_resume(scene.listener);
	run_until(&scene, 2);
	scene_close(&scene);
}

static void test_two_listeners_share_one_socket(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "127.0.0.1:0");
	struct listener *other = listener_new(scene.base, scene.listening.fd, on_accept, &scene);
	connect_client(&scene, 0);
	listener_pause(scene.listener);
	run_until(&scene, 1);
	listener_free(&other);
	listener_resume(scene.listener);
	connect_client(&scene, 1);
	run_until(&scene, 2);
	scene_close(&scene);
}

static void test_a_resting_listener_lets_others_go_first(void **state)
{
	(void)state;
	struct scene scene;
	struct scene other;
	scene_open(&scene, "127.0.0.1:0");
	other = (struct scene){.base = event_base_new(), .listening = scene.listening};
	other.listener = listener_new(other.base, other.listening.fd, on_accept, &other);
	listener_rest(scene.listener, 1);
	connect_client(&scene, 0);
	run_turns(&other, 20);
	assert_int_equal(other.accepted_count, 1);
	/* Not for ever: the next one is taken when the rest is over. */
	connect_client(&scene, 1);
	run_until(&scene, 1);
	close(other.accepted[0]);
	listener_free(&other.listener);
	event_base_free(other.base);
	scene_close(&scene);
}

static void test_without_descriptors_accepting_rests_and_recovers(void **state)
{
	(void)state;
	struct scene scene;
	struct rlimit before;
	scene_open(&scene, "127.0.0.1:0");
	connect_client(&scene, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	struct rlimit none = {
		.rlim_cur = (rlim_t)scene.clients[0] + 1, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int64_t started_ms = clock_monotonic_ms();
	while (listener_failures(scene.listener) < 3) {
		event_base_loop(scene.base, EVLOOP_ONCE);
	}
	/* Two rests of 100 ms between three failures. */
	assert_true(clock_monotonic_ms() - started_ms >= 190);
	assert_int_equal(scene.accepted_count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	run_until(&scene, 1);
	assert_int_equal(listener_failures(scene.listener), 3);
	scene_close(&scene);
}

static void test_an_ipv6_wildcard_serves_ipv4_too(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "[::]:0");
	struct sockaddr_in6 bound;
	memcpy(&bound, &scene.listening.address, sizeof(bound));
	assert_int_not_equal(bound.sin6_port, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = bound.sin6_port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	scene.clients[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
		connect(scene.clients[0], (struct sockaddr *)&address, sizeof(address)), 0);
	run_until(&scene, 1);
	scene_close(&scene);
}

static void test_an_address_in_use_is_an_error_that_names_it(void **state)
{
	(void)state;
	struct scene scene;
	struct listener_socket second;
	struct err err;
	char text[ADDRESS_TEXT_SIZE];
	scene_open(&scene, "127.0.0.1:0");
	address_format(&scene.listening.address, text);
	assert_false(listener_socket_open(&second, text, 16, 0600, &err));
	assert_int_equal(second.fd, -1);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.text, "in use"));
	scene_close(&scene);
}

static void test_a_unix_socket_has_its_mode_and_goes_with_the_listener(void **state)
{
	(void)state;
	char folder[] = "/tmp/intaked-net-XXXXXX";
	char path[64];
	struct scene scene;
	struct stat found;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	mode_t umask_before = umask(0077);
	struct listener_socket wide;
	struct err err;
	assert_true(listener_socket_open(&wide, path, 16, 0660, &err));
	umask(umask_before);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0660);
	listener_socket_close(&wide);
	assert_int_equal(stat(path, &found), -1);

	scene_open(&scene, path);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0600);
	connect_client(&scene, 0);
	run_until(&scene, 1);
	scene_close(&scene);
	assert_int_equal(rmdir(folder), 0);
}

static void test_only_a_dead_socket_file_is_replaced(void **state)
{
	(void)state;
	char folder[] = "/tmp/intaked-net-XXXXXX";
	char path[64];
	struct listener_socket first;
	struct listener_socket second;
	struct err err;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);

	assert_true(listener_socket_open(&first, path, 16, 0600, &err));
	assert_false(listener_socket_open(&second, path, 16, 0600, &err));
	assert_non_null(strstr(err.text, "another process listens"));
	close(first.fd);
	assert_true(listener_socket_open(&second, path, 16, 0600, &err));
	listener_socket_close(&second);

	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_false(listener_socket_open(&second, path, 16, 0600, &err));
	assert_non_null(strstr(err.text, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_turn_accepts_one_connection),
		cmocka_unit_test(test_accepted_sockets_are_ready_for_use),
		cmocka_unit_test(test_a_paused_listener_accepts_nothing_until_resumed),
		cmocka_unit_test(test_a_pause_within_the_callback_holds),
		cmocka_unit_test(test_two_listeners_share_one_socket),
		cmocka_unit_test(test_a_resting_listener_lets_others_go_first),
		cmocka_unit_test(test_without_descriptors_accepting_rests_and_recovers),
		cmocka_unit_test(test_an_ipv6_wildcard_serves_ipv4_too),
		cmocka_unit_test(test_an_address_in_use_is_an_error_that_names_it),
		cmocka_unit_test(test_a_unix_socket_has_its_mode_and_goes_with_the_listener),
		cmocka_unit_test(test_only_a_dead_socket_file_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
