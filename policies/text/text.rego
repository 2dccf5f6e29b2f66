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

# A limit such as 1.25, written as 125 %.
percent(ratio) := _percent(round(ratio * 1000000))

# A measured ratio as people read it: three digits. All of them where three would put it on another side of a limit.
measured(ratio, limits) := _percent(rounded) if {
	exact := round(ratio * 1000000)
	rounded := _three_digits(exact)
	count({limit | some limit in limits; _crosses(exact, rounded, round(limit * 1000000))}) == 0
} else := percent(ratio)

_percent(scaled) := concat(" ", [_fixed(scaled, 10000, "%s%d.%04d"), "%"])

# Rounded to whole steps, half a step up: whole numbers only, see above.
_three_digits(scaled) := _signed(scaled, (size + half) - rest) if {
	size := abs(scaled)
	step := max({1} | {power | some power in [10, 100, 1000, 10000]; size >= power * 100})
	half := floor(step / 2)
	rest := (size + half) % step
}

_signed(scaled, size) := 0 - size if scaled < 0

_signed(scaled, size) := size if scaled >= 0

_crosses(exact, rounded, limit) if {
	exact < limit
	rounded >= limit
}

_crosses(exact, rounded, limit) if {
	exact > limit
	rounded <= limit
}

_crosses(exact, rounded, limit) if {
	exact == limit
	rounded != limit
}

_fixed(scaled, unit, layout) := trim_right(trim_right(text, "0"), ".") if {
	size := abs(scaled)
	rest := size % unit
	text := sprintf(layout, [_sign(scaled), (size - rest) / unit, rest])
}

_sign(value) := "-" if value < 0

_sign(value) := "" if value >= 0
