# METADATA
# title: Numbers in messages
# description: >
#   One spelling on every engine: whole numbers only are printed, so that nothing depends on how an engine rounds.
#   Numbers have at most six decimals, see the input document.
package tuner.text

# A number with as many of its six decimals as it has.
number(value) := _fixed(round(value * 1000000), 1000000, "%s%d.%06d")

# Seconds, written as milliseconds.
milliseconds(seconds) := concat(" ", [_fixed(round(seconds * 1000000), 1000, "%s%d.%03d"), "ms"])

# A ratio such as 1.25, written as 125 %.
percent(ratio) := concat(" ", [_fixed(round(ratio * 1000000), 10000, "%s%d.%04d"), "%"])

_fixed(scaled, unit, layout) := trim_right(trim_right(text, "0"), ".") if {
	size := abs(scaled)
	rest := size % unit
	text := sprintf(layout, [_sign(scaled), (size - rest) / unit, rest])
}

_sign(value) := "-" if value < 0

_sign(value) := "" if value >= 0
