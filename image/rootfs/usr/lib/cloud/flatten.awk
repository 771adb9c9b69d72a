# Flattens JSON: one line "path<TAB>value" for each scalar, as in "public_keys/mykey<TAB>ssh-ed25519 AAAA".
# Line breaks and tabs within a value become spaces.
{ text = text $0 "\n" }
END { value("") }

# value reads one value at the start of text and prints its scalars.
function value(path,    i, key) {
	blank()
	if (take("{")) {
		while (blank() && !take("}")) {
			key = string()
			blank()
			take(":")
			value(path == "" ? key : path "/" key)
			blank()
			if (!take(",") && text !~ /^}/) exit 1
		}
	} else if (take("[")) {
		for (i = 0; blank() && !take("]"); i++) {
			value(path == "" ? i : path "/" i)
			blank()
			if (!take(",") && text !~ /^\]/) exit 1
		}
	} else if (text ~ /^"/) {
		print path "\t" string()
	} else if (match(text, /^[-+.0-9a-zA-Z]+/)) {
		print path "\t" substr(text, 1, RLENGTH)
		text = substr(text, RLENGTH + 1)
	} else exit 1
}

# string reads a string and its escapes.
function string(    out, c) {
	if (!take("\"")) exit 1
	for (;;) {
		match(text, /^[^"\\]*/)
		out = out substr(text, 1, RLENGTH)
		text = substr(text, RLENGTH + 1)
		if (text == "" || take("\"")) break
		c = substr(text, 2, 1)
		if (c == "u") {
			out = out unicode(substr(text, 3, 4))
			text = substr(text, 7)
			continue
		}
		out = out (index("nrtbf", c) ? " " : c)
		text = substr(text, 3)
	}
	gsub(/[\n\r\t]/, " ", out)
	return out
}

# unicode turns four hexadecimal digits into a character; only ASCII is needed here.
function unicode(digits,    i, code) {
	for (i = 1; i <= 4; i++) code = code * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
	return code >= 32 && code < 127 ? sprintf("%c", code) : "?"
}

# take removes a mark from the start of text and tells whether it was there.
function take(mark) {
	if (substr(text, 1, 1) != mark) return 0
	text = substr(text, 2)
	return 1
}

# blank removes white space and tells whether anything is left.
function blank() {
	sub(/^[ \t\r\n]+/, "", text)
	return text != ""
}
