// SPDX-License-Identifier: Apache-2.0
#include "admin_pages_int.h"

#include "admin_host_int.h"
#include "admin_page_int.h"
#include "server/metrics.h"

#include <stdio.h>
#include <string.h>

#define POLICIES                                      \
	"Referrer-Policy: no-referrer\r\n"            \
	"X-Frame-Options: DENY\r\n"                   \
	"Cross-Origin-Opener-Policy: same-origin\r\n" \
	"Cross-Origin-Resource-Policy: same-origin\r\n"

static const struct str data_policies = {POLICIES
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
	sizeof(POLICIES "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n") -
		1};

/* A page fills the body and sets the status where it is not 200. False: it does not fit. */
typedef bool page_fn(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body);

static bool page(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	static char policies[1024];
	(void)hooks;
	(void)request;
	int len = snprintf(policies, sizeof(policies), POLICIES "Content-Security-Policy: %s\r\n",
		admin_page_policy);
	ENSURE(len > 0 && (size_t)len < sizeof(policies));
	response->more = (struct str){policies, (size_t)len};
	return buf_append_str(body, admin_page);
}

static bool healthz(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	(void)hooks;
	(void)request;
	(void)response;
	return buf_append_str(body, STR("ok\n"));
}

static bool readyz(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	(void)request;
	if (!hooks->is_ready(hooks->ctx, body)) {
		response->status = 503;
	}
	return buf_append_str(body, STR("\n"));
}

static bool names(struct str accept, const char *type)
{
	return accept.len > 0 && memmem(accept.data, accept.len, type, strlen(type)) != NULL;
}

/* OpenMetrics, unless the client asks for text in so many words and does not know that. */
static bool metrics(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	enum metrics_format format = METRICS_OPENMETRICS;
	if (names(request->accept, "text/plain") &&
		!names(request->accept, "application/openmetrics-text")) {
		format = METRICS_PROMETHEUS;
		response->content_type = "text/plain; version=0.0.4; charset=utf-8";
	}
	return hooks->metrics(hooks->ctx, format, body);
}

static bool status(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	(void)request;
	(void)response;
	return hooks->status(hooks->ctx, body);
}

static bool history(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	(void)request;
	(void)response;
	return hooks->history(hooks->ctx, body);
}

static const struct page {
	const char *path;
	const char *content_type;
	page_fn *make;
} pages[] = {
	{"/", "text/html; charset=utf-8", page},
	{"/healthz", "text/plain; charset=utf-8", healthz},
	{"/readyz", "text/plain; charset=utf-8", readyz},
	{"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics},
	{"/status.json", "application/json", status},
	{"/history.json", "application/json", history},
};

#define PAGES (sizeof(pages) / sizeof(pages[0]))

static bool refuse(struct http_response *response, struct buf *body, int code, struct str sentence)
{
	response->status = code;
	response->content_type = "text/plain; charset=utf-8";
	return buf_append_str(body, sentence);
}

static bool not_found(struct http_response *response, struct buf *body)
{
	bool done = refuse(response, body, 404, STR("here are"));
	for (size_t i = 0; i < PAGES; i++) {
		done = done && buf_printf(body, " %s", pages[i].path);
	}
	return done && buf_append_str(body, STR("\n"));
}

static bool make(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	if (!request->is_unix && !admin_host_is_taken(request->host)) {
		return refuse(response, body, 421,
			STR("Host must be localhost or an address: intaked(8) says why\n"));
	}
	for (size_t i = 0; i < PAGES; i++) {
		if (str_equal(request->path, str_from(pages[i].path))) {
			response->content_type = pages[i].content_type;
			return pages[i].make(hooks, request, response, body);
		}
	}
	return not_found(response, body);
}

void admin_page_make(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body)
{
	response->status = 200;
	response->more = data_policies;
	if (!make(hooks, request, response, body)) {
		buf_clear(body);
		response->status = 500;
	}
}
