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
	text.percent(1.125) == "112.5 %"
}

test_measured_ratios_have_three_digits if {
	text.measured(0.983333, []) == "98.3 %"
	text.measured(1.766667, [1]) == "177 %"
	text.measured(12.3456, []) == "1235 %"
	text.measured(0.9996, []) == "100 %"
	text.measured(0.012345, []) == "1.23 %"
	text.measured(0.001239, []) == "0.124 %"
	text.measured(0.000123, []) == "0.0123 %"
	text.measured(0.000001, []) == "0.0001 %"
	text.measured(0, []) == "0 %"
	text.measured(-0.983333, []) == "-98.3 %"
}

test_no_digit_is_left_out_that_decides if {
	text.measured(0.899976, [0.9]) == "89.9976 %"
	text.measured(1.100049, [1.1]) == "110.0049 %"
	text.measured(1.124, [1.125]) == "112 %"
	text.measured(1.1249, [1.125]) == "112 %"
	text.measured(1.1251, [1.125]) == "113 %"
	text.measured(1.125, [1.125]) == "112.5 %"
	text.measured(2.00001, [0.5, 2]) == "200.001 %"
}
