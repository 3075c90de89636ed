/* SPDX-License-Identifier: Apache-2.0 */
/* spec_rewrite: what becomes of config.json, to the byte. */
#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/spec.h"
#include "tests/suite.h"

#define CRI_ "\"io.kubernetes.cri."
#define SANDBOX CRI_ "container-type\":\"sandbox\"," CRI_ "sandbox-id\":\"p\""
#define SUB CRI_ "container-type\":\"container\"," CRI_ "sandbox-id\":\"p\""
#define LOGS CRI_ "sandbox-log-directory\":\"/var/log/pods/ns_pod_uid1\""
#define HINT_ "\"dev.gvisor.spec.mount."
#define EMPTY "kubernetes.io~empty-dir"

static struct err err;
static char dir[] = "/tmp/spec-test.XXXXXX";
static char file[64];
static char out[16384];
static bool limits, unified;
static const char *etc;
static bool (*lives)(const void *arg, const char *sandbox_id);

static char *text(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static char *
text(const char *format, ...)
{
	static char bufs[8][4096];
	static unsigned i;
	char *buf = bufs[i++ % 8];
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf, sizeof(bufs[0]), format, ap);
	va_end(ap);
	return buf;
}

static void
make(const char *path)
{
	char all[256], *p;

	snprintf(all, sizeof(all), "%s/%s/", dir, path);
	for (p = all + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(all, 0700);
		*p = '/';
	}
}

static void
setup(void)
{
	memset(&err, 0, sizeof(err));
	limits = true;
	unified = false;
	etc = NULL;
	lives = NULL;
	make("pods/uid1/volumes/" EMPTY "/cache");
	make("pods/uid1/volumes/" EMPTY "/full/x");
	make("pods/uid1/volumes/kubernetes.io~csi/data");
	make("pods/uid1/volumes/" EMPTY "/twice");
	make("pods/uid1/volumes/kubernetes.io~csi/twice");
}

static void
teardown(void)
{
	ck_assert_int_eq(system(text("rm -rf %s/*", dir)), 0);
}

