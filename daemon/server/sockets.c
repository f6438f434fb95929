// SPDX-License-Identifier: Apache-2.0
#include "sockets_int.h"

#include "base/log.h"
#include "net/address.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define ADMIN_BACKLOG 64
#define CONTROL_BACKLOG 16
#define UNIX_MODE 0660

/* A socket of ours: its name in the manager's units, and the setting it stands for. */
struct place {
	const char *name;
	const char *setting;
	struct listener_socket *socket;
	const char *address; /* empty: none is wanted */
	int backlog;
	bool is_local; /* what it serves is for this machine alone */
};

enum { PLACE_PARTNERS, PLACE_ADMIN, PLACE_CONTROL, PLACES };

/* A unit that names no socket passes the partners'. */
static struct place *find_place(struct place places[PLACES], const char *name)
{
	if (strcmp(name, "intaked.socket") == 0 || strcmp(name, "unknown") == 0) {
		return &places[PLACE_PARTNERS];
	}
	for (int i = 0; i < PLACES; i++) {
		if (strcmp(places[i].name, name) == 0) {
			return &places[i];
		}
	}
	return NULL;
}

static bool take_passed(struct place places[PLACES], int fd, const char *name, struct err *err)
{
	char shown[128];
	char address[ADDRESS_TEXT_SIZE];
	struct place *place = find_place(places, name);
	if (place == NULL) {
		return err_set(err,
			"the service manager passed a socket named %s, expected partners, admin "
			"or control",
			log_escape(shown, sizeof(shown), str_from(name)));
	}
	if (place->socket->fd >= 0) {
		return err_set(err, "the service manager passed two sockets named %s, expected one",
			place->name);
	}
	if (!listener_socket_adopt(place->socket, fd, err)) {
		return err_prefix(
			err, "the socket named %s that the service manager passed", place->name);
	}
	if (place->is_local && !address_is_local(&place->socket->address)) {
		return err_set(err,
			"the socket named %s that the service manager passed listens on %s, "
			"expected a loopback address or a unix socket",
			place->name, address_format(&place->socket->address, address));
	}
	log_info("socket-passed", "name=%s address=%s instead_of=%s", place->name,
		address_format(&place->socket->address, address), place->setting);
	return true;
}

static bool take_all_passed(struct place places[PLACES], struct err *err)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);
	bool is_done = count >= 0 || err_set(err, "sd_listen_fds: %s", strerror(-count));
	for (int i = 0; i < count; i++) {
		is_done = is_done && take_passed(places, SD_LISTEN_FDS_START + i, names[i], err);
		free(names[i]);
	}
	free(names);
	return is_done;
}

static bool open_rest(struct place places[PLACES], struct err *err)
{
	for (int i = 0; i < PLACES; i++) {
		const struct place *place = &places[i];
		if (place->socket->fd < 0 && place->address[0] != '\0' &&
			!listener_socket_open(
				place->socket, place->address, place->backlog, UNIX_MODE, err)) {
			return err_prefix(err, "%s", place->setting);
		}
	}
	return true;
}

bool sockets_open(struct process *process, struct err *err)
{
	const struct conf *conf = process->generation->conf;
	struct place places[PLACES] = {
		[PLACE_PARTNERS] = {"partners", "listen.address", &process->partners,
			conf->listen_address, (int)conf->listen_backlog, false},
		[PLACE_ADMIN] = {"admin", "admin.address", &process->admin_socket,
			conf->admin_address, ADMIN_BACKLOG, true},
		[PLACE_CONTROL] = {"control", "control.path", &process->control_socket,
			conf->control_path, CONTROL_BACKLOG, true},
	};
	return take_all_passed(places, err) && open_rest(places, err);
}

void sockets_close(struct process *process)
{
	listener_socket_close(&process->partners);
	listener_socket_close(&process->admin_socket);
	listener_socket_close(&process->control_socket);
}
