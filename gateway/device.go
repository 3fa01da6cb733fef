package gateway

import "strings"

// unknownBrowser stands where a User-Agent says nothing that we know.
const unknownBrowser = "Unknown browser"

// sign is a piece of a User-Agent and what it gives away.
type sign struct{ mark, name string }

// Everybody claims to be Safari, most claim to be Chrome: the first that fits
// counts, so the more special come first.
var (
	browserSigns = []sign{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"Edge/", "Edge"},
		{"OPR/", "Opera"}, {"OPT/", "Opera"}, {"Opera", "Opera"}, {"Vivaldi/", "Vivaldi"}, {"YaBrowser/", "Yandex Browser"},
		{"SamsungBrowser/", "Samsung Internet"}, {"DuckDuckGo/", "DuckDuckGo"}, {"Ddg/", "DuckDuckGo"}, {"Slack", "Slack"},
		{"Seamonkey/", "SeaMonkey"}, {"SeaMonkey/", "SeaMonkey"}, {"FxiOS/", "Firefox"}, {"Focus/", "Firefox"}, {"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"},
		{"MSIE ", "Internet Explorer"}, {"Trident/", "Internet Explorer"},
		{"Epiphany/", "GNOME Web"}, {"Version/", "Safari"},
		{"curl/", "curl"}, {"Wget/", "Wget"},
	}
	systemSigns = []sign{
		{"iPhone", "iPhone"}, {"iPod", "iPod"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Windows", "Windows"}, {"Macintosh", "Mac"}, {"Linux", "Linux"}, {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"},
	}
)

// deviceOf says a User-Agent in words for people, such as "Firefox on Windows".
// The words are a fixed few, so that nothing of a stranger's header is kept.
func deviceOf(userAgent string) string {
	userAgent = clip(userAgent, 500)
	browser, system := recognise(userAgent, browserSigns), recognise(userAgent, systemSigns)
	switch {
	case browser == "Safari" && !strings.Contains(userAgent, "Safari/"):
		browser = "" // "Version/" alone is an app's
	case browser == "Safari" && system == "Android":
		browser = "Android Browser"
	}
	switch {
	case browser == "" && system == "":
		return unknownBrowser
	case system == "":
		return browser
	case browser == "":
		return unknownBrowser + " on " + system
	}
	return browser + " on " + system
}

func recognise(userAgent string, signs []sign) string {
	for _, s := range signs {
		if strings.Contains(userAgent, s.mark) {
			return s.name
		}
	}
	return ""
}

// deviceIn gives what deviceOf gave in the words of a language. The names of
// browsers and systems are the same in all.
func deviceIn(lang, device string) string {
	browser, system, found := strings.Cut(device, " on ")
	if browser == unknownBrowser || browser == "" {
		browser = labels[lang]["unknown_browser"]
	}
	if !found {
		return browser
	}
	return browser + " " + labels[lang]["on"] + " " + system
}