static int
rewrite(const char *json)
{
	struct spec s;
	FILE *f = fopen(file, "w");
	size_t n;
	int rc;

	ck_assert_ptr_nonnull(f);
	fputs(json, f);
	fclose(f);
	ck_assert_msg(spec_read(&s, dir, &err) == 0, "%s", err.msg);
	s.unified = unified;
	s.etc = etc;
	s.lives = lives;
	rc = spec_rewrite(&s, dir, dir, limits, &err);
	spec_free(&s);
	f = fopen(file, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	fclose(f);
	out[n] = '\0';
	return rc;
}

/* json with linux.resources, which are always there: what a test says where
 * it is about something else. */
static const char *
with_resources(const char *json)
{
	static const char empty[] = "\"resources\":{}";
	const char *linux_ = strstr(json, "\"linux\":{"), *end;
	static char made[65536];

	if (strstr(json, "\"resources\""))
		return json;
	end = linux_ ? strchr(linux_, '}') : strrchr(json, '}');
	ck_assert_ptr_nonnull(end);
	snprintf(made, sizeof(made), linux_ ? "%.*s%s%s%s" :
	    "%.*s%s\"linux\":{%s}%s", (int)(end - json), json,
	    end[-1] == '{' ? "" : ",", empty, end);
	return made;
}

static void
becomes(const char *before, const char *after)
{
	ck_assert_msg(rewrite(before) == 0, "%s: %s", before, err.msg);
	ck_assert_str_eq(out, with_resources(after));
}

static void
stays(const char *json)
{
	becomes(json, json);
}

START_TEST(nothing_to_do)
{
	struct stat before, after;

	stays("{}");
	stays(" { \"annotations\" : null, \"mounts\":null,\"x\": 1e400}\n");
	stays("{\"annotations\":{" SANDBOX "," LOGS "},\"mounts\":[],"
	    "\"linux\":{\"cgroupsPath\":\"/a/b\",\"resources\":{}}}");
	/* No pod: Docker binds a directory there, which stays. */
	stays("{\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"bind\","
	    "\"source\":\"/s\",\"options\":[\"rbind\"]}]}");
	/* Strange members are neither read nor lost. */
	stays("{\"annotations\":{" SANDBOX "},\"mounts\":{\"a\":1}}");
	stays("{\"annotations\":{" SUB ",\"a\":7},\"mounts\":[1,null,[]]}");
	ck_assert_int_eq(stat(file, &before), 0);
	ck_assert_int_eq(rewrite(out), 0);
	ck_assert_int_eq(stat(file, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

#define SHM_BIND "{\"destination\":\"/dev/shm\",\"type\":\"bind\"," \
	"\"source\":\"/s\",\"options\":[\"rbind\",\"ro\",\"bind\"]}"
#define SHM_TMPFS "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\"," \
	"\"source\":\"/s\",\"options\":[\"ro\"]}"

START_TEST(dev_shm)
{
	becomes("{\"annotations\":{" SANDBOX "},\"mounts\":[" SHM_BIND "]}",
	    "{\"annotations\":{" SANDBOX ","
	    HINT_ "gvisorinternaldevshm.options\":\"rw\","
	    HINT_ "gvisorinternaldevshm.share\":\"pod\","
	    HINT_ "gvisorinternaldevshm.source\":\"/s\","
	    HINT_ "gvisorinternaldevshm.type\":\"tmpfs\"},"
	    "\"mounts\":[" SHM_TMPFS "]}");
	stays(text("%s", out));
	/* Nor is it looked for among a pod's volumes when Create comes again. */
	ck_assert_int_eq(rewrite("{\"annotations\":{" SANDBOX "," LOGS
	    "},\"mounts\":[" SHM_BIND "]}"), 0);
	ck_assert_ptr_nonnull(strstr(out, "gvisorinternaldevshm.type"));
	stays(text("%s", out));
	/* The one that was a tmpfs before goes. */
	becomes("{\"annotations\":{" SUB "},\"mounts\":[{\"destination\":"
	    "\"/dev/shm\",\"type\":\"tmpfs\"}, " SHM_BIND "]}",
	    "{\"annotations\":{" SUB "},\"mounts\":[" SHM_TMPFS "]}");
}
END_TEST

START_TEST(sandbox_volumes)
{
	becomes(text("{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "cache.type\":\"bind\"," HINT_ "full.type\":\"tmpfs\","
	    HINT_ "data.type\":\"bind\"," HINT_ "a/b.type\":\"bind\"}}"),
	    text("{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "cache.type\":\"tmpfs\"," HINT_ "full.type\":\"bind\","
	    HINT_ "data.type\":\"bind\"," HINT_ "a/b.type\":\"bind\","
	    HINT_ "cache.source\":\"%s/pods/uid1/volumes/" EMPTY "/cache\","
	    HINT_ "data.source\":\"%s/pods/uid1/volumes/kubernetes.io~csi/data\","
	    HINT_ "full.share\":\"shared\","
	    HINT_ "full.source\":\"%s/pods/uid1/volumes/" EMPTY "/full\"}}",
	    dir, dir, dir));
	/* What runsc keeps a tmpfs in is not content. */
	make("pods/uid1/volumes/" EMPTY "/cache/.gvisor.filestore.1");
	ck_assert_int_eq(rewrite("{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "cache.type\":\"bind\"}}"), 0);
	ck_assert_ptr_nonnull(strstr(out, "cache.type\":\"tmpfs\""));
	/* No log directory, or one of another form: it cannot be told. */
	stays("{\"annotations\":{" SANDBOX "," HINT_ "cache.type\":\"bind\"}}");
	stays("{\"annotations\":{" SANDBOX "," CRI_ "sandbox-log-directory\":"
	    "\"/l/a_b\"," HINT_ "cache.type\":\"bind\"}}");
	stays("{\"annotations\":{" SANDBOX "," CRI_ "sandbox-log-directory\":"
	    "\"/l/a_b_..\"," HINT_ "cache.type\":\"bind\"}}");
}
END_TEST

static int asked;

static bool
lives_not(const void *arg, const char *sandbox_id)
{
	(void)arg;
	(void)sandbox_id;
	asked++;
	return false;
}

/* Files that are named as runsc's of sandboxes that live no more go; a container
 * may have made any number of them. */
START_TEST(many_stores)
{
	static const char json[] = "{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "cache.type\":\"bind\"}}";
	int i, fd, times = 0;

	lives = lives_not;
	for (i = 0; i < 1000; i++) {
		fd = open(text("%s/pods/uid1/volumes/" EMPTY "/cache/"
		    ".gvisor.filestore.%d", dir, i), O_CREAT | O_WRONLY, 0600);
		ck_assert_int_ge(fd, 0);
		close(fd);
	}
	do {
		asked = 0;
		ck_assert_int_eq(rewrite(json), 0);
		ck_assert_int_lt(asked, 500);
		times++;
	} while (!strstr(out, "cache.type\":\"tmpfs\""));
	ck_assert_int_gt(times, 2);
	ck_assert_int_eq(rmdir(text("%s/pods/uid1/volumes/" EMPTY "/cache",
	    dir)), 0);
}
END_TEST

START_TEST(forced_volumes)
{
	static const struct { const char *say; bool bind; } v[] = {
		{ "true", true }, { "1", true }, { "T", true },
		{ "false", false }, { "0", false }, { "yes", false },
		{ "", false }, { "rue", false },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		ck_assert_int_eq(rewrite(text("{\"annotations\":{" SANDBOX ","
		    LOGS "," HINT_ "cache.type\":\"x\",\"dev.gvisor.empty-dir."
		    "cache.force-shared\":\"%s\"}}", v[i].say)), 0);
		ck_assert_ptr_nonnull(strstr(out, v[i].bind ?
		    "cache.type\":\"bind\"" : "cache.type\":\"tmpfs\""));
	}
}
END_TEST

START_TEST(missing_volume)
{
	ck_assert_int_lt(rewrite("{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "none.type\":\"bind\"}}"), 0);
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "volume none"));
	ck_assert_ptr_nonnull(strstr(err.msg, "config.json"));
	ck_assert_int_lt(rewrite("{\"annotations\":{" SANDBOX "," LOGS ","
	    HINT_ "twice.type\":\"bind\"}}"), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "2 directories"));
}
END_TEST

START_TEST(sub_volumes)
{
	static const char mount[] = "{\"source\":\"%s/pods/uid1/volumes/"
	    EMPTY "/%s\",\"type\":\"%s\",\"options\":[%s\"rw\"]}";
	char a[512], b[512], c[512];

	snprintf(a, sizeof(a), mount, dir, "cache", "bind", "\"rbind\",");
	snprintf(b, sizeof(b), mount, dir, "cache", "tmpfs", "");
	snprintf(c, sizeof(c), mount, dir, "cache/sub", "bind", "\"rbind\",");
	becomes(text("{\"annotations\":{" SUB "," HINT_ "cache.type\":"
	    "\"tmpfs\"},\"mounts\":[%s,%s]}", a, c),
	    text("{\"annotations\":{" SUB "," HINT_ "cache.type\":"
	    "\"tmpfs\"},\"mounts\":[%s,%s]}", b, c));
	/* One that holds something stays what it is. */
	snprintf(a, sizeof(a), mount, dir, "full", "bind", "\"rbind\",");
	stays(text("{\"annotations\":{" SUB "," HINT_ "full.type\":\"tmpfs\"},"
	    "\"mounts\":[%s]}", a));
}
END_TEST

/* Paths as kubelets make them, with cgroupfs and with systemd, and others. */
START_TEST(cgroup_parent)
{
#define UID "0d7e3f2a-8b1c-4d5e-9f60-1a2b3c4d5e6f"
#define UID_ "0d7e3f2a_8b1c_4d5e_9f60_1a2b3c4d5e6f"
#define SLICE "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
	static const struct { const char *path, *parent; } v[] = {
		{ "/kubepods/burstable/pod12/c1", "/kubepods/burstable/pod12" },
		{ "/kubepods/pod" UID "/c1", "/kubepods/pod" UID },
		{ "kubepods/podx/pod12/c1", "kubepods/podx/pod12" },
		{ "/kubepods/pod5d41402abc4b2a76b9719d911017c592/c1",
		  "/kubepods/pod5d41402abc4b2a76b9719d911017c592" },
		{ "/pod1/podman/pods/c1", "/pod1" },
		{ SLICE UID_ ".slice/c1", SLICE UID_ ".slice" },
		{ "/kubepods.slice/kubepods-pod1.slice/c1",
		  "/kubepods.slice/kubepods-pod1.slice" },
		{ "/pod12/pod3", "/pod12" },
		{ "/kubepods/pod12", NULL }, { "/a/b", NULL },
		{ SLICE UID_ ".slice", NULL },
		{ "kubelet-pod1.slice:cri-containerd:c1", NULL },
		{ "/pods/b", NULL }, { "/podman/b", NULL },
		{ "/pod/b", NULL }, { "/podcafe/b", NULL },
		{ "/pod12x/b", NULL }, { "/a-pod12/b", NULL },
		{ "/a-pod.slice/b", NULL }, { "/pod1.slice/b", NULL },
		{ "/a-pods1.slice/b", NULL }, { "/machine.slice/b", NULL },
		{ "/.slice/-pod/b", NULL }, { "/po/d1/b", NULL },
	};
	char linux_[256];
	const char *pod;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(linux_, sizeof(linux_), "\"linux\":{\"cgroupsPath\":"
		    "\"%s\"}", v[i].path);
		pod = text("{\"annotations\":{" SANDBOX "},%s}", linux_);
		if (v[i].parent)
			becomes(pod, text("{\"annotations\":{" SANDBOX ",\"dev."
			    "gvisor.spec.cgroup-parent\":\"%s\"},%s}",
			    v[i].parent, linux_));
		else
			stays(pod);
		/* Version 2's take no process with others below. */
		unified = true;
		stays(pod);
		/* What the pod's author has written there is nobody's word. */
		becomes(text("{\"annotations\":{" SANDBOX ",\"dev.gvisor.spec."
		    "cgroup-parent\":\"/\"},%s}", linux_), pod);
		unified = false;
		/* Whatever its path, a container that is no pod's root. */
		stays(text("{\"annotations\":{" SUB "},%s}", linux_));
		stays(text("{\"annotations\":{" CRI_ "container-type\":"
		    "\"other\"},%s}", linux_));
		stays(text("{%s}", linux_));
	}
}
END_TEST

