# METADATA
# title: Reasons
# description: >
#   What a policy says: the id of the rule, what is against it (reason), where in the input that lies (path), and what
#   would make it pass (remedy). msg is all of it in one sentence; conftest prints it.
package tuner.reason

denial(id, path, reason, remedy) := {
	"id": id,
	"severity": "deny",
	"path": path,
	"reason": reason,
	"remedy": remedy,
	"msg": concat(": ", [reason, remedy]),
}

warning(id, path, reason) := {"id": id, "severity": "warn", "path": path, "reason": reason, "msg": reason}
