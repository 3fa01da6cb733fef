package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pageFaults finds, in the page that is open, what would keep a person from
// reading or using it (WCAG 2.2, level AA, as far as a machine can tell): it gives
// a line for each.
const pageFaults = `(() => {
	const faults = [], all = q => [...document.querySelectorAll(q)], says = e => e.outerHTML.slice(0, 120)
	const fault = (bad, text, e) => { if (bad) faults.push(text + (e ? ": " + says(e) : "")) }
	const root = document.documentElement
	for (const size of ["200%", ""]) {
		root.style.fontSize = size
		const wide = root.scrollWidth - root.clientWidth
		fault(wide > 0, "with text at " + (size || "100%") + " it is " + wide + " pixels too wide")
	}
	fault(!/^(en|fr)/.test(root.lang), "no language")
	fault(!document.title.trim(), "no title")
	fault(all("h1").length !== 1 || all("main").length !== 1, "not one h1 and one main")
	let level = 0
	for (const h of all("h1,h2,h3,h4,h5,h6")) {
		fault(+h.tagName[1] > level + 1, "a heading leaves a level out", h)
		level = +h.tagName[1]
	}
	const ids = all("[id]").map(e => e.id)
	fault(new Set(ids).size < ids.length, "an id stands twice")
	for (const name of ["for", "aria-describedby", "aria-labelledby", "href"])
		for (const e of all("[" + name + "]"))
			for (const id of e.getAttribute(name).split(/\s+/))
				fault((name !== "href" || id[0] === "#") && !document.getElementById(id.replace("#", "")), name + " leads nowhere", e)
	for (const e of all("input:not([type=hidden]),select,textarea"))
		fault(!e.labels.length && !e.ariaLabel, "a field without a label", e)
	for (const e of all("a[href],button"))
		fault(!e.innerText.trim() && !e.ariaLabel && !e.querySelector("img[alt]"), "nothing says what it does", e)
	fault(all("img:not([alt])").length, "a picture without words")
	fault(all(".button").some(b => b.getBoundingClientRect().height < 44), "a button less than 44 pixels high")

	const rgba = text => (n => [n[0], n[1], n[2], n[3] ?? 1])(text.match(/[\d.]+/g).map(Number))
	const light = c => [.2126, .7152, .0722].reduce((sum, part, i) => sum + part * (v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)(c[i] / 255), 0)
	const ground = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c } return [255, 255, 255, 1] }
	for (const e of all("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || getComputedStyle(e).position === "absolute") continue
		const style = getComputedStyle(e), pixels = parseFloat(style.fontSize), large = pixels >= 24 || pixels >= 18.66 && style.fontWeight >= 700
		const [a, b] = [light(rgba(style.color)), light(ground(e))].sort((a, b) => b - a), contrast = (a + .05) / (b + .05)
		fault(contrast < (large ? 3 : 4.5), "contrast " + contrast.toFixed(1), e)
	}
	return faults.join("\n")
})()`

// checkPage measures the page that is open.
func (tb *tab) checkPage(name string) {
	tb.t.Helper()
	if faults := value(tb, chromedp.EvaluateAsDevTools[string](pageFaults)); faults != "" {
		tb.t.Errorf("%s:\n%s", name, faults)
	}
}

// checkLayout measures the page that is open, and goes through it by keyboard.
func (tb *tab) checkLayout(name string) {
	tb.t.Helper()
	tb.checkPage(name)
	for i := range value(tb, chromedp.EvaluateAsDevTools[int](`document.querySelectorAll("a,button,input:not([type=hidden])").length`)) {
		tb.run(chromedp.KeyEvent(kb.Tab))
		at := fmt.Sprintf(`(e => e === document.activeElement && getComputedStyle(e).outlineStyle === "solid")(document.querySelectorAll("a,button,input:not([type=hidden])")[%d])`, i)
		if !value(tb, chromedp.EvaluateAsDevTools[bool](at)) {
			tb.t.Errorf("%s: the key Tab does not lead to button %d, or does not show it", name, i+1)
		}
	}
	value(tb, chromedp.EvaluateAsDevTools[bool](`document.activeElement.blur() === undefined`))
}

// TestE2EPageFaults: each kind of fault is found, and a page without one passes.
func TestE2EPageFaults(t *testing.T) {
	tb := chromium(t)(t, 320, 568)
	page := func(body string) string {
		return "data:text/html,<!doctype html><html lang=en><title>t</title><meta name=viewport content='width=device-width'><main><h1>x</h1>" + strings.ReplaceAll(body, "#", "%23") + "</main>"
	}
	for body, want := range map[string]string{
		`<p><label for=a>A</label><input id=a></p><a href="#a">to A</a>`: "",
		`<p style="width:330px">wide`:                                    "pixels too wide",
		`<p style="width:15rem">wide`:                                    "with text at 200% it is",
		`<h3>deep</h3>`:                                                  "leaves a level out",
		`<h1>second</h1>`:                                                "not one h1",
		`<p id=a><b id=a>x</b>`:                                          "stands twice",
		`<input>`:                                                        "without a label",
		`<input aria-label=x aria-describedby=none>`:                     "leads nowhere",
		`<a href="#none">x</a>`:                                          "leads nowhere",
		`<button></button>`:                                              "nothing says what it does",
		`<img src="">`:                                                   "without words",
		`<p style="color:#999">grey</p>`:                                 "contrast 2.8",
		`<p style="background:#24506c"><i>black</i></p>`:                 "contrast 2.4",
		`<a class=button href="#">low</a>`:                               "44 pixels",
	} {
		tb.open(page(body))
		if got := value(tb, chromedp.EvaluateAsDevTools[string](pageFaults)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("of %s it is said: %q, want %q", body, got, want)
		}
	}
}
