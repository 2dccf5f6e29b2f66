# METADATA
# title: Inputs that every policy allows
# description: Tests change one thing of them and look at what is said.
package tuner.fixture_test

good := {
	"service": "orientation",
	"labels": {},
	"slo": {"p99": 0.05},
	"slo_error_rate": null,
	"currency": "USD",
	"compared_load": 450.5,
	"expected_load": null,
	"confidence": 0.95,
	"trials": 20,
	"blocks": 6,
	"changes": ["instances", "batch"],
	"ratio": {"value": 1.5, "low": 1.4, "high": 1.6},
	"quota": [],
	"template": null,
	"waivers": [],
	"files": ["configs/orientation/deployment.yaml"],
	"rollback": {"commit": _commit, "files": {"configs/orientation/deployment.yaml": _digest}, "history": 10},
	"deployed": _workload,
	"baseline": _side,
	"candidate": _side,
	"relative": {
		"capacity": 1.4,
		"expected_load": null,
		"hourly_cost": 1,
		"monthly_cost": null,
		"replicas": 1,
		"cpu": 1,
		"memory": 1,
		"gpus": null,
	},
}

# The good input with other things in some places; null stays null.
but(changes) := object.union(good, changes)

start := {
	"service": "orientation",
	"team": "vision",
	"engine": "triton",
	"image": _workload.image,
	"currency": "USD",
	"trials": 40,
	"wall_clock": 3600,
	"money": 0.5,
	"gpus": {},
	"products": [""],
	"time": {"date": "2026-03-02", "weekday": 1, "hour": 12.5},
	"waivers": [],
}

start_but(changes) := object.union(start, changes)

rollout := {
	"service": "orientation",
	"steps": [
		{"weight": 10, "pause": 300, "analyses": ["latency"]},
		{"weight": 50, "pause": 300, "analyses": []},
	],
	"analyses": [],
	"templates": ["latency"],
	"surge": 1,
	"gpus": {},
	"product": null,
	"quota": [],
	"waivers": [],
	"files": ["configs/orientation/rollout.yaml"],
	"deployed": _workload,
	"rollback": {"commit": _commit, "files": {"configs/orientation/rollout.yaml": _digest}, "history": 10},
}

rollout_but(changes) := object.union(rollout, changes)

ids(denials) := {denial.id | some denial in denials}

_commit := concat("", ["b" | some _ in numbers.range(1, 40)])

_digest := concat("", ["sha256:", concat("", ["c" | some _ in numbers.range(1, 64)])])

_workload := {
	"image": concat("", ["nvcr.io/nvidia/tritonserver@sha256:", concat("", ["a" | numbers.range(1, 64)[_]])]),
	"resources": {"cpu": 2, "memory": 4294967296, "gpus": {}},
	"replicas": 2,
}

_side := {
	"workload": _workload,
	"product": null,
	"capacity": {"value": 700, "low": 660, "high": 740},
	"latency": {"p99": 0.03},
	"latency_interval": {"p99": {"value": 0.03, "low": 0.028, "high": 0.034}},
	"error_rate": 0,
	"error_rate_interval": {"value": 0, "low": 0, "high": 0.002},
	"cost_per_million": 0.04,
	"hourly_cost": 0.1,
	"monthly_cost": null,
	"fleet": {"capacity": 1320, "hourly_cost": 0.2, "cost_per_million": 0.042, "gpus": {}},
}
