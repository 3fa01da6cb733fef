package configs

import "strings"

// maxKey bounds a key's length in bytes; real ones have two dozen letters.
const maxKey = 128

// nearest gives the key that an unknown one was probably meant to be; "" if
// none is like it.
func nearest(key string, fields []field) string {
	best, least := "", 2+len(key)/3
	for _, f := range fields {
		if n := distance(strings.ToLower(key), f.key); n < least {
			best, least = f.key, n
		}
	}
	return best
}

// list names the keys that one may write.
func list(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	return strings.Join(names, ", ")
}

// distance is the number of letters to insert, delete, replace, or swap with
// their neighbour, to make a of b (optimal string alignment). Keys are short.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
