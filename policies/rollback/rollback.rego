# METADATA
# title: The way back
# description: >
#   Before something changes it is known how it is undone: which files are put back to which content, from which commit,
#   to an image that does not change meanwhile.
package tuner.policy.rollback

import data.tuner.reason

deny contains reason.denial("rollback.missing", "rollback", why, remedy) if {
	not _known
	why := "there is no plan for the way back"
	remedy := "name the commit and the files that undo the change"
}

deny contains reason.denial("rollback.file", "rollback.files", why, remedy) if {
	remedy := "change only files that are in the repository"
	_known
	some path in input.files
	not regex.match(`^sha256:[0-9a-f]{64}$`, object.get(input.rollback.files, path, ""))
	why := sprintf("it is not known what %s held before", [path])
}

deny contains reason.denial("rollback.image", "deployed.image", why, remedy) if {
	data.limits.image.pinned != false
	not contains(object.get(input, ["deployed", "image"], ""), "@sha256:")
	why := "what runs today is not pinned, so going back may start something else"
	remedy := "pin the deployed image by digest, in a commit of its own"
}

warn contains reason.warning("rollback.history", "rollback.history", why) if {
	input.rollback.history == 0
	why := "the workload keeps no earlier revision: only Git can bring it back"
}

_known if {
	regex.match(`^[0-9a-f]{40,64}$`, input.rollback.commit)
	count(input.rollback.files) > 0
}
