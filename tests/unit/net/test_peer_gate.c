// SPDX-License-Identifier: Apache-2.0
#include "net/peer_gate.h"

#include "net/address.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct peer_gate gate;

static struct sockaddr_storage ipv4(uint32_t host)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
	memcpy(&address, &in, sizeof(in));
	return address;
}

static int make_gate(void **state)
{
	(void)state;
	return peer_gate_init(&gate) ? 0 : -1;
}

static void test_the_limit_is_reached_and_not_passed(void **state)
{
	(void)state;
	struct sockaddr_storage address = ipv4(0xc0000201);
	for (int i = 0; i < 64; i++) {
		assert_true(peer_gate_enter(&gate, &address, 64));
	}
	assert_false(peer_gate_enter(&gate, &address, 64));
	peer_gate_leave(&gate, &address);
	assert_true(peer_gate_enter(&gate, &address, 64));
	/* A reload may lower the limit under what is there. */
	assert_false(peer_gate_enter(&gate, &address, 10));
	for (int i = 0; i < 64; i++) {
		peer_gate_leave(&gate, &address);
	}
	assert_true(peer_gate_enter(&gate, &address, 1));
}

static void test_a_count_never_wraps(void **state)
{
	(void)state;
	struct sockaddr_storage address = ipv4(0xc0000202);
	for (int i = 0; i < UINT16_MAX; i++) {
		assert_true(peer_gate_enter(&gate, &address, UINT16_MAX));
	}
	assert_false(peer_gate_enter(&gate, &address, UINT16_MAX));
	assert_false(peer_gate_enter(&gate, &address, 1000000));
}

static void test_another_address_is_not_held_back(void **state)
{
	(void)state;
	struct sockaddr_storage busy = ipv4(0xc0000201);
	unsigned held_back = 0;
	assert_true(peer_gate_enter(&gate, &busy, 1));
	for (uint32_t i = 0; i < 1000; i++) {
		struct sockaddr_storage other = ipv4(0x0a000000 + i);
		bool is_in = peer_gate_enter(&gate, &other, 1);
		held_back += !is_in;
		if (is_in) {
			peer_gate_leave(&gate, &other);
		}
	}
	assert_in_range(held_back, 0, 5);
}

static void *enter_and_leave(void *arg)
{
	struct sockaddr_storage address = ipv4(0xc0000201);
	(void)arg;
	for (int entered = 0; entered < 20000;) {
		if (peer_gate_enter(&gate, &address, 2)) {
			entered++;
			peer_gate_leave(&gate, &address);
		} else {
			sched_yield();
		}
	}
	return NULL;
}

static void test_threads_leave_it_as_they_found_it(void **state)
{
	(void)state;
	struct sockaddr_storage address = ipv4(0xc0000201);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, enter_and_leave, NULL), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_true(peer_gate_enter(&gate, &address, 1));
	assert_false(peer_gate_enter(&gate, &address, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_limit_is_reached_and_not_passed, make_gate),
		cmocka_unit_test_setup(test_a_count_never_wraps, make_gate),
		cmocka_unit_test_setup(test_another_address_is_not_held_back, make_gate),
		cmocka_unit_test_setup(test_threads_leave_it_as_they_found_it, make_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
