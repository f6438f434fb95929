// SPDX-License-Identifier: Apache-2.0
#include "lanes_int.h"

#define MAX_IDLE_BATCHES 4
#define SHARED_MS 1000
/* Fewer are nobody's burden. */
#define DOMINANCE_MIN_REPORTS 16

void lanes_init(struct lanes *lanes)
{
	*lanes = (struct lanes){.last_partner_id = -1};
	for (size_t i = 0; i < LANES_COUNT; i++) {
		list_init(&lanes->lanes[i].link);
		list_init(&lanes->lanes[i].batches);
	}
	list_init(&lanes->active);
	list_init(&lanes->again);
	list_init(&lanes->idle);
}

static void free_batches(struct list *list)
{
	while (!list_is_empty(list)) {
		struct batch *batch = LIST_OWNER(list->next, struct batch, link);
		list_remove(&batch->link);
		batch_free(&batch);
	}
}

void lanes_fini(struct lanes *lanes)
{
	for (size_t i = 0; i < LANES_COUNT; i++) {
		free_batches(&lanes->lanes[i].batches);
	}
	free_batches(&lanes->again);
	free_batches(&lanes->idle);
	lanes_init(lanes);
}

static struct lane *lane_of(struct lanes *lanes, int32_t partner_id)
{
	return &lanes->lanes[(uint32_t)partner_id % LANES_COUNT];
}

static struct batch *first_batch(const struct list *list)
{
	return list_is_empty(list) ? NULL : LIST_OWNER(list->next, struct batch, link);
}

static struct batch *take_idle(struct lanes *lanes, const struct conf *conf)
{
	struct batch *batch = first_batch(&lanes->idle);
	if (batch == NULL) {
		return batch_new((uint32_t)conf->database_max_batch_reports);
	}
	list_remove(&batch->link);
	lanes->idle_count--;
	return batch;
}

void lanes_recycle(struct lanes *lanes, const struct conf *conf, struct batch *batch)
{
	if (lanes->idle_count >= MAX_IDLE_BATCHES ||
		batch->capacity != conf->database_max_batch_reports || !batch_reset(batch)) {
		batch_free(&batch);
		return;
	}
	list_append(&lanes->idle, &batch->link);
	lanes->idle_count++;
}

static void put(struct lanes *lanes, struct lane *lane, struct batch *batch)
{
	if (list_is_empty(&lane->batches)) {
		list_append(&lanes->active, &lane->link);
	}
	list_append(&lane->batches, &batch->link);
}

/* One that is empty has no turn; any other waits for all others' before its next. */
static void end_turn(struct lanes *lanes, struct lane *lane)
{
	list_remove(&lane->link);
	if (!list_is_empty(&lane->batches)) {
		list_append(&lanes->active, &lane->link);
	}
}

static void note_sender(struct lanes *lanes, int32_t partner_id, int64_t now_ms)
{
	if (lanes->last_partner_id != partner_id && lanes->last_partner_id >= 0) {
		lanes->shared_until_ms = now_ms + SHARED_MS;
	}
	lanes->last_partner_id = partner_id;
}

struct batch *lanes_open(struct lanes *lanes, const struct conf *conf, int32_t partner_id,
	size_t more_bytes, int64_t now_ms)
{
	struct lane *lane = lane_of(lanes, partner_id);
	note_sender(lanes, partner_id, now_ms);
	if (!list_is_empty(&lane->batches)) {
		struct batch *last = LIST_OWNER(lane->batches.prev, struct batch, link);
		if (!last->is_atomic && last->count < last->capacity &&
			batch_bytes(last) + more_bytes <= (size_t)conf->database_max_batch_bytes) {
			return last;
		}
	}
	struct batch *batch = take_idle(lanes, conf);
	if (batch != NULL) {
		put(lanes, lane, batch);
	}
	return batch;
}

void lanes_put_whole(struct lanes *lanes, int32_t partner_id, struct batch *batch)
{
	put(lanes, lane_of(lanes, partner_id), batch);
}

void lanes_count(struct lanes *lanes, int32_t partner_id, int32_t change)
{
	struct lane *lane = lane_of(lanes, partner_id);
	lane->pending = (uint32_t)((int64_t)lane->pending + change);
}

bool lanes_is_empty(const struct lanes *lanes)
{
	return list_is_empty(&lanes->active) && list_is_empty(&lanes->again);
}

static bool has_one_lane(const struct lanes *lanes)
{
	return lanes->active.next == lanes->active.prev;
}

static size_t count_active(const struct lanes *lanes)
{
	size_t count = 0;
	for (struct list *link = lanes->active.next; link != &lanes->active; link = link->next) {
		count++;
	}
	return count;
}

