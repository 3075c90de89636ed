/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_control: the control socket of the fake sandbox, as shims know it, well
 * and badly.  See fake_runsc.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"
#include "fake_sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HUGE_REPLY (2 << 20)

char *
control_in_json(const char *method, const char *s)
{
	char *result = join("{}");
	int code;

	if (strncmp(s, "err ", 4) == 0)
		return join("{\"success\":false,\"err\":%s,\"result\":null}",
		    quote(s + 4));
	s += 2;
	if (strcmp(method, "Wait") == 0) {
		code = atoi(s);
		result = join("%d", code > 128 ? code - 128 : code << 8);
	} else if (strcmp(method, "Processes") == 0) {
		*result = '\0';
		for (s++; *s != '\0'; s += strcspn(s, ","), s += *s == ',')
			result = join("%s%s{\"uid\":0,\"pid\":%d,\"ppid\":"
			    "0,\"cmd\":\"x\"}", result, *result != '\0' ? "," : "",
			    atoi(s));
		result = join("[%s]", result);
	} else if (strcmp(method, "ExecuteAsync") == 0 ||
	    strcmp(method, "WaitPID") == 0) {
		result = join("%s", s);
	}
	return join("{\"success\":true,\"err\":\"\",\"result\":%s}\n",
	    result);
}

/* The action of the first rule for the control socket and that method. */
static const char *
socket_fault(const char *method)
{
	const char *env = getenv("FAKE_RUNSC");
	char *text, *rule, *action, *save = NULL;

	text = env == NULL ? NULL : *env == '/' ? read_file(env) :
	    strdup(env);
	if (text == NULL)
		return "";
	keep(text);
	for (rule = strtok_r(text, ";\n", &save); rule != NULL;
	    rule = strtok_r(NULL, ";\n", &save)) {
		action = strchr(rule, ':');
		if (strncmp(rule, "socket", 6) != 0 || action == NULL)
			continue;
		*action++ = '\0';
		if (rule[6] == '\0' || strcmp(rule + 6, join("@%s",
		    method)) == 0)
			return action;
	}
	return "";
}

static void
serve_huge(int fd)
{
	char *s = malloc(HUGE_REPLY);

	if (s == NULL)
		abort();
	memset(s, '[', HUGE_REPLY);
	send(fd, s, HUGE_REPLY, MSG_NOSIGNAL);
	free(s);
}

/* What says of the request's members that it reads them, as Go does. */
static bool
serve_knows(struct client *c, const char *arg, const char *but)
{
	static const char *const names[] = {
		"PID", "envv", "wd", "KUID", "KGID", "ExtraKGIDs", "StdioIsPty",
		"PermittedCaps", "InheritableCaps", "EffectiveCaps",
		"BoundingCaps", "AmbientCaps", "GuestFDs", "SupportTTYs",
		"NoNewPrivileges",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(arg, join("\"%s\":{}", names[i])) != NULL &&
		    strcmp(names[i], but) != 0) {
			sandbox_answer(c->fd, "err json: cannot unmarshal "
			    "object into Go struct field ExecArgs.%s of type "
			    "x", names[i]);
			return true;
		}
	sandbox_answer(c->fd, "err container \"\" not found");
	return true;
}

/* A value's own text. */
static char *
raw(const char *p)
{
	return p == NULL ? join("[]") : join("%.*s", (int)(json_skip(p) - p),
	    p);
}

/* did: what to answer although it has been done, NULL for the truth. */
static bool
serve_execute(struct client *c, const char *arg, const int *fds, int nfds,
    const char *did)
{
	const char *argv = json_get(arg, "argv");
	struct proc *p;

	if (argv == NULL || nfds != 3 || *argv != '[' ||
	    *json_space(argv + 1) != '"') {
		sandbox_answer(c->fd, "err no filename or command provided");
		return true;
	}
	/* No terminal to control it: that is the stand-in's. */
	p = sandbox_run(c->fd, keep(json_string(json_get(arg,
	    "ContainerID"))), join("{\"args\":%s,\"env\":%s,\"cwd\":%s}",
	    raw(argv), raw(json_get(arg, "envv")), raw(json_get(arg, "wd"))),
	    fds, false);
	if (p == NULL)
		return true;
	p->kept = true;
	if (did == NULL)
		sandbox_answer(c->fd, "ok %ld", p->ipid);
	else if (strcmp(did, "close") == 0)
		return false;
	else if (strcmp(did, "hang") != 0)
		send(c->fd, did, strlen(did), MSG_NOSIGNAL);
	return true;
}

