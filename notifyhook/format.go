package notifyhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"
)

const maxDigits = 6 // after the point

var decimal = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?$`)

// formatDate writes a day, or the day of a time, as people do in the language.
func formatDate(lang string, v any) (string, error) {
	text, ok := v.(string)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		day, err = time.Parse(time.RFC3339, text)
	}
	if !ok || err != nil {
		return "", errors.New("is no date: send it as 2026-11-24 or 2026-11-24T08:00:00+01:00")
	}
	if lang == english {
		return day.Format("2 January 2006"), nil
	}
	months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	number := fmt.Sprint(day.Day())
	if day.Day() == 1 {
		number = "1er"
	}
	return fmt.Sprintf("%s %s %d", number, months[day.Month()-1], day.Year()), nil
}

// formatNumber writes a number with the language's separators, rounded to digits
// after the point if they are given.
func formatNumber(lang string, v any, digits ...int) (string, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int64, int:
		text = fmt.Sprint(v)
	}
	if !decimal.MatchString(text) {
		return "", errors.New("is no number: send it as 1234.5, without spaces or commas")
	}
	if len(digits) > 0 {
		if digits[0] < 0 || digits[0] > maxDigits {
			return "", fmt.Errorf("takes 0 to %d digits after the point", maxDigits)
		}
		exact, _ := new(big.Rat).SetString(text)
		text = exact.FloatString(digits[0])
	}
	group, point := "\u202f", ","
	if lang == english {
		group, point = ",", "."
	}
	text, negative := strings.CutPrefix(text, "-")
	whole, fraction, hasFraction := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + group + whole[i:]
	}
	if hasFraction {
		whole += point + fraction
	}
	if negative {
		whole = "-" + whole
	}
	return whole, nil
}
