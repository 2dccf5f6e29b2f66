# METADATA
# title: An input that every policy allows
# description: Tests change one thing of it and look at what is said.
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

ids(denials) := {denial.id | some denial in denials}

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
	"cost_per_million": 0.04,
	"hourly_cost": 0.1,
	"monthly_cost": null,
	"fleet": {"capacity": 1320, "hourly_cost": 0.2, "cost_per_million": 0.042, "gpus": {}},
}