static void
serve_wait_pid(struct client *c, const char *arg)
{
	const char *cid = keep(json_string(json_get(arg, "CID")));
	const char *pid = json_get(arg, "PID");
	struct proc *p;

	for (p = procs; p < procs + nprocs; p++)
		if (p->cid != NULL && p->kept && pid != NULL && cid != NULL &&
		    p->ipid == atol(pid) && strcmp(p->cid, cid) == 0)
			break;
	if (p == procs + nprocs) {
		sandbox_answer(c->fd, "err waiting for PID %ld: no such "
		    "process", pid != NULL ? atol(pid) : 0);
	} else if (p->pid > 0) {
		c->waits_for = p;
	} else {
		sandbox_answer(c->fd, "ok %d", p->status);
		free(p->cid);
		p->cid = NULL;
	}
}

static void
serve_event(struct client *c, const char *cid)
{
	const char *s = join("{\"success\":true,\"err\":\"\",\"result\":{"
	    "\"event\":{\"type\":\"stats\",\"id\":%s,\"data\":{\"cpu\":{"
	    "\"usage\":{}},\"memory\":{\"usage\":{\"limit\":0,\"usage\":"
	    "2547712,\"failcnt\":0},\"swap\":{\"limit\":0,\"failcnt\":0},"
	    "\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{"
	    "\"limit\":0,\"failcnt\":0}},\"pids\":{\"current\":2}}},"
	    "\"containerUsage\":{%s:37028854434}}}", quote(cid), quote(cid));

	send(c->fd, s, strlen(s), MSG_NOSIGNAL);
}

static bool
serve_method(struct client *c, const char *arg, const int *fds, int nfds,
    const char *fault)
{
	char *cid = keep(json_string(arg));
	struct proc *init;

	if (strcmp(c->method, "Knows") == 0)
		return serve_knows(c, arg, strncmp(fault, "not=", 4) == 0 ?
		    fault + 4 : "");
	if (strcmp(c->method, "ExecuteAsync") == 0)
		return serve_execute(c, arg, fds, nfds,
		    strncmp(fault, "did=", 4) == 0 ? fault + 4 : NULL);
	if (strcmp(c->method, "WaitPID") == 0) {
		serve_wait_pid(c, arg);
	} else if (strcmp(c->method, "Event") == 0 && cid != NULL) {
		serve_event(c, cid);
	} else if (strcmp(c->method, "Signal") == 0) {
		sandbox_serve_kill(c->fd, keep(json_string(json_get(arg,
		    "CID"))), join("%d %d %d", atoi(json_get(arg, "Signo")),
		    atoi(json_get(arg, "Mode")), atoi(json_get(arg, "PID"))));
	} else if (strcmp(c->method, "Processes") == 0 && cid != NULL) {
		sandbox_serve_ps(c->fd, cid);
	} else if (strcmp(c->method, "Wait") == 0 && cid != NULL) {
		init = sandbox_find_init(cid);
		if (init == NULL)
			sandbox_answer(c->fd, "err container \"%s\" not "
			    "found", cid);
		else if (init->pid > 0)
			c->waits_for = init;
		else
			sandbox_answer(c->fd, "ok %d", init->code);
	} else {
		sandbox_answer(c->fd, "err unknown method");
	}
	return true;
}

/* Before or instead of an answer.  1: go on; 0: no answer; -1: close. */
static int
misbehave(struct client *c, const char *fault)
{
	if (strcmp(fault, "hang") == 0)
		return 0;
	if (strcmp(fault, "close") == 0)
		return -1;
	if (strcmp(fault, "half") == 0) {
		send(c->fd, "{\"success\":true,", 16, MSG_NOSIGNAL);
	} else if (strcmp(fault, "huge") == 0) {
		serve_huge(c->fd);
	} else if (strncmp(fault, "raw=", 4) == 0) {
		log_call(2, (char *[]){ NULL, join("raw@%s", c->method) });
		send(c->fd, fault + 4, strlen(fault + 4), MSG_NOSIGNAL);
	} else if (strncmp(fault, "fail=", 5) == 0) {
		sandbox_answer(c->fd, "err %s", fault + 5);
	} else if (strncmp(fault, "until=", 6) == 0) {
		while (access(fault + 6, F_OK) < 0)
			sleep_ms(2);
		return 1;
	} else {
		return 1;
	}
	return 0;
}

/* It fits into one read. */
bool
control_serve(struct client *c)
{
	static char buf[MSG_CAP];
	int fds[4], nfds, i, go;
	const char *arg, *fault, *p;
	char *method;
	ssize_t n = recv_fds(c->fd, buf, sizeof(buf), fds, &nfds);
	bool stays;

	if (n <= 0)
		return false;
	method = keep(json_string(json_get(buf, "method")));
	arg = json_get(buf, "arg");
	p = method != NULL ? strchr(method, '.') : NULL;
	free(c->method);
	c->method = strdup(p == NULL || arg == NULL ? "" :
	    strstr(arg, "\":{}") != NULL ? "Knows" : p + 1);
	fault = socket_fault(c->method);
	go = misbehave(c, fault);
	stays = go > 0 ? serve_method(c, arg, fds, nfds, fault) : go == 0;
	for (i = 0; i < nfds; i++)
		close(fds[i]);
	return stays;
}