#define LIMITS CRI_ "sandbox-cpu-period\":\"100000\"," \
	CRI_ "sandbox-cpu-quota\":\"50000\"," \
	CRI_ "sandbox-cpu-shares\":\"512\"," \
	CRI_ "sandbox-memory\":\"9007199254740993\""

START_TEST(annotated_limits)
{
	static const char all[] = "\"cpu\":{\"period\":100000,\"quota\":50000,"
	    "\"shares\":512},\"memory\":{\"limit\":9007199254740993}";

	becomes("{\"annotations\":{" LIMITS "},\"linux\":{}}", text(
	    "{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":{%s}}}",
	    all));
	becomes("{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":{}}}",
	    text("{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":"
	    "{%s}}}", all));
	/* What the spec says counts, but for containerd's own filler. */
	becomes("{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":{"
	    "\"cpu\":{\"shares\":2,\"quota\":7},\"memory\":{\"limit\":1}}}}",
	    "{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":{"
	    "\"cpu\":{\"shares\":512,\"quota\":7,\"period\":100000},"
	    "\"memory\":{\"limit\":1}}}}");
	/* No limit is given as 0; other nonsense is none either. */
	stays("{\"annotations\":{" CRI_ "sandbox-memory\":\"0\","
	    CRI_ "sandbox-cpu-quota\":\"-1\"," CRI_ "sandbox-cpu-period\":"
	    "\"1e5\"," CRI_ "sandbox-cpu-shares\":12},\"linux\":{}}");
	stays("{\"annotations\":{" SUB "," LIMITS "},\"linux\":{}}");
	/* A kubelet's pod has them in its own cgroup, with its overhead; and
	 * none where one of its containers has none. */
	unified = true;
	stays(text("{\"annotations\":{" SANDBOX "," LIMITS "},\"linux\":"
	    "{\"cgroupsPath\":\"/kubepods/pod12-ab/c\"}}"));
	stays(text("{\"annotations\":{" SANDBOX "," LIMITS "},\"linux\":"
	    "{\"cgroupsPath\":\"kubepods-pod12_ab.slice:cri:c\"}}"));
	unified = false;
	limits = false;
	stays("{\"annotations\":{" LIMITS "},\"linux\":{}}");
}
END_TEST

/* `runsc update` crashes without them. */
START_TEST(resources_are_there)
{
	becomes("{\"linux\":null}", "{\"linux\":{\"resources\":{}}}");
	becomes("{\"linux\":{\"resources\":null}}",
	    "{\"linux\":{\"resources\":{}}}");
	becomes("{\"annotations\":{" LIMITS "}}", text("{\"annotations\":{"
	    LIMITS "},\"linux\":{\"resources\":{\"cpu\":{\"period\":100000,"
	    "\"quota\":50000,\"shares\":512},\"memory\":{\"limit\":"
	    "9007199254740993}}}}"));
	becomes("{\"annotations\":{" SUB "," LIMITS "}}", "{\"annotations\":{"
	    SUB "," LIMITS "},\"linux\":{\"resources\":{}}}");
	stays("{\"linux\":{\"resources\":{\"pids\":{\"limit\":7}}}}");
}
END_TEST

#define ON_ETC(name, how) "{\"destination\":\"/etc/" name "\",\"type\":" \
	"\"bind\",\"source\":\"%s/pod/" name "\",\"options\":[\"rbind\"," \
	"\"rprivate\",\"" how "\"]}"

/* What the pod's bundle has of the three, where nothing is mounted yet. */
/* What cannot be changed, whatever memory there is. */
START_TEST(wrong_types)
{
	static const char *const texts[] = {
		"{\"annotations\":{" SANDBOX "},\"linux\":{\"resources\":7}}",
		"{\"annotations\":{" SANDBOX "},\"linux\":{\"resources\":"
		    "{\"memory\":[]}}}",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(rewrite(text("%.*s," CRI_ "sandbox-memory\":"
		    "\"1048576\"%s", (int)(strchr(texts[i], '}') - texts[i]),
		    texts[i], strchr(texts[i], '}'))), -1);
		ck_assert_msg(err.code == ERR_INVALID, "%s", err.msg);
		ck_assert_ptr_nonnull(strstr(err.msg, "wrong type"));
	}
}
END_TEST

START_TEST(files_of_the_pod)
{
	static const char hosts[] = "{\"destination\":\"/etc/hosts\"}";

	stays("{\"mounts\":[]}");
	etc = text("%s/pod", dir);
	stays("{\"mounts\":[]}");
	make("pod/hosts/x");
	make("pod/resolv.conf/x");
	becomes("{\"mounts\":[]}", text("{\"mounts\":[" ON_ETC("hosts", "rw")
	    "," ON_ETC("resolv.conf", "rw") "]}", dir, dir));
	becomes(text("{\"mounts\":[%s],\"root\":{\"readonly\":true}}", hosts),
	    text("{\"mounts\":[%s," ON_ETC("resolv.conf", "ro")
	    "],\"root\":{\"readonly\":true}}", hosts, dir));
	/* Again, after a Create that failed. */
	ck_assert_int_eq(rewrite(strcpy(text("x"), out)), 0);
	ck_assert_ptr_eq(strstr(strstr(out, "resolv") + 20, "/etc/resolv"),
	    NULL);
	/* Beside a mount that goes. */
	becomes("{\"annotations\":{" SUB "},\"mounts\":[{\"destination\":"
	    "\"/dev/shm\",\"type\":\"bind\",\"source\":\"/s\"},"
	    "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\"}]}",
	    text("{\"annotations\":{" SUB "},\"mounts\":[{\"destination\":"
	    "\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"/s\"},"
	    ON_ETC("hosts", "rw") "," ON_ETC("resolv.conf", "rw") "]}", dir,
	    dir));
	stays("{}");
}
END_TEST

START_TEST(mode_stays)
{
	struct stat st;

	ck_assert_int_eq(chmod(file, 0640), 0);
	becomes("{\"annotations\":{" LIMITS "},\"linux\":{}}", text(
	    "{\"annotations\":{" LIMITS "},\"linux\":{\"resources\":{"
	    "\"cpu\":{\"period\":100000,\"quota\":50000,\"shares\":512},"
	    "\"memory\":{\"limit\":9007199254740993}}}}"));
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(system(text("test $(ls %s | wc -l) = 2", dir)), 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, mode_stays, nothing_to_do, dev_shm, sandbox_volumes,
	    many_stores, wrong_types, forced_volumes, missing_volume, sub_volumes, cgroup_parent,
	    annotated_limits, resources_are_there, files_of_the_pod);
}

int
main(void)
{
	FILE *f;
	int failed;

	if (!mkdtemp(dir)) {
		perror(dir);
		return EXIT_FAILURE;
	}
	snprintf(file, sizeof(file), "%s/config.json", dir);
	f = fopen(file, "w");
	if (f)
		fclose(f);
	failed = suite_run("spec_rewrite", setup, teardown, add);
	rmdir(dir);
	return failed;
}
