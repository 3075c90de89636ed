/* SPDX-License-Identifier: Apache-2.0 */
/* caps: see spec.h. */
#include "conf/spec.h"

#include <string.h>

#include "json.h"

/* In the order of their numbers (linux/capability.h). */
static const char names[] =
	"CHOWN\0DAC_OVERRIDE\0DAC_READ_SEARCH\0FOWNER\0FSETID\0KILL\0SETGID\0"
	"SETUID\0SETPCAP\0LINUX_IMMUTABLE\0NET_BIND_SERVICE\0NET_BROADCAST\0"
	"NET_ADMIN\0NET_RAW\0IPC_LOCK\0IPC_OWNER\0SYS_MODULE\0SYS_RAWIO\0"
	"SYS_CHROOT\0SYS_PTRACE\0SYS_PACCT\0SYS_ADMIN\0SYS_BOOT\0SYS_NICE\0"
	"SYS_RESOURCE\0SYS_TIME\0SYS_TTY_CONFIG\0MKNOD\0LEASE\0AUDIT_WRITE\0"
	"AUDIT_CONTROL\0SETFCAP\0MAC_OVERRIDE\0MAC_ADMIN\0SYSLOG\0WAKE_ALARM\0"
	"BLOCK_SUSPEND\0AUDIT_READ\0PERFMON\0BPF\0CHECKPOINT_RESTORE\0";

const char caps_keys[] = "permitted\0inheritable\0effective\0bounding\0"
	"ambient\0";

/* The bit of a name; 0 for one that nobody knows. */
static uint64_t
bit_of(const struct json *j, int tok)
{
	char text[32];
	uint64_t bit = 1;
	const char *p;

	if (json_str(j, tok, text, sizeof(text)) < 4 ||
	    memcmp(text, "CAP_", 4) != 0)
		return 0;
	for (p = names; *p; p += strlen(p) + 1, bit <<= 1) {
		if (strcmp(p, text + 4) == 0)
			return bit;
	}
	return 0;
}

bool
caps_read(const struct json *j, int obj, uint64_t sets[CAPS_SETS])
{
	int caps = json_get(j, obj, "capabilities"), list, tok, i;
	const char *key = caps_keys;
	uint64_t bit;

	memset(sets, 0, CAPS_SETS * sizeof(*sets));
	for (i = 0; i < CAPS_SETS; i++, key += strlen(key) + 1) {
		list = json_get(j, caps, key);
		if (list >= 0 && j->toks[list].type != JSON_ARRAY &&
		    j->toks[list].type != JSON_NULL)
			return false;
		for (tok = json_first(j, list); tok >= 0;
		    tok = json_next(j, list, tok)) {
			bit = bit_of(j, tok);
			if (!bit)
				return false;
			sets[i] |= bit;
		}
	}
	return true;
}
