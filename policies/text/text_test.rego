package tuner.text_test

import data.tuner.text

test_numbers_are_written_with_the_decimals_they_have if {
	text.number(0) == "0"
	text.number(10) == "10"
	text.number(0.5) == "0.5"
	text.number(61.25) == "61.25"
	text.number(523.000001) == "523.000001"
	text.number(1000000) == "1000000"
	text.number(-1.5) == "-1.5"
}

test_seconds_are_written_as_milliseconds if {
	text.milliseconds(0.05) == "50 ms"
	text.milliseconds(0.06125) == "61.25 ms"
	text.milliseconds(0.000001) == "0.001 ms"
	text.milliseconds(2) == "2000 ms"
}

test_ratios_are_written_as_percent if {
	text.percent(1.1) == "110 %"
	text.percent(0.955) == "95.5 %"
	text.percent(0) == "0 %"
	text.percent(0.000001) == "0.0001 %"
}
