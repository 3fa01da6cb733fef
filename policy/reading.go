package policy

import "strings"

// maxStrange bounds a path of which there are other readings, as up to
// 2^len(readers) of them are made and matched.
const maxStrange = 2048

// OtherReadings returns what servers and apps may make of a path, as
// NormalizePath gave it, besides the path itself. It is nil for nearly every
// path. Decide heeds them all.
func OtherReadings(path string) []string {
	if !strange(path) {
		return nil
	}
	readings := []string{path}
	// In the order in which a server that did all of it would.
	for _, read := range [...]func(string) string{decodeAgain, cutMarks, decodeSlashes, cutParameters, trimTails, mergeSlashes} {
		for _, r := range readings { // those before this step
			if other := read(r); other != r {
				readings = append(readings, other)
			}
		}
	}
	for i := range readings {
		readings[i] = climb(readings[i])
	}
	return readings[1:]
}

// strange reports whether a reader could change path. It may be wrong in saying
// so, never in denying it.
func strange(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case ';':
			return true
		case '/':
			if i > 0 && (path[i-1] == '/' || path[i-1] == '.') {
				return true
			}
		case ':':
			if strings.HasPrefix(path[i:], "::") {
				return true
			}
		case '%':
			if i+3 <= len(path) && strings.Contains(" 20 23 25 2F 3F C0 C1 E0 EF F0 ", path[i+1:i+3]) {
				return true
			}
		}
	}
	return strings.HasSuffix(path, ".")
}

// readingsOf gives what a path is to be matched as: itself, and its other
// readings.
func readingsOf(path string, foldCase bool) (itself string, others []string) {
	others = OtherReadings(path)
	if foldCase {
		path = foldPath(path)
		for i := range others { // letters may have come out of "%2541" only now
			others[i] = foldPath(others[i])
		}
	}
	return path, others
}

// cutMarks ends a path at an encoded "?" or "#": Apache before 2.4.60 ran
// admin.php for "/admin.php%3F.css" (CVE-2024-38473), and whoever decodes an
// address before taking it apart does it still. At a NUL, which is there only
// after decoding again, PHP before 5.3.4 ended the names of files.
func cutMarks(path string) string {
	for i := 0; i+3 <= len(path); i++ {
		if path[i] == '%' && strings.Contains("%3F %23 %00", path[i:i+3]) {
			return path[:max(i, 1)]
		}
	}
	return path
}

func decodeSlashes(path string) string { return strings.ReplaceAll(path, "%2F", "/") }

// cutParameters removes ";x" from each segment, as servlet containers do.
func cutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	return eachSegment(path, func(segment string) string {
		name, _, _ := strings.Cut(segment, ";")
		return name
	})
}

// trimTails makes of each segment what Windows makes of a file's name: without
// spaces and dots at its end, and without the name of a stream ("x::$DATA").
// Of dots and spaces alone ("..." and ".. ") it takes ".." to be meant.
func trimTails(path string) string {
	return eachSegment(path, func(segment string) string {
		name, _, _ := strings.Cut(segment, "::")
		for trimmed := true; trimmed; {
			before := name
			name = strings.TrimRight(strings.TrimSuffix(name, "%20"), ".")
			trimmed = name != before
		}
		if name == "" && strings.HasPrefix(segment, "..") {
			return ".."
		}
		return name
	})
}

// mergeSlashes makes one slash of several, as Apache and nginx do.
func mergeSlashes(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	var out strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			out.WriteByte(path[i])
		}
	}
	return out.String()
}

// eachSegment gives path with each segment changed.
func eachSegment(path string, change func(string) string) string {
	var out strings.Builder
	for rest := path; rest != ""; {
		var segment string
		segment, rest = cutSegment(rest)
		out.WriteByte('/')
		out.WriteString(change(segment))
	}
	return out.String()
}

// climb follows the dot segments that a reading has brought to light, and stays
// at the root where they lead above it.
func climb(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var out []byte
	for rest := path; rest != ""; {
		var segment string
		segment, rest = cutSegment(rest)
		if i := strings.LastIndexByte(string(out), '/'); segment == ".." && i >= 0 {
			out = out[:i]
		}
		switch {
		case !isDots(segment):
			out = append(append(out, '/'), segment...)
		case rest == "":
			out = append(out, '/')
		}
	}
	return string(out)
}
