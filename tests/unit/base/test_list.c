// SPDX-License-Identifier: Apache-2.0
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
	int value;
	struct list link;
};

static void assert_values(const struct list *head, const int *values, size_t count)
{
	const struct list *link = head->next;
	for (size_t i = 0; i < count; i++) {
		assert_ptr_not_equal(link, head);
		assert_int_equal(LIST_OWNER(link, struct item, link)->value, values[i]);
		assert_ptr_equal(link->prev->next, link);
		assert_ptr_equal(link->next->prev, link);
		link = link->next;
	}
	assert_ptr_equal(link, head);
}

static void test_elements_stand_in_the_order_they_were_appended(void **state)
{
	struct item items[] = {{.value = 1}, {.value = 2}, {.value = 3}};
	struct list head;
	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	for (size_t i = 0; i < 3; i++) {
		list_append(&head, &items[i].link);
	}
	assert_false(list_is_empty(&head));
	assert_values(&head, (const int[]){1, 2, 3}, 3);
}

static void test_any_element_leaves_without_its_head(void **state)
{
	static const int left[3][2] = {{2, 3}, {1, 3}, {1, 2}};
	(void)state;
	for (size_t out = 0; out < 3; out++) {
		struct item items[] = {{.value = 1}, {.value = 2}, {.value = 3}};
		struct list head;
		list_init(&head);
		for (size_t i = 0; i < 3; i++) {
			list_append(&head, &items[i].link);
		}
		list_remove(&items[out].link);
		assert_values(&head, left[out], 2);
		list_remove(&items[out].link);
		assert_values(&head, left[out], 2);
		list_append(&head, &items[out].link);
		assert_int_equal(LIST_OWNER(head.prev, struct item, link)->value, items[out].value);
	}
}

static void test_the_last_element_leaves_an_empty_list(void **state)
{
	struct item item = {.value = 1};
	struct list head;
	(void)state;
	list_init(&head);
	list_append(&head, &item.link);
	list_remove(&item.link);
	assert_true(list_is_empty(&head));
	assert_true(list_is_empty(&item.link));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_stand_in_the_order_they_were_appended),
		cmocka_unit_test(test_any_element_leaves_without_its_head),
		cmocka_unit_test(test_the_last_element_leaves_an_empty_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