/* The lane's oldest batch, as it is. */
static struct batch *take_whole(struct lanes *lanes, struct lane *lane)
{
	struct batch *batch = first_batch(&lane->batches);
	list_remove(&batch->link);
	end_turn(lanes, lane);
	return batch;
}

static bool is_full(const struct conf *conf, const struct batch *batch)
{
	return batch->count >= LANES_SHARED_REPORTS || batch->count == batch->capacity ||
		batch_bytes(batch) >= (size_t)conf->database_max_batch_bytes;
}

/* Moves up to quota entries of the lane's oldest batch; false when memory is short. */
static bool move_entries(struct lanes *lanes, const struct conf *conf, struct lane *lane,
	struct batch *to, uint32_t quota)
{
	struct batch *from = first_batch(&lane->batches);
	for (; quota > 0 && from->moved < from->count && !is_full(conf, to); from->moved++) {
		struct batch_entry *entry = &from->entries[from->moved];
		if (entry->is_answered) {
			continue;
		}
		if (!batch_copy_entry(to, from, from->moved)) {
			return false;
		}
		entry->is_answered = true;
		from->unanswered--;
		quota--;
	}
	if (from->unanswered == 0) {
		list_remove(&from->link);
		lanes_recycle(lanes, conf, from);
	}
	return true;
}

/* An equal number of each lane that has something to send, in turn. */
static struct batch *compose(struct lanes *lanes, const struct conf *conf)
{
	size_t count = count_active(lanes);
	ENSURE(count > 0);
	uint32_t quota = (uint32_t)(LANES_SHARED_REPORTS / count);
	struct batch *composed = take_idle(lanes, conf);
	bool done = composed != NULL;
	for (size_t i = 0; done && i < count && !is_full(conf, composed); i++) {
		struct lane *lane = LIST_OWNER(lanes->active.next, struct lane, link);
		if (first_batch(&lane->batches)->is_atomic) {
			if (composed->count > 0) {
				break; /* it goes alone, next */
			}
			lanes_recycle(lanes, conf, composed);
			return take_whole(lanes, lane);
		}
		done = move_entries(lanes, conf, lane, composed, quota > 0 ? quota : 1);
		end_turn(lanes, lane);
	}
	if (composed != NULL && composed->count == 0) {
		lanes_recycle(lanes, conf, composed);
		return NULL;
	}
	return composed;
}

struct batch *lanes_next(struct lanes *lanes, const struct conf *conf, int64_t now_ms)
{
	struct batch *again = first_batch(&lanes->again);
	if (again != NULL) {
		list_remove(&again->link);
		return again;
	}
	if (list_is_empty(&lanes->active)) {
		return NULL;
	}
	struct lane *lane = LIST_OWNER(lanes->active.next, struct lane, link);
	bool is_small = first_batch(&lane->batches)->unanswered <= LANES_SHARED_REPORTS;
	if (has_one_lane(lanes) && (is_small || now_ms >= lanes->shared_until_ms)) {
		return take_whole(lanes, lane);
	}
	return compose(lanes, conf);
}

void lanes_take_back(struct lanes *lanes, const struct conf *conf, struct batch *batch)
{
	if (batch->unanswered == 0) {
		lanes_recycle(lanes, conf, batch);
		return;
	}
	/* Appending to the first element's place: the head of a ring is also its end. */
	list_append(lanes->again.next, &batch->link);
}

static void each_in(struct lanes *lanes, const struct conf *conf, struct list *list,
	void (*each)(void *ctx, struct batch *batch), void *ctx)
{
	struct list *link = list->next;
	while (link != list) {
		struct batch *batch = LIST_OWNER(link, struct batch, link);
		link = link->next;
		each(ctx, batch);
		if (batch->unanswered == 0) {
			list_remove(&batch->link);
			lanes_recycle(lanes, conf, batch);
		}
	}
}

void lanes_each(struct lanes *lanes, const struct conf *conf,
	void (*each)(void *ctx, struct batch *batch), void *ctx)
{
	struct list *link = lanes->active.next;
	each_in(lanes, conf, &lanes->again, each, ctx);
	while (link != &lanes->active) {
		struct lane *lane = LIST_OWNER(link, struct lane, link);
		link = link->next;
		each_in(lanes, conf, &lane->batches, each, ctx);
		if (list_is_empty(&lane->batches)) {
			list_remove(&lane->link);
		}
	}
}

bool lanes_is_dominated_by(
	const struct lanes *lanes, int32_t partner_id, size_t pending, int64_t now_ms)
{
	const struct lane *lane = &lanes->lanes[(uint32_t)partner_id % LANES_COUNT];
	return pending >= DOMINANCE_MIN_REPORTS && now_ms < lanes->shared_until_ms &&
		(size_t)lane->pending * 2 > pending;
}
