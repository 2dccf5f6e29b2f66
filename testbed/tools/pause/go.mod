module tuner/testbed/tools/pause

go 1.25.0
